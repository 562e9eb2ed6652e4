"""The lab's table says what was seen, and finds out when witnesses contradict each other."""

import msgspec

from gatepost.lab import cast
from gatepost.lab.client import Reply, Try, Visit
from gatepost.lab.evidence import Evidence, problems, rows
from gatepost.lab.report import Report, cells, to_json
from gatepost.store.base import JournalEntry

ACTOR = cast.actor(1, "honest", "an honest server")
TAKEN = Reply("(the message)", 250, "2.0.0 Ok: queued as 4AB12")
WAIT = Reply("RCPT TO:<anna>", 450, "4.7.1 Recipient address rejected: greylisted (ref AAAA1111)")
NO = Reply("RCPT TO:<anna>", 550, "5.7.1 Recipient address rejected: listed (ref BBBB2222)")
MESSAGE = "X-Greylist: delayed 1 s\nReceived: by mx.gatepost.example with ESMTP id 4AB12\n\nHello\n"
CONNECT = "postfix/smtpd[7]: connect from mail.honest.example[198.18.1.25]\n"


def entry(action, rule, reference, **more):
    finding = {"rule": rule, "worth": action, "text": "", "detail": "", "excused_by": ""}
    facts = dict.fromkeys(
        ("reply", "client_name", "reverse_client_name", "helo_name", "sender", "recipient", "instance"), ""
    )
    facts |= {"time": 1.0, "reference": reference, "stage": "RCPT", "action": action, "score": 0.0}
    facts |= {"decided_by": rule, "client_address": ACTOR.address, "findings": (finding,)}
    return JournalEntry(**facts | more)


def seen(*replies, journal=(), log="", mailbox=(), actor=ACTOR):
    tries = tuple(Try(float(number) * 1.5, (r,), {cast.ANNA: r}) for number, r in enumerate(replies))
    return Evidence((Visit(actor, tries),), tuple(journal), CONNECT + log, {cast.ANNA: list(mailbox)})


def outcome(evidence):
    return rows(evidence)[0].outcome


def test_accepted_and_delivered_is_in():
    assert outcome(seen(TAKEN, mailbox=[MESSAGE])) == "in"


def test_accepted_and_in_no_mailbox_is_lost_and_a_problem():
    evidence = seen(TAKEN, mailbox=["Received: by mx with ESMTP id 9ZZ99\n"])
    assert outcome(evidence) == "lost"
    assert len(problems(evidence)) == 1


def test_told_to_wait_and_let_in_later_has_waited():
    row = rows(
        seen(
            WAIT,
            TAKEN,
            mailbox=[MESSAGE],
            journal=[entry("defer", "greylist.new", "AAAA1111"), entry("pass", "", "CCCC3333", time=2.0)],
        )
    )[0]
    assert (row.outcome, row.recipients[0].waited, row.recipients[0].tries) == ("waited", 1.5, 2)
    assert row.recipients[0].header == "X-Greylist: delayed 1 s"
    assert row.decided_by == ("greylist.new",)
    assert row.references == ("AAAA1111",)


def test_told_to_wait_and_gone_is_deferred():
    evidence = seen(WAIT, journal=[entry("defer", "greylist.new", "AAAA1111")], log=WAIT.text)
    assert outcome(evidence) == "deferred"
    assert problems(evidence) == []


def test_a_refusal_without_reference_is_postfix_own():
    relay = Reply("RCPT TO:<x>", 554, "5.7.1 Relay access denied")
    assert rows(seen(relay))[0].decided_by == ("postfix",)


def test_a_refusal_that_postfix_did_not_log_is_a_problem():
    evidence = seen(NO, journal=[entry("reject", "dnsbl.zen.sbl", "BBBB2222")])
    assert outcome(evidence) == "refused"
    assert len(problems(evidence)) == 1


def test_warnings_about_the_policy_service_are_problems_and_those_about_clients_are_not():
    log = (
        "postfix/smtpd[7]: warning: problem talking to server 127.0.0.1:10023: Connection refused\n"
        "postfix/smtpd[7]: warning: hostname a.example does not resolve to address 198.18.1.25\n"
    )
    assert [p for p in problems(seen(TAKEN, mailbox=[MESSAGE], log=log)) if "10023" not in p] == []
    assert len(problems(seen(TAKEN, mailbox=[MESSAGE], log=log))) == 1


def test_a_message_that_tells_of_its_wait_twice_is_a_problem():
    evidence = seen(TAKEN, mailbox=["X-Greylist: delayed 1 s\n" + MESSAGE])
    assert problems(evidence) == [f"A message to {cast.ANNA} tells 2 times that it waited"]


def test_what_stands_in_the_text_of_a_message_is_no_header():
    evidence = seen(TAKEN, mailbox=["Received: id 4AB12\n\nX-Greylist: delayed\n"])
    assert (rows(evidence)[0].recipients[0].header, problems(evidence)) == ("", [])


def test_a_broken_connection_is_a_problem():
    assert outcome(seen(Reply("DATA", 0, ""))) == "broken"


def test_learning_is_no_verdict_on_a_mail():
    row = rows(seen(TAKEN, mailbox=[MESSAGE], journal=[entry("pass", "x.y", "D", policy_context="learn")]))[0]
    assert row.decided_by == row.findings == ()


def test_a_mail_to_elsewhere_is_in_when_postfix_sent_it():
    actor = cast.actor(1, "user", "our user", recipients=("carol@carol.example",))
    visit = Visit(actor, (Try(0.0, (TAKEN,), {"carol@carol.example": TAKEN}),))
    log = (
        CONNECT
        + "postfix/discard[9]: 4AB12: to=<carol@carol.example>, relay=none, delay=0, status=sent (x)\n"
    )
    assert outcome(Evidence((visit,), (), log, {})) == "in"
    assert outcome(Evidence((visit,), (), CONNECT, {})) == "lost"


def test_the_client_name_is_the_one_postfix_logged():
    assert rows(seen(TAKEN, mailbox=[MESSAGE]))[0].seen_as == "mail.honest.example"


def test_the_report_is_json_with_the_outcome_of_each_row():
    made = rows(seen(TAKEN, mailbox=[MESSAGE]))
    report = Report(
        profile="strict", delay="1s", simulated=False, seconds=1.0, rows=tuple(made), notes=(), problems=()
    )
    told = msgspec.json.decode(to_json(report))
    assert [(row["key"], row["outcome"]) for row in told["rows"]] == [("honest", "in")]


def test_a_line_of_the_table_says_who_and_why():
    row = rows(seen(NO, journal=[entry("reject", "dnsbl.zen.sbl", "BBBB2222")], log=NO.text))[0]
    assert cells(row)[2:] == ("[red]refused 550[/]", "[bold]dnsbl.zen.sbl[/]", "BBBB2222")
