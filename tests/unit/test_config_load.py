"""File, command line and place come to one configuration, or to everything that is wrong with it."""

import os
from pathlib import Path

import pytest

from gatepost.checks.greylist import GreylistOptions
from gatepost.config.expected import plain
from gatepost.config.load import Said, load, parse
from gatepost.config.places import SYSTEM_CONFIG, config_file, places
from gatepost.config.problem import ConfigError
from gatepost.config.schema import as_file, default_config
from gatepost.config.toml import toml_lines
from gatepost.engine.verdict import Worths

SYSTEM = places({}, system=True)
USER = places({"HOME": "/home/anna", "XDG_RUNTIME_DIR": "/run/user/1000"}, system=False)


def read(text, overrides=None, where=SYSTEM):
    return parse(text, "gatepost.toml", overrides or {}, where)


def wrong(text, overrides=None):
    with pytest.raises(ConfigError) as caught:
        read(text, overrides)
    return [str(problem) for problem in caught.value.problems]


def test_no_file_is_the_defaults():
    config = load(None, {}, SYSTEM)

    assert default_config().checks == config.checks
    assert ("enforce", "balanced") == (config.mode, config.profile)
    assert GreylistOptions() == config.checks["greylist"]


def test_places_are_the_systems_or_the_users():
    assert "sqlite:/var/lib/gatepost/gatepost.db" == read("").store.url
    assert "/run/gatepost/control.sock" == read("").control.socket
    assert "sqlite:/home/anna/.local/state/gatepost/gatepost.db" == read("", where=USER).store.url
    assert "/run/user/1000/gatepost/control.sock" == read("", where=USER).control.socket


def test_systemd_and_the_xdg_specification_are_listened_to():
    unit = places({"STATE_DIRECTORY": "/var/lib/x:/var/lib/y", "RUNTIME_DIRECTORY": "/run/x"}, system=True)
    user = places({"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "not/absolute"}, system=False)

    assert (Path("/var/lib/x"), Path("/run/x/control.sock")) == (unit.state, unit.control)
    assert (Path("/s/gatepost"), Path("/s/gatepost/control.sock")) == (user.state, user.control)


def test_a_file_says_where_its_state_is_even_to_an_ordinary_user():
    text = '[store]\nurl = "sqlite:/var/lib/gatepost/gatepost.db"\n[control]\nsocket = "/run/x.sock"\n'

    assert "sqlite:/var/lib/gatepost/gatepost.db" == read(text, where=USER).store.url
    assert "/run/x.sock" == read(text, where=USER).control.socket


def test_files_with_stores_of_their_own_do_not_share_a_control_socket():
    texts = [f'[store]\nurl = "{url}"\n' for url in ("sqlite:/a/x.db", "sqlite:/b/x.db", "memory:")]
    one, other, forgetful = (read(text).control.socket for text in texts)

    assert "/run/gatepost/control.sock" == forgetful
    assert 3 == len({one, other, forgetful})
    assert one == read(texts[0], {("store", "url"): Said("--store", "memory:")}).control.socket
    assert {"/run/gatepost"} == {str(Path(socket).parent) for socket in (one, other)}
    assert "/run/gatepost/control.sock" == parse(texts[0], str(SYSTEM_CONFIG), {}, SYSTEM).control.socket


def test_the_command_line_comes_before_the_file():
    overrides = {
        ("mode",): Said("--mode", "observe"),
        ("listen", "policy"): Said("--listen", ["unix:/run/p", "inet:127.0.0.1:1"]),
        ("store", "url"): Said("--store", "memory:"),
    }
    config = read('mode = "enforce"\n[store]\nurl = "sqlite:/x"\n', overrides)

    assert "observe" == config.mode
    assert ("unix:/run/p", "inet:127.0.0.1:1") == config.listen.policy
    assert "memory:" == config.store.url


def test_what_is_wrong_on_the_command_line_is_told_by_its_option():
    overrides = {("listen", "policy"): Said("--listen", ["tcp:1"]), ("store", "url"): Said("--store", "x")}

    assert [
        '--listen: "tcp:1" is no place to listen; write inet:HOST:PORT, inet:[::1]:PORT or unix:/PATH',
    ] == [line for line in wrong("", overrides) if line.startswith("--listen")]
    assert any(line.startswith('--store: "x" names no store') for line in wrong("", overrides))


def test_rules_count_in_the_order_of_the_file_whether_quoted_or_not():
    config = read('[rules]\n"helo.s*" = 7\nhelo.short = 1\nptr.missing = 0\n"helo.*" = "defer"\n')
    worths = Worths(config.worths)

    assert ["helo.s*", "helo.short", "ptr.missing", "helo.*"] == list(config.rules)
    assert (7, 0, "defer") == (worths.of("helo.short"), worths.of("ptr.missing"), worths.of("helo.ours"))
    assert "reject" == worths.of("dnsbl.zen.sbl")


def test_dotted_keys_between_quoted_ones_keep_their_place():
    assert ["ptr.generic", "helo.*", "ptr.missing"] == list(
        read('[rules]\nptr.generic = 1\n"helo.*" = 2\nptr.missing = 3\n').rules
    )


def test_a_rule_of_a_list_that_was_taken_out_matches_nothing():
    assert [
        'gatepost.toml:3: rules."dnsbl.zen.pbl": no rule has such a name, so this can match nothing'
    ] == wrong('dnsbl = []\n[rules]\n"dnsbl.zen.pbl" = 0\n')


def test_a_rule_of_a_section_that_cannot_be_read_is_not_blamed():
    assert 1 == len(wrong('[[dnsbl]]\nzone = 3\n[rules]\n"dnsbl.bl.listed" = 0\n'))


def test_a_wrong_key_is_told_without_its_value():
    (told,) = wrong('[[dnsbl]]\nzone = "zen.dq.spamhaus.net"\nkey = "0123456789abcdef"\n')

    assert "0123456789abcdef" not in told
    assert 'did you mean "key_env"' in told or "no such option" in told


def test_what_show_prints_can_be_read_again_and_is_the_same():
    config = read('profile = "strict"\n[rules]\nptr.missing = 1.5\n[delay]\n"greylist.*" = "1500ms"\n')
    again = read("\n".join(toml_lines(plain(as_file(config)))))

    assert as_file(config) == as_file(again)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda _: None, "cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_text("a = " + "[" * 5000), "is nested too deeply"),
        (lambda path: path.write_bytes(b"# \xff\n"), "is not UTF-8"),
        (lambda path: path.write_text("a = 1\0"), "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, make, told):
    path = tmp_path / "gatepost.toml"
    make(path)

    with pytest.raises(ConfigError, match=told):
        load(path, {}, SYSTEM)


def test_a_file_that_is_given_is_read_even_when_it_is_missing(tmp_path):
    assert tmp_path / "none" == config_file(tmp_path / "none")


def test_numbers_of_any_size_are_refused_where_they_do_not_fit():
    text = (
        f"[score]\nrefuse = {10**400}\n[greylist]\nkeep = {10**400}\ndelay = '{10**400}w'\nipv4_prefix = 33\n"
    )

    assert [2, 4, 5, 6] == [int(line.split(":")[1]) for line in wrong(text)]


def test_what_counts_cannot_be_negative():
    assert 3 == len(
        wrong("[greylist]\nclients_after = -1\n[score]\nrefuse = -0.5\n[store]\nsnapshots = -3\n")
    )
    assert -2 == read('[rules]\n"ptr.generic" = -2\n').rules["ptr.generic"]


def test_the_environment_of_this_process_has_places():
    assert os.sep in str(places(os.environ, system=False).state)
