"""The pipeline answers every request, remembers what it found out, and never refuses for our own trouble."""

import asyncio

import pytest

from gatepost.clock import FakeClock
from gatepost.dns.base import Kind
from gatepost.engine.memory import Memory
from gatepost.model import Action, Request, Stage, Verdict
from support.world import STRANGER, Says, World, rules


def test_a_stranger_with_nothing_against_him_passes_at_once():
    assert Action.PASS is World(Says()).answer().action


@pytest.mark.parametrize(
    ("who", "rule"),
    [({"client_address": "10.1.2.3"}, "ours.network"), ({"sasl_username": "carol"}, "ours.authenticated")],
)
def test_our_own_are_never_checked(who, rule):
    check = Says("hard")
    world = World(check, worth={"hard": "reject"})

    verdict = world.answer(**who)

    assert (Action.PASS, [rule], 0) == (verdict.action, rules(verdict), check.looked)


def test_the_learning_line_only_learns():
    check = Says("hard")
    world = World(check, worth={"hard": "reject"})

    assert Action.PASS is world.answer(policy_context="learn").action
    assert check.looked == 0


class Banned(Says):
    name = "banned"


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.OTHER])  # after XCLIENT Postfix asks again
@pytest.mark.parametrize("worth", ["reject", 0])
def test_before_the_greeting_the_check_for_bans_alone_is_asked(worth, stage):
    usual, bans = Says("hard", dns=["later"]), Banned("banned.client")
    world = World(usual, bans, worth={"hard": "reject", "later": "reject", "banned.client": worth})

    verdict = world.answer(stage, policy_context="ban")

    assert (Action.REJECT if worth else Action.PASS, ["banned.client"]) == (verdict.action, rules(verdict))
    assert (0, 0, 1) == (usual.looked, usual.looked_up, bans.looked)
    assert Action.PASS is world.answer(Stage.CONNECT, policy_context="ban", client_address="10.1.2.3").action


def test_before_the_greeting_nobody_is_refused_for_our_own_trouble():
    verdict = World(Says("hard"), worth={"hard": "reject"}).answer(Stage.CONNECT, policy_context="ban")

    assert (Action.PASS, []) == (verdict.action, rules(verdict))


def test_at_data_the_asked_line_judges_only_what_was_asked_about_at_rcpt():
    check = Says("hard")
    world = World(check, worth={"hard": "reject"})

    assert Action.PASS is world.answer(Stage.DATA, policy_context="asked").action
    assert check.looked == 0
    assert Action.REJECT is world.answer(Stage.DATA).action


def test_an_answer_that_needs_nothing_from_others_comes_at_once():
    world = World(Says("light"), worth={"light": 0.5})
    world.answer()

    assert isinstance(world.pipeline.answer(Request(stage=Stage.RCPT, **STRANGER)), Verdict)


def test_the_second_recipient_costs_no_question():
    check = Says(dns=["light"], ask=[("example.org", Kind.MX)])
    world = World(check, worth={"light": 0.5}, zone={"example.org MX": ["10 mail.example.org"]})

    first, second = world.answer(), world.answer(recipient="carol@example.net")

    assert rules(first) == rules(second) == ["light"]
    assert check.looked_up == 1


def test_what_was_found_is_believed_no_longer_than_it_may_be():
    check = Says(dns=["light"])
    world = World(check)
    world.answer()
    world.clock.advance(61)
    world.answer()

    assert check.looked_up == 2


def test_what_is_over_goes_when_other_things_come():
    clock = FakeClock()
    memory = Memory(clock)
    for number in range(10):
        memory.keep((number,), (), 60)
    clock.advance(61)
    for number in range(10, 20):
        memory.keep((number,), (), 60)
    memory.keep(("at once over",), (), 0)

    assert 10 <= len(memory) <= 11
    assert memory.recall((19,)) == []
    assert memory.recall(("at once over",)) is None


def test_names_that_can_be_none_are_not_remembered():
    check = Says()
    world = World(check)
    for _ in range(2):
        world.answer(helo_name="x" * 2000)

    assert check.looked_up == 2


def test_unknown_answers_are_not_remembered():
    check = Says(ask=[("example.org", Kind.MX)])
    world = World(check, zone={"example.org MX": "!servfail"})
    world.answer()
    world.answer()

    assert check.looked_up == 2


def test_another_sender_domain_helo_or_client_is_looked_at_anew():
    check = Says()
    world = World(check)
    for change in (
        {},
        {"sender": "a@b.example"},
        {"helo_name": "x.example"},
        {"client_address": "192.0.2.8"},
    ):
        world.answer(**change)

    assert check.looked_up == 4


