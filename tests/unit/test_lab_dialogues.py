"""Generated dialogues: the same for a seed, all of what they can be, and told apart by greylisting."""

from collections import Counter

from gatepost.lab.cast import ANNA, OUR_DOMAIN, PASSWORD
from gatepost.lab.dialogues import CLIENTS, COUNT, HELOS, RECIPIENTS, SEED, SENDERS, generate

CASES = generate()


def drawn(case):
    """Client, HELO, sender and recipients, as the story names them."""
    client, helo, sender, to = case.actor.story.split("; ")
    client = client.removesuffix(", new")
    return (
        client,
        helo.removeprefix("HELO "),
        sender.removeprefix("sender "),
        to.removeprefix("recipients: "),
    )


def test_a_seed_gives_the_same_dialogues_and_another_one_others():
    assert generate(SEED) == CASES
    assert generate(SEED + 1) != CASES


def test_more_dialogues_begin_with_the_same():
    assert generate(SEED, 3) == CASES[:3]


def test_there_are_as_many_as_are_wanted_each_with_a_key():
    assert len({case.actor.key for case in CASES}) == COUNT == 200


def test_everything_that_can_be_drawn_is_among_them():
    for number, choices in enumerate((CLIENTS, HELOS, SENDERS, RECIPIENTS)):
        assert set(choices) == {drawn(case)[number] for case in CASES}


def test_most_of_what_is_said_is_right():
    counts = Counter(drawn(case)[1] == "good" for case in CASES)
    assert counts[True] > COUNT / 3


def test_senders_from_elsewhere_differ_by_more_than_digits():
    seen = [
        case.actor.sender
        for case in CASES
        if case.actor.sender and not case.actor.sender.endswith(OUR_DOMAIN)
    ]
    assert len(set(seen)) == len(seen) > COUNT / 2
    assert not any(letter.isdigit() for sender in seen for letter in sender.partition("@")[0])


def test_own_users_log_in_and_write_as_themselves():
    users = [case.actor for case in CASES if drawn(case)[0] == "user"]
    assert {(one.port, one.login, one.password) for one in users} == {(587, True, PASSWORD)}
    assert ANNA in {one.sender for one in users}
    guests = [case.actor for case in CASES if drawn(case)[0] == "guest"]
    assert PASSWORD not in {one.password for one in guests}


def test_who_is_new_is_another_sender_at_each_turn_and_nobody_else_is():
    new = [case for case in CASES if case.new and case.actor.sender]
    assert new
    for case in new:
        assert case.at("beforex").sender == f"beforex.{case.actor.sender}"
        assert case.at("beforex").recipients == case.actor.recipients
    for case in CASES:
        if not case.new:
            assert case.at("beforex") is case.actor


def test_who_is_new_has_an_address_of_its_own():
    new = {case.actor.address for case in CASES if case.new}
    assert not new & {case.actor.address for case in CASES if not case.new}
