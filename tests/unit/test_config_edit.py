"""Our configuration file says more afterwards, and everything that it said before."""

import tomllib

import pytest

from gatepost.config.edit import EditError, with_settings
from gatepost.config.load import parse
from gatepost.config.places import places
from gatepost.setting import Setting

PLACES = places({}, system=True)
DELAY = Setting(("greylist", "delay"), "5m", "as postgrey had it")
RULE = Setting(("rules", "ptr.missing"), "defer", how="first")
MAP = Setting(("access", "helo_access"), "hash:/helo", how="append")
LIST = Setting(("dnsbl",), {"zone": "bl.example.org", "answers": "127.0.0.2"}, how="append")


def edited(text, *settings):
    result = with_settings(text, settings)
    again = with_settings(result.text, settings)
    assert result.text == again.text
    assert {"already so", "kept"} >= {outcome.text.split(":")[0] for outcome in again.outcomes}
    return result


@pytest.mark.parametrize(
    ("text", "setting", "result"),
    [
        ("", DELAY, '\n[greylist]\n# as postgrey had it\ndelay = "5m"\n'),
        ('# mine\n[greylist] # here\nwhen = "never"', DELAY,
         '# mine\n[greylist] # here\n# as postgrey had it\ndelay = "5m"\nwhen = "never"\n'),
        ('greylist.when = "never"\n', DELAY,
         '# as postgrey had it\ngreylist.delay = "5m"\ngreylist.when = "never"\n'),
        ('[rules]\n"ptr.*" = 0\n', RULE, '[rules]\n"ptr.missing" = "defer"\n"ptr.*" = 0\n'),
        ('rules."ptr.*" = 0\n[log]\n', RULE, 'rules."ptr.missing" = "defer"\nrules."ptr.*" = 0\n[log]\n'),
        ("[access]\n", MAP, '[access]\nhelo_access = ["hash:/helo"]\n'),
        ('[access]\nhelo_access = [ # two\n  "/a",\n]\n', MAP,
         '[access]\nhelo_access = ["hash:/helo",  # two\n  "/a",\n]\n'),
        ("[access]\nhelo_access=[]\n", MAP, '[access]\nhelo_access=["hash:/helo", ]\n'),
        ("[log]\n", Setting(("mode",), "observe"), 'mode = "observe"\n[log]\n'),
    ],
)  # fmt: skip
def test_where_a_setting_is_put(text, setting, result):
    assert result == edited(text, setting).text


def test_the_first_list_keeps_those_that_are_in_use_by_default():
    zones = [one["zone"] for one in tomllib.loads(edited("", LIST).text)["dnsbl"]]

    assert ["zen.spamhaus.org", "bl.example.org"] == zones


def test_a_default_list_that_is_set_otherwise_is_there_once():
    setting = Setting(("dnsbl",), {"zone": "zen.spamhaus.org", "answers": "127.0.0.4"}, how="append")

    assert [setting.value] == tomllib.loads(edited("", setting).text)["dnsbl"]


def test_several_rules_keep_their_order():
    rules = [Setting(("rules", name), "reject", how="first") for name in ("ptr.missing", "ptr.*", "helo.*")]

    assert ["ptr.missing", "ptr.*", "helo.*", "x.*"] == list(
        tomllib.loads(edited('[rules]\n"x.*" = 1\n', *rules).text)["rules"]
    )


@pytest.mark.parametrize(
    ("text", "setting", "told"),
    [
        ('[greylist]\ndelay = "1m"\n', DELAY, 'kept: the file says "1m" already'),
        ("[rules]\nptr.missing = 3\n", RULE, "kept: the file says 3 already"),
        (
            '[[dnsbl]]\nzone = "bl.example.org"\n',
            LIST,
            'kept: the file says { zone = "bl.example.org" } already',
        ),
        ('[access]\nhelo_access = "/x"\n', MAP, 'kept: the file says "/x" already'),
    ],
)
def test_what_the_administrator_has_set_stays_and_is_told(text, setting, told):
    result = edited(text, setting)

    assert (text, told, False) == (result.text, result.outcomes[0].text, result.outcomes[0].done)


def test_what_is_said_already_is_not_said_twice():
    text = '[greylist]\ndelay = "5m"\n'

    assert (text, "already so") == (edited(text, DELAY).text, edited(text, DELAY).outcomes[0].text)


@pytest.mark.parametrize(
    "text", ['greylist = { when = "never" }\n', "[greylist\n", "[rules.helo]\nours = 1\n"]
)
def test_what_cannot_be_changed_safely_is_refused(text):
    with pytest.raises(EditError):
        with_settings(text, [DELAY, RULE])


def test_the_result_is_a_configuration():
    text = edited("# mine\n", DELAY, RULE, LIST, Setting(("rules", "dnsbl.bl.*"), "reject", how="first")).text

    config = parse(text, "gatepost.toml", {}, PLACES)
    assert 300 == config.checks["greylist"].delay
    assert ["ptr.missing", "dnsbl.bl.*"] == list(config.rules)
