"""fail2ban's files: includes, what holds over what, names in values, tags, parameters, and faults."""

import pytest

from gatepost.ban.fail2ban.definition import define
from gatepost.ban.fail2ban.files import read_file
from gatepost.ban.fail2ban.load import load
from gatepost.ban.fail2ban.spec import parse_spec
from gatepost.ban.fail2ban.trouble import FilterError

PLAIN = "[Definition]\nfailregex = ^bad <HOST>$\n"


def failregex(files, parameters=None, path="/f/a.conf"):
    return define([path], parameters or {}, files.get).failregex


def refused(files, parameters=None):
    with pytest.raises(FilterError) as caught:
        define(["/f/a.conf"], parameters or {}, files.get)
    return str(caught.value)


def test_patterns_stand_one_a_line_without_remarks():
    text = (
        "# remark\n[Definition]\nfailregex = ^a <HOST>$ ; remark\n    # remark\n            ^b;c <HOST>$\n\n"
        "            ^d <HOST>$\nignoreregex =\n"
    )
    assert failregex({"/f/a.conf": text}) == ("^a <HOST>$", "^b;c <HOST>$", "^d <HOST>$")


def test_before_lies_under_after_over_and_local_over_both():
    files = {
        "/f/a.conf": "[INCLUDES]\nbefore = b.conf\nafter = z.conf\n"
        "[Definition]\nfailregex = %(x)s %(y)s %(z)s <HOST>\n"
        "x = a\ny = a\nz = a\n",
        "/f/b.conf": "[Definition]\nx = b\nw = b\n",
        "/f/z.conf": "[Definition]\ny = after\n",
        "/f/a.local": "[Definition]\nz = local\n",
    }
    assert failregex(files) == ("a after local <HOST>",)


def test_known_is_what_was_said_before():
    files = {
        "/f/a.conf": "[Definition]\nfailregex = ^a <HOST>\n",
        "/f/a.local": "[Definition]\nfailregex = %(known/failregex)s\n    ^b <HOST>\n",
    }
    assert failregex(files) == ("^a <HOST>", "^b <HOST>")


def test_names_are_looked_for_in_the_section_in_default_and_in_other_sections():
    text = (
        "[DEFAULT]\nd = %(e)s\ne = 1%%\n[Definition]\n"
        "failregex = %(d)s %(other/o)s %(default/e)s %(other/e)s <HOST>\n"
        "e = 2\n[other]\no = %(e)s\n"
    )
    assert failregex({"/f/a.conf": text}) == ("2 2 1% 1% <HOST>",)


def test_tags_are_replaced_from_the_inside_and_others_stay():
    text = (
        "[Definition]\nfailregex = <mdre-<mode>> <HOST> <F-USER>x</F-USER> <lt_<kind>/p>\nmode = normal\n"
        "mdre-normal = n\nmdre-more = <mdre-normal>+\n[Init]\nkind = file\n[lt_file]\np = %(q)s\nq = 7\n"
    )
    files = {"/f/a.conf": text}
    assert failregex(files) == ("n <HOST> <F-USER>x</F-USER> 7",)
    assert failregex(files, {"mode": "more"}) == ("n+ <HOST> <F-USER>x</F-USER> 7",)
    assert failregex(files, {"kind": "none"}) == ("n <HOST> <F-USER>x</F-USER> <lt_none/p>",)


def test_init_and_parameters_hold_over_the_definition():
    text = "[Definition]\nfailregex = <a> <b> <known/b> <HOST>\na = 1\n[Init]\na = 2\nb = 3\n"
    assert failregex({"/f/a.conf": text}) == ("2 3 3 <HOST>",)
    assert failregex({"/f/a.conf": text}, {"b": "4"}) == ("2 4 3 <HOST>",)


def test_conditional_options_stay_tags():
    text = "[Definition]\nfailregex = <b> <HOST>\n[Init]\nb = 1\n[Init?family=inet6]\nb = 2\n"
    assert failregex({"/f/a.conf": text}) == ("<b> <HOST>",)


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("sshd", "sshd", {}),
        ("postfix[mode=aggressive]", "postfix", {"mode": "aggressive"}),
        ("a[b=\"c, d]\", e='f'][g=h]", "a", {"b": "c, d]", "e": "f", "g": "h"}),
        ("a[]", "a", {}),
        ("/etc/x.conf[a.b=, c-d= e ]", "/etc/x.conf", {"a.b": "", "c-d": "e"}),
    ],
)
def test_parameters_of_a_filter(text, name, parameters):
    spec = parse_spec(text)
    assert (spec.name, spec.parameters) == (name, parameters)


