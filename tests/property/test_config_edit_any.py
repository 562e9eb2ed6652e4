"""Whatever stands in a configuration file, adding a setting loses nothing of it, and adds it once."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from gatepost.config.edit import EditError, with_settings
from gatepost.setting import Setting

LINES = st.sampled_from(
    [
        "# a remark", "", "   ", 'mode = "observe"', "[rules]", '"helo.*" = 3', '"a # b" = "x = [y]"',
        'rules."x.y" = 1', "[greylist]", 'delay = "1m" # why', "greylist.header = true", "[access]",
        'helo_access = ["/a"]', "helo_access = [ # two", '  "/b", "/c",', "]", "[[dnsbl]]",
        'zone = "a.example"',
        'dnsbl = [{ zone = "b.example" }]', "[log]", "'quoted' = '''\nrows\n'''", "access = { deny = [] }",
        "\r",
    ]
)  # fmt: skip
SETTINGS = st.sampled_from(
    [
        Setting(("mode",), "enforce"),
        Setting(("greylist", "delay"), "5m", "why"),
        Setting(("greylist", "when"), "stranger"),
        Setting(("rules", "helo.*"), "reject", how="first"),
        Setting(("rules", "ptr.missing"), 0, how="first"),
        Setting(("access", "helo_access"), 'hash:/"odd" name', how="append"),
        Setting(("dnsbl",), {"zone": "c.example", "codes": {"127.0.0.2": "x"}}, "why", "append"),
    ]
)


@given(st.lists(LINES, max_size=12).map("\n".join), st.lists(SETTINGS, min_size=1, max_size=4))
def test_nothing_is_lost_and_nothing_said_twice(text, settings):
    try:
        before = tomllib.loads(text)
        result = with_settings(text, settings)
    except (tomllib.TOMLDecodeError, EditError):
        return
    after = tomllib.loads(result.text)

    rows = iter(result.text.split("\n"))
    for row in text.split("\n"):  # each line is there, in order; one with an array may hold an element more
        assert any(row == other or ("[" in row and other.endswith(row.partition("[")[2])) for other in rows)
    for key, value in before.items():
        if not isinstance(value, dict | list):
            assert value == after[key]
    assert result.text == with_settings(result.text, settings).text
