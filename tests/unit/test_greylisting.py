"""Greylisting decides for a mail, waits no longer than it said, and leaves alone whom it should."""

import pytest

from gatepost.checks.greylist import GreylistOptions
from gatepost.model import Action, Stage
from gatepost.options import Duration
from gatepost.store.base import StoreError
from support.world import Says, World, rules

WAIT = 60


class Full:
    """A store of triplets whose disk is full."""

    def meet(self, triplet, now, terms):
        raise StoreError("no space left")


def strict(**settings):
    return World(Says(), when="stranger", **settings)


def test_a_stranger_waits_and_then_passes():
    world = strict()

    first = world.answer()
    world.clock.advance(WAIT - 1)
    early = world.answer(instance="2")
    world.clock.advance(1)
    second = world.answer(instance="3")
    third = world.answer(instance="4")

    assert [rules(v)[0] for v in (first, early, second, third)] == [
        "greylist.new",
        "greylist.early",
        "greylist.passed",
        "greylist.known",
    ]
    assert [v.action for v in (first, early, second, third)] == [
        Action.DEFER,
        Action.DEFER,
        Action.PASS,
        Action.PASS,
    ]
    assert (first.if_permit, first.enhanced) == (True, "4.7.1")
    assert "60 seconds" in first.text
    assert "1 second" in early.text


def test_doubtful_asks_only_mail_with_points_against_it():
    assert Action.PASS is World(Says()).answer().action
    assert Action.DEFER is World(Says("light"), worth={"light": 1}).answer().action


def test_never_asks_nobody():
    assert Action.PASS is World(Says("light"), worth={"light": 1}, when="never").answer().action


def test_the_first_recipient_decides_for_its_mail_and_any_subset_passes_later():
    world = strict()
    first = [world.answer(recipient=r, instance="1") for r in ("a@x.example", "b@x.example", "c@x.example")]
    world.clock.advance(WAIT)
    later = [world.answer(recipient=r, instance="2") for r in ("c@x.example", "b@x.example")]

    assert [rules(v)[0] for v in first] == ["greylist.new", "greylist.mail", "greylist.mail"]
    assert [v.action for v in first] == [Action.DEFER] * 3
    assert [v.action for v in later] == [Action.PASS] * 2


def test_when_the_first_recipient_passes_so_do_the_others():
    world = strict()
    world.answer(recipient="a@x.example", instance="1")
    world.clock.advance(WAIT)

    assert [world.answer(recipient=r, instance="2").action for r in ("a@x.example", "new@x.example")] == [
        Action.PASS
    ] * 2


def test_a_pool_counts_as_one_network():
    world = strict()
    world.answer(client_address="192.0.2.7")
    world.clock.advance(WAIT)

    assert Action.PASS is world.answer(client_address="192.0.2.200", instance="2").action


def test_bounces_wait_at_the_asked_line_too_unless_something_else_let_them_in():
    world = strict()
    assert Action.PASS is world.answer(Stage.DATA, sender="", policy_context="asked").action
    assert Action.PASS is world.answer(sender="").action

    assert Action.DEFER is world.answer(Stage.DATA, sender="", policy_context="asked").action


def test_the_null_sender_is_asked_at_data_and_not_before():
    world = strict()

    assert Action.PASS is world.answer(sender="").action
    assert Action.DEFER is world.answer(Stage.DATA, sender="").action
    world.clock.advance(WAIT)
    assert Action.PASS is world.answer(sender="", instance="2").action
    assert Action.PASS is world.answer(Stage.DATA, sender="", instance="2").action


def test_a_bounce_to_several_is_remembered_from_rcpt():
    world = strict()
    for instance in ("1", "2"):
        for recipient in ("a@x.example", "b@x.example"):
            assert Action.PASS is world.answer(sender="", recipient=recipient, instance=instance).action
        verdict = world.answer(Stage.DATA, sender="", recipient="", instance=instance)
        expected = Action.DEFER if instance == "1" else Action.PASS
        assert expected is verdict.action
        world.clock.advance(WAIT)