def test_a_check_that_hangs_loses_only_what_it_had_not_said():
    world = World(Says(dns=["said"], hang=True), Says(dns=["other"]), deadline=0.05)

    verdict = world.answer()

    assert Action.PASS is verdict.action
    assert {"said", "other", "error.timeout"} == set(rules(verdict))


def test_a_check_that_fails_costs_no_mail():
    world = World(Says(dns=["said"], fail=ZeroDivisionError()))

    verdict = world.answer()

    assert Action.PASS is verdict.action
    assert {"said", "error.check"} == set(rules(verdict))


def test_nothing_dear_is_asked_once_a_cheap_check_has_refused():
    cheap, dear = Says("hard"), Says(dns=["light"])
    world = World(cheap, dear, worth={"hard": "reject"})

    assert Action.REJECT is world.answer().action
    assert dear.looked_up == 0


def test_a_dear_check_that_may_let_the_mail_in_is_asked_all_the_same():
    world = World(Says("hard"), Says(dns=["rescue"]), worth={"hard": "reject", "rescue": "pass"})

    assert Action.PASS is world.answer().action


def test_points_that_the_dns_may_take_off_are_waited_for():
    world = World(Says("heavy"), Says(dns=["good"]), worth={"heavy": 8, "good": -5}, when="never")

    verdict = world.answer()

    assert (Action.PASS, 3) == (verdict.action, verdict.score)


def test_ask_runs_everything():
    dear = Says(dns=["light"])
    world = World(Says("hard"), dear, worth={"hard": "reject"}, thorough=True)

    assert rules(world.answer()) == ["hard", "light"]


def test_a_check_is_asked_only_at_its_stages():
    check = Says("late", stages={Stage.RCPT})
    world = World(check)

    assert rules(world.answer(Stage.CONNECT)) == []
    assert rules(world.answer(Stage.RCPT)) == ["late"]


def test_a_stage_that_is_not_known_is_let_through():
    assert Action.PASS is World(Says("hard"), worth={"hard": "reject"}).answer(Stage.OTHER).action


def test_data_is_not_judged_again():
    check = Says("light", remembered=False)
    world = World(check, worth={"light": 0.5})
    world.answer()
    looked = check.looked
    world.answer(Stage.DATA)

    assert looked == check.looked


def test_data_is_judged_when_nobody_asked_at_rcpt():
    world = World(Says("hard"), worth={"hard": "reject"})

    assert Action.REJECT is world.answer(Stage.DATA).action


def test_while_the_resolver_is_ill_nothing_that_rests_on_it_counts():
    world = World(Says(dns=["hard"]), worth={"hard": "reject"})
    world.health.ill = "nothing answers"

    verdict = world.answer()

    assert (verdict.action, verdict.notes) == (Action.PASS, ("nothing answers",))
    assert verdict.findings[0].excused_by == "resolver"


def test_in_observe_mode_the_verdict_is_kept_and_marked():
    verdict = World(Says("hard"), worth={"hard": "reject"}, observe=True).answer()

    assert (verdict.action, verdict.observed) == (Action.REJECT, True)


def test_a_tarpit_never_outlasts_the_deadline():
    world = World(Says("slow"), delays={"slow": 60.0})

    assert world.answer().delay == 4.0


def test_our_own_trouble_defers_one_sender_for_ten_minutes_at_most():
    world = World(Says(fail=ZeroDivisionError()), worth={"error.*": "defer"})

    assert Action.DEFER is world.answer().action
    world.clock.advance(590)
    assert Action.DEFER is world.answer().action
    world.clock.advance(20)
    assert Action.PASS is world.answer().action
    assert Action.DEFER is world.answer(sender="somebody@else.example").action


def test_references_are_short_and_differ():
    world = World()
    seen = {world.answer().reference for _ in range(50)}

    assert len(seen) == 50
    assert all(len(r) == 8 and r.isalnum() and r.isupper() for r in seen)


def test_a_refusal_tells_what_the_check_has_to_add():
    world = World(Says(dns=["hard"], more="see https://list.example/1"), worth={"hard": "reject"})

    assert world.answer().text == "text of hard: see https://list.example/1"


def test_many_requests_at_once_do_not_disturb_each_other():
    world = World(Says(dns=["light"], ask=[("example.org", Kind.MX)]), worth={"light": 0.5})

    async def all_at_once():
        return await asyncio.gather(
            *(world.answer_async(client_address=f"192.0.2.{n}", instance=f"i{n}") for n in range(50))
        )

    assert {("light",)} == {tuple(rules(v)) for v in asyncio.run(all_at_once())}
