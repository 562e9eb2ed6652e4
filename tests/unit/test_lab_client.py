"""Actors of the lab: honest servers come back when told to wait, bots do not."""

from gatepost.lab import cast
from gatepost.lab.client import Reply, Try, visit

SERVERS = ("first", "second")


class ScriptedDoor:
    """Settles each recipient by its own list of codes; remembers who knocked where."""

    def __init__(self, codes):
        self.codes = {recipient: list(said) for recipient, said in codes.items()}
        self.knocks = []

    def knock(self, _actor, recipients, server):
        self.knocks.append((recipients, server))
        settled = {r: Reply("", self.codes[r].pop(0), "") for r in recipients}
        return Try(float(len(self.knocks)), tuple(settled.values()), settled)


def go(codes, **told):
    door, pauses = ScriptedDoor(codes), []
    actor = cast.actor(1, "somebody", "", recipients=tuple(codes), **told)
    visit(actor, door, SERVERS, 1.5, pauses.append)
    return door.knocks, pauses


def test_a_mail_that_is_taken_is_not_sent_again():
    assert go({"a": [250]}, retries=2) == ([(("a",), "first")], [])


def test_told_to_wait_it_comes_back_after_the_pause():
    assert go({"a": [450, 250]}, retries=2) == ([(("a",), "first"), (("a",), "first")], [1.5])


def test_a_bot_does_not_come_back():
    assert go({"a": [450]}) == ([(("a",), "first")], [])


def test_a_refusal_is_final():
    assert go({"a": [550]}, retries=2) == ([(("a",), "first")], [])


def test_only_recipients_that_wait_are_tried_again():
    knocks, _ = go({"a": [250], "b": [450, 250], "c": [550]}, retries=2)
    assert knocks == [(("a", "b", "c"), "first"), (("b",), "first")]


def test_it_gives_up_after_so_many_retries():
    knocks, _ = go({"a": [450, 450, 450]}, retries=2)
    assert len(knocks) == 3


def test_the_second_mx_is_tried_by_those_who_do():
    knocks, _ = go({"a": [450, 250]}, retries=1, second_mx=True)
    assert [server for _, server in knocks] == ["first", "second"]