@pytest.mark.parametrize(
    "text", ["", "a[b]", "a[b=c", 'a[b="c]', "a[b=c]d", "[a=b]", "a[" + "b=c," * 20000 + "]"]
)
def test_what_is_no_name_with_parameters(text):
    with pytest.raises(FilterError):
        parse_spec(text)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("failregex = x\n", "/f/a.conf:1: ", "before any [section]"),
        ("[Definition]\nx = 1\nfailregex = a %(nobody)s\n", "/f/a.conf:3: ", "%(nobody)s"),
        ("[Definition]\nfailregex = 100%\n", "/f/a.conf:2: ", "neither %%"),
        ("[Definition]\na = %(b)s\nb = %(a)s\nfailregex = %(a)s\n", "/f/a.conf:", "more than 10 deep"),
        ("[Definition]\nfailregex = <a>\na = <b>\nb = <a>\n", "/f/a.conf", "back to itself"),
        ("[Definition]\nfailregex = <failregex>\n", "/f/a.conf", "back to itself"),
        ("[Definition]\nfailregex =\n", "/f/a.conf: ", "no failregex"),
        ("[DEFAULT]\nfailregex = x\n", "/f/a.conf: ", "no [Definition]"),
        ("[Definition]\nmaxlines = many\nfailregex = x\n", "/f/a.conf:2: ", "not a number"),
        ("[Definition]\nx = 1\nx = 2\n", "/f/a.conf:3: ", "a second time"),
        ("[Definition]\nfailregex = " + "a" * 9000, "/f/a.conf:2: ", "a line of more than"),
        ("[Definition]\n" + "# x\n" * 90000, "/f/a.conf: ", "more than 262144 characters"),
        (
            "[INCLUDES]\nbefore = " + "\n  ".join(f"b{n}.conf" for n in range(70)),
            "/f/b",
            "more than 64 files",
        ),
    ],
)
def test_faults_are_told_with_their_place(text, place, reason):
    files = {"/f/a.conf": text, **{f"/f/b{n}.conf": "[x]\n" for n in range(70)}}
    said = refused(files)
    assert said.startswith(place)
    assert reason in said


def test_values_that_grow_without_end_are_refused():
    lines = "\n".join(f"a{n} = " + f"%(a{n + 1})s" * 20 for n in range(9))
    for last in ("xxxxxxxx", ""):
        assert "more than" in refused(
            {"/f/a.conf": f"[Definition]\nfailregex = %(a0)s\n{lines}\na9 = {last}\n"}
        )
    lines = "\n".join(f"a{n} = " + f"<a{n + 1}>" * 20 for n in range(9))
    refused({"/f/a.conf": f"[Definition]\nfailregex = <a0>\n{lines}\na9 = xxxxxxxx\n"})


def test_files_that_include_each_other_in_a_circle_end():
    files = {
        "/f/a.conf": "[INCLUDES]\nbefore = b.conf\n" + PLAIN,
        "/f/b.conf": "[INCLUDES]\nbefore = a.conf\n",
    }
    assert failregex(files) == ("^bad <HOST>$",)


def test_a_filter_by_name_by_path_and_as_a_pattern(tmp_path):
    (tmp_path / "filter.d").mkdir()
    file = tmp_path / "filter.d" / "own.conf"
    file.write_text("[Definition]\nfailregex = ^<mode> <HOST>$\nmode = normal\n")
    for source in ("own", "own.conf", str(file)):
        loaded = load(source, folder=tmp_path)
        assert (loaded.rule, loaded.definition.failregex) == ("fail2ban.own", ("^normal <HOST>$",))
    assert load("own[mode=more]", folder=tmp_path).definition.failregex == ("^more <HOST>$",)
    assert load("own[mode=more]", mode="less", folder=tmp_path).definition.failregex == ("^less <HOST>$",)
    assert load(r"lost .*\[<HOST>\]").rule == "pattern"


@pytest.mark.parametrize("source", ["", "nobody", "/nowhere/x.conf", "lost connection", "a [b]", "x" * 40000])
def test_what_is_no_filter(source, tmp_path):
    with pytest.raises(FilterError):
        load(source, folder=tmp_path)


def test_only_ordinary_files_of_text_are_read(tmp_path):
    (tmp_path / "latin.conf").write_bytes(b"[Definition]\n\nfailregex = \xe9 <HOST>\n")
    with pytest.raises(FilterError, match=r"latin\.conf:3: not UTF-8"):
        read_file(str(tmp_path / "latin.conf"))
    with pytest.raises(FilterError):
        read_file(str(tmp_path))
    with pytest.raises(FilterError):
        read_file("/dev/zero")
    assert read_file(str(tmp_path / "missing.conf")) is None
    with pytest.raises(FilterError):
        read_file("a\0b")
