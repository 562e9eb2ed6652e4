"""References in settings come to what postconf -x says; the same texts are put to the real one elsewhere."""

import pytest

from gatepost.postfix.conf.expand import depends_on, expand, whole_reference
from gatepost.postfix.conf.lines import ConfError

VALUES = {"foo": "F", "empty": "", "loop": "$loop", "inner": "a $foo", "level": "3.6"}

EXPANDED = [
    ("plain", "plain"),
    ("$foo.bar", "F.bar"),
    ("$foo-${foo}$(foo)", "F-FF"),
    ("$inner", "a F"),
    ("$$foo", "$foo"),
    ("$nope", ""),
    ("${foo?yes}", "yes"),
    ("${foo:no}", ""),
    ("${nope:other}", "other"),
    ("${empty:other}", "other"),
    ("${foo?{yes}:{no}}", "yes"),
    ("${nope?{yes}:{no}}", "no"),
    ("${foo?{a b} : {c}}", "a b"),
    ("${foo?${nope:deep}}", "deep"),
    ("${foo?{${nope?{x}:{deep {nested} y}}}}", "deep {nested} y"),
    ("${ foo }", "F"),
    ("${foo ?x}", "x"),
    ("$(foo?x)", "x"),
    ("${{$foo} == {F} ? {eq} : {ne}}", "eq"),
    ("${{$foo}!={F}?{eq}:{ne}}", "ne"),
    ("${{1} < {10} ? {lt} : {ge}}", "lt"),
    ("${{a} < {b} ? lt}", "lt"),
    ("${{3.6} <=level {3.10} ? {le} : {gt}}", "le"),
    ("${{$level} >=level {4} ? {new} : {old}}", "old"),
]
NO_EXPRESSION = ["$", "a$ b", "${", "${foo==F?x}", "${{a} =x {b}?{c}}", "${{3.x} <level {4}?a:b}", "$loop"]


@pytest.mark.parametrize(("text", "value"), EXPANDED)
def test_expansion(text, value):
    assert value == expand(text, VALUES.get)


@pytest.mark.parametrize("text", NO_EXPRESSION)
def test_what_is_no_expression(text):
    with pytest.raises(ConfError):
        expand(text, VALUES.get)


def test_a_setting_that_grows_without_end_is_refused():
    values = {f"a{n}": f"$a{n + 1}" * 10 for n in range(9)} | {"a9": "x" * 10}

    with pytest.raises(ConfError, match="more than can be read"):
        expand("$a0", values.get)


def test_names_that_a_text_asks_for():
    assert {"a", "b", "d"} == depends_on("$a ${b?{x}} $$c", {"b": "$d"}.get)


@pytest.mark.parametrize(
    ("text", "name"), [("$a", "a"), ("${a}", "a"), ("$(a)", "a"), ("$a$b", ""), ("${a?b}", ""), ("x", "")]
)
def test_a_word_that_is_a_reference_and_nothing_else(text, name):
    assert name == whole_reference(text)
