"""What differs between two turns of the same dialogues, and what went wrong in mail that flowed."""

from gatepost.lab.client import Reply, Try
from gatepost.lab.compare import NOT_REACHED, Session, differences, kinds, unheard_of

GREETED = Reply("(connected)", 220, "mx ESMTP")
TAKEN = (
    Reply("MAIL FROM:<a@x.example>", 250, "2.1.0 Ok"),
    Reply("RCPT TO:<anna@y.example>", 250, "2.1.5 Ok"),
    Reply("DATA", 354, "End data"),
    Reply("(the message)", 250, "2.0.0 Ok: queued as 1"),
)
REFUSED = (
    Reply("MAIL FROM:<a@x.example>", 250, "2.1.0 Ok"),
    Reply("RCPT TO:<anna@y.example>", 550, "5.7.1 no"),
)


def attempt(*replies):
    return Try(0.0, (GREETED, *replies, Reply("QUIT", 221, "Bye")), {})


def compared(before, after):
    found = differences({"d1": "a story"}, {"d1": before}, {"d1": after})
    return [(one.step, one.what, one.before, one.after) for one in found]


def session(who, *replies, began=0.0, ended=1.0):
    return Session(who, began, ended, replies)


def test_the_same_codes_are_no_difference_whatever_the_text_is():
    other = (TAKEN[0], TAKEN[1], TAKEN[2], Reply("(the message)", 250, "2.0.0 Ok: queued as 2"))
    assert compared(attempt(*TAKEN), attempt(*other)) == []


def test_another_code_is_told_with_its_step_and_what_was_said():
    waits = (REFUSED[0], Reply("RCPT TO:<anna@y.example>", 450, "4.7.1 later"))
    assert compared(attempt(*REFUSED), attempt(*waits)) == [("RCPT", "RCPT TO:<anna@y.example>", 550, 450)]


def test_steps_that_are_not_reached_after_a_difference_are_no_differences_of_their_own():
    assert compared(attempt(*TAKEN), attempt(*REFUSED)) == [("RCPT", "RCPT TO:<anna@y.example>", 250, 550)]
    assert compared(attempt(*REFUSED), attempt(*TAKEN)) == [("RCPT", "RCPT TO:<anna@y.example>", 550, 250)]


def test_a_step_that_is_missing_without_another_difference_is_told():
    assert compared(attempt(*TAKEN), attempt(*TAKEN[:3])) == [("MESSAGE", "(the message)", 250, NOT_REACHED)]


def test_every_recipient_is_compared():
    second = Reply("RCPT TO:<ben@y.example>", 550, "5.1.1 unknown")
    assert compared(attempt(*TAKEN[:2], second), attempt(*TAKEN[:2], Reply(second.said, 250, "Ok"))) == [
        ("RCPT", "RCPT TO:<ben@y.example>", 550, 250)
    ]


def test_another_sender_at_another_turn_is_the_same_step():
    other = (Reply("MAIL FROM:<turn.a@x.example>", 250, "2.1.0 Ok"), *TAKEN[1:])
    assert compared(attempt(*TAKEN), attempt(*other)) == []


def test_a_connection_that_broke_is_a_difference():
    broken = attempt(*TAKEN[:2], Reply("DATA", 0, ""))
    assert compared(attempt(*TAKEN), broken) == [("DATA", "DATA", 354, 0)]


def test_differences_that_are_alike_are_counted_the_most_frequent_first():
    stories = {"d1": "", "d2": "", "d3": ""}
    before = {"d1": attempt(*TAKEN), "d2": attempt(*TAKEN), "d3": attempt(*REFUSED)}
    after = {"d1": attempt(*REFUSED), "d2": attempt(*REFUSED), "d3": attempt(*TAKEN)}
    found = kinds(differences(stories, before, after))
    assert [(kind.before, kind.after, kind.count) for kind in found] == [(250, 550, 2), (550, 250, 1)]
    assert found[0].example.dialogue == "d1"


def test_a_session_that_was_answered_to_its_end_was_kept():
    assert session("honest", GREETED, *TAKEN).trouble == ""


def test_no_reply_and_a_server_that_hangs_up_are_drops():
    assert "honest: DATA: 0" in session("honest", GREETED, Reply("DATA", 0, "")).trouble
    assert "421 4.3.2 closing" in session("honest", GREETED, Reply("DATA", 421, "4.3.2 closing")).trouble


def test_a_refusal_that_came_before_is_not_new_whatever_its_text_is():
    later = Reply("RCPT TO:<anna@y.example>", 550, "5.7.1 another text")
    assert unheard_of([session("bot", *REFUSED)], [session("bot", later)]) == []


def test_a_refusal_is_new_to_another_sender_at_another_step_or_with_another_code():
    before = [session("bot", *REFUSED)]
    for who, said, code in (
        ("honest", "RCPT TO:<anna@y.example>", 550),
        ("bot", "MAIL FROM:<a@x.example>", 550),
        ("bot", "RCPT TO:<anna@y.example>", 450),
    ):
        assert len(unheard_of(before, [session(who, Reply(said, code, "no"))])) == 1


def test_a_configuration_problem_is_told_though_it_was_there_before():
    broken = session("bot", Reply("RCPT TO:<a@y.example>", 451, "4.3.5 Server configuration problem"))
    assert len(unheard_of([broken], [broken])) == 1