def test_a_bounce_whose_recipients_nobody_remembers_passes():
    assert Action.PASS is strict().answer(Stage.DATA, sender="", recipient="").action


def test_the_second_mx_trick_works():
    world = strict(greylist=GreylistOptions(delay=Duration(1)))
    world.answer()
    world.clock.advance(1)

    assert Action.PASS is world.answer(instance="2").action


def test_a_correspondent_does_not_wait():
    world = strict()
    world.answer(client_address="10.0.0.1", sender="bob@example.net", recipient="Alice@Example.org")

    verdict = world.answer(sender="alice@example.org")

    assert (verdict.action, rules(verdict)) == (Action.PASS, ["known.correspondent"])


def test_a_colleague_whose_address_a_stranger_uses_is_no_correspondent():
    world = World(Says(dns=["sender_domain.ours"]), when="stranger")
    world.answer(client_address="10.0.0.1", sender="bob@example.net", recipient="carol@example.net")

    verdict = world.answer(sender="carol@example.net", recipient="bob@example.net")

    assert (Action.DEFER, "greylist.new") == (verdict.action, verdict.decided_by)


def test_in_observe_mode_mail_neither_waits_nor_is_changed():
    world = World(Says("slow"), when="stranger", delays={"slow": 2.0}, observe=True)
    world.answer()
    world.clock.advance(WAIT)

    verdict = world.answer(instance="2")

    assert "greylist.passed" in rules(verdict)
    assert (Action.PASS, 0.0, "") == (verdict.action, verdict.delay, verdict.header)


@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA])
def test_the_header_comes_once_a_mail(stage):
    world = strict()
    if stage is Stage.DATA:
        world.answer(Stage.DATA, client_address="10.0.0.1", instance="own")  # Postfix asks at DATA
    world.answer()
    world.clock.advance(WAIT + 5)
    at_rcpt = [world.answer(instance="2", recipient=r).header for r in ("bob@example.net", "b@x.example")]
    at_data = world.answer(Stage.DATA, instance="2").header

    headers = [h for h in (*at_rcpt, at_data) if h]
    assert len(headers) == 1
    assert headers[0].startswith("X-Greylist: delayed 65 seconds by gatepost-")
    assert headers[0].endswith("; Tue, 14 Nov 2023 22:14:25 +0000")
    assert (at_data == headers[0]) is (stage is Stage.DATA)


def test_mail_that_did_not_wait_gets_no_header():
    world = World(Says())
    world.answer()

    assert world.answer(Stage.DATA).header == ""


def test_a_store_that_cannot_answer_lets_the_mail_in():
    world = strict()

    world.store.greylist = Full()
    verdict = world.answer()

    assert (verdict.action, rules(verdict)) == (Action.PASS, ["error.store"])
    assert verdict.findings[0].detail == "no space left"


def test_a_clock_set_back_lets_nobody_wait_long():
    world = strict()
    world.answer()
    world.clock.set_back(3600)
    world.answer(instance="2")
    world.clock.advance(WAIT)

    assert Action.PASS is world.answer(instance="3").action


def test_a_mail_without_instance_is_judged_by_itself():
    world = strict()

    assert Action.DEFER is world.answer(instance="").action
    assert rules(world.answer(instance="", recipient="other@example.net"))[0] == "greylist.new"


def test_the_same_recipient_again_is_asked_anew():
    world = strict()
    world.answer(instance="1")
    world.clock.advance(WAIT)

    assert Action.PASS is world.answer(instance="1").action


def test_two_clients_with_one_instance_are_two_mails():
    world = strict()
    world.answer(instance="1")

    assert "greylist.new" == rules(world.answer(instance="1", client_address="198.51.100.7"))[0]


def test_long_names_of_a_flood_are_not_kept_in_memory():
    world = strict()
    for number in range(100):
        world.answer(sender="", recipient=f"{number}{'x' * 5000}@example.net")
    (mail,) = world.pipeline.mails._mails.values()

    assert 100 == len(mail.recipients)
    assert max(map(len, mail.recipients)) <= 320
