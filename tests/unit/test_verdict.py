"""`decide` follows the precedence that docs/precedence.md tells, and nothing else."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.engine.profile import BALANCED, PROFILES
from gatepost.engine.verdict import Terms, Worths, decide, excused, layered
from gatepost.model import Action, Finding, Rule

DOCS = Path(__file__).parents[2] / "docs" / "precedence.md"
TABLE = {
    "access.deny": "reject",
    "access.defer": "defer",
    "access.allow": "pass",
    "hard": "reject",
    "soft": "defer",
    "heavy": 8,
    "light": 2,
    "watched": 0,
    "except": "excuse",
    "greylist.new": "defer",
}
RULES = {name: Rule(name=name, says=name) for name in TABLE} | {
    "greylist.new": Rule(name="greylist.new", says="", if_permit=True)
}
TERMS = Terms(worths=Worths(TABLE), rules=RULES, refuse=8.0)
# One finding for each line of the table in the docs, strongest first, and what it does.
LINES = [
    (1, "access.deny", Action.REJECT),
    (2, "access.allow", Action.PASS),
    (3, "hard", Action.REJECT),
    (4, "soft", Action.DEFER),
    (5, "heavy", Action.REJECT),
    (6, "greylist.new", Action.DEFER),
]


def found(*rules):
    return [Finding(rule, f"because of {rule}") for rule in rules]


def decided(*rules):
    verdict = decide(found(*rules), TERMS)
    return verdict.decided_by, verdict.action


@pytest.mark.parametrize(("line", "rule", "action"), LINES)
def test_each_line_of_the_table_does_what_it_says(line, rule, action):
    name = "score" if rule == "heavy" else rule

    assert (name, action) == decided(rule)


@pytest.mark.parametrize(("stronger", "weaker"), list(combinations(LINES, 2)))
def test_of_two_lines_the_upper_decides_in_whatever_order_they_were_found(stronger, weaker):
    name = "score" if stronger[1] == "heavy" else stronger[1]

    assert (name, stronger[2]) == decided(stronger[1], weaker[1])
    assert (name, stronger[2]) == decided(weaker[1], stronger[1])


def test_the_table_in_the_docs_has_these_lines_in_this_order():
    rows = re.findall(r"^\| (\d) \| (.+?) \| (.+?) \|$", DOCS.read_text(), re.MULTILINE)

    assert [str(line) for line, _, _ in LINES] == [number for number, _, _ in rows]
    for (_, rule, action), (_, when, outcome) in zip(LINES, rows, strict=True):
        word = {"hard": "`reject`", "soft": "`defer`", "heavy": "points", "greylist.new": "greylist"}
        assert word.get(rule, rule) in when
        assert outcome in (str(action), "as the entry says")


def test_an_own_defer_is_as_strong_as_an_own_deny():
    assert decided("access.allow", "access.defer") == ("access.defer", Action.DEFER)


def test_points_add_up_and_tell_the_heaviest_reasons():
    verdict = decide(found("light", "light", "light", "light"), TERMS)

    assert (
        verdict.action,
        verdict.score,
        verdict.decided_by,
        verdict.code,
        verdict.enhanced,
    ) == (Action.REJECT, 8.0, "score", 550, "5.7.1")
    assert "because of light" in verdict.text


def test_what_is_watched_is_shown_and_changes_nothing():
    verdict = decide(found("watched"), TERMS)

    assert Action.PASS is verdict.action
    assert [(j.rule, j.worth) for j in verdict.findings] == [("watched", 0)]


def test_what_is_excused_stays_visible():
    exception = Finding("except", "", excuses=("hard", "hea*"))

    verdict = decide([*found("hard", "heavy", "light"), exception], TERMS)

    assert (verdict.action, verdict.score) == (Action.PASS, 2.0)
    assert {j.rule: j.excused_by for j in verdict.findings} == {
        "hard": "except",
        "heavy": "except",
        "light": "",
        "except": "",
    }


def test_an_exception_set_to_zero_excuses_nothing():
    terms = Terms(worths=Worths(layered({"except": 0}, TABLE)), rules=RULES, refuse=8.0)

    assert Action.REJECT is decide([*found("hard"), Finding("except", "", excuses=("hard",))], terms).action


def test_findings_from_the_dns_are_suspended_while_the_resolver_is_ill():
    finding = Finding("hard", "", rests_on_dns=True)

    assert Action.REJECT is decide([finding], TERMS).action
    assert Action.PASS is decide([finding], TERMS, resolver_ill=True).action
    assert decide([finding], TERMS, resolver_ill=True).findings[0].excused_by == "resolver"


def test_greylisting_lets_a_later_permanent_refusal_win():
    verdict = decide(found("greylist.new"), TERMS)

    assert (verdict.if_permit, verdict.code, verdict.enhanced) == (True, 450, "4.7.1")


def test_an_entry_of_an_own_list_may_bring_its_own_code():
    verdict = decide([Finding("access.deny", "go away", code=521, enhanced="5.7.0")], TERMS)

    assert (verdict.code, verdict.enhanced) == (521, "5.7.0")


def test_an_entry_of_an_own_list_may_let_a_later_refusal_win():
    own = [Finding("access.defer", "maybe later", enhanced="4.2.0", if_permit=True)]
    verdict = decide(own, TERMS)
    assert (verdict.if_permit, verdict.enhanced, verdict.text) == (True, "4.2.0", "maybe later")


def test_a_code_of_the_wrong_class_is_not_taken_over():
    verdict = decide([Finding("access.deny", "go away", code=450, enhanced="4.7.0")], TERMS)

    assert (verdict.code, verdict.enhanced) == (550, "5.7.0")


def test_the_first_pattern_that_matches_counts():
    worths = Worths({"dnsbl.zen.pbl": 0, "dnsbl.*": "reject", "*": 3}, {"dnsbl.*": 2.0})

    assert tuple(worths.of(r) for r in ("dnsbl.zen.pbl", "dnsbl.zen.sbl", "ptr.missing")) == (0, "reject", 3)
    assert (worths.delay("dnsbl.zen.sbl"), worths.delay("ptr.missing")) == (2.0, 0.0)


def test_own_deny_reject_and_score_never_hide_a_worth_for_our_own_errors():
    for profile in PROFILES.values():
        assert all(Worths(profile).of(f"error.{kind}") == 0 for kind in ("timeout", "check", "store"))


def test_trust_of_one_and_more_excuses_and_less_does_not():
    worths = Worths(BALANCED)
    high = [Finding("dnswl.dnswl.isp.low", "", excuses=("dnsbl.*", "greylist.*"))]
    none = [Finding("dnswl.dnswl.isp.none", "", excuses=("dnsbl.*", "greylist.*"))]

    assert excused("dnsbl.zen.xbl", high, worths) == "dnswl.dnswl.isp.low"
    assert excused("helo.short", high, worths) == ""
    assert excused("dnsbl.zen.xbl", none, worths) == ""


@given(st.lists(st.sampled_from(sorted(TABLE)), max_size=12), st.booleans())
def test_every_refusal_has_codes_of_one_class_and_a_reason(rules, ill):
    verdict = decide(found(*rules), TERMS, resolver_ill=ill)

    if verdict.action is Action.PASS:
        assert verdict.code == 0
    else:
        assert (
            str(verdict.code)[0] == verdict.enhanced[0] == ("5" if verdict.action is Action.REJECT else "4")
        )
        assert verdict.text
        assert verdict.decided_by
