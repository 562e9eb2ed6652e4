"""Each rule blames whom its samples say, and nobody else."""

from pathlib import Path

import pytest

from gatepost.ban.reading import RuleReader
from gatepost.ban.rule import Rulebook, RuleError, read_rule
from gatepost.ban.rules import find
from gatepost.wire.mail_event import Kind
from gatepost.wire.maillog import Parser, client_of

NOW = 1_795_900_000.0
SAMPLES = [(rule.name, sample) for rule in find() for sample in rule.sample]
BOOK = Rulebook(find())


@pytest.mark.parametrize(("name", "sample"), SAMPLES)
def test_a_sample_is_judged_as_it_says(name, sample):
    event = Parser(NOW).parse(sample.line.encode())
    rule = BOOK.match(event) if event else None

    if sample.address:
        assert (name, sample.address) == (rule and rule.name, event and event.address)
    else:
        assert rule is None or rule.name != name


@pytest.mark.parametrize(("name", "sample"), [(n, s) for n, s in SAMPLES if s.address])
def test_the_quick_look_over_a_block_finds_what_the_slow_one_does(name, sample):
    line = sample.line.encode()
    block = b"\n".join((b"Nov 22 06:25:00 mx postfix/qmgr[1]: 4jX1: removed", line, b"", line))

    seen = list(RuleReader(BOOK, NOW).read(block))

    assert (1, sample.address, name) == (
        seen[0].number,
        seen[0].offence.address,
        seen[0].offence.rule,
    )


@pytest.mark.parametrize(("name", "sample"), [(n, s) for n, s in SAMPLES if s.address])
def test_the_client_is_known_without_the_rule(name, sample):
    assert sample.address == client_of(sample.line.encode()), name


@pytest.mark.parametrize("rule", find(), ids=lambda rule: rule.name)
def test_a_rule_has_samples_of_both_kinds_and_a_sentence(rule):
    assert any(sample.address for sample in rule.sample)
    assert any(not sample.address for sample in rule.sample)
    assert rule.says.endswith(".")


@pytest.mark.parametrize("rule", [r for r in find() if r.kind is Kind.REJECT], ids=lambda rule: rule.name)
def test_no_rule_counts_a_refusal_for_now(rule):
    assert 500 <= rule.lowest


def test_the_page_has_every_rule_with_its_weight_and_sentence():
    page = (Path(__file__).parents[2] / "docs" / "bans.md").read_text(encoding="utf-8")

    wanted = {f"| `{rule.name}` | {rule.weight:g} | {rule.says} |" for rule in find()}

    assert wanted == {line for line in page.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "says"),
        ('says = "x"', "kind"),
        ('says = "x"\nkind = "no-such"', "kind"),
        ('says = "x"\nkind = "lost"\nsevice = ["smtpd"]', "sevice"),
        ("says = ", "rule odd"),
    ],
)
def test_a_wrong_rule_is_refused(text, told):
    with pytest.raises(RuleError, match=told):
        read_rule("odd", text)


def test_a_pattern_that_is_none_is_refused():
    rule = read_rule("odd", 'says = "x"\nkind = "reject"\nreason = "(a"')

    with pytest.raises(RuleError, match="odd"):
        Rulebook([rule])


def test_weights_of_the_configuration_count_first():
    book = Rulebook(find(), {"protocol.*": 0, "auth.*": 3})

    weights = {rule.name: rule.weight for rule in book.rules}

    assert (0, 3, 1) == (weights["protocol.error"], weights["auth.lost"], weights["relay.denied"])


def test_what_counts_nothing_is_not_even_looked_for():
    line = b"Nov 22 06:25:01 mx postfix/smtpd[1]: too many errors after RCPT from unknown[192.0.2.7]"

    assert [] == list(RuleReader(Rulebook(find(), {"protocol.*": 0}), NOW).read(line))


# --- mails, and what we refused ourselves -------------------------------------------------------------

REFUSED = (
    "Nov 22 06:25:01 mx postfix/smtpd[{pid}]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 550 5.7.1 "
    "<{to}@example.org>: Recipient address rejected: no{ref}; from=<{by}@example.com> to=<{to}@example.org> "
    "proto=ESMTP helo=<x>"
)


def offences(*lines, gave=()):
    reader = RuleReader(BOOK, NOW, lambda reference, _: reference in gave)
    return [seen.offence.rule for seen in reader.read("\n".join(lines).encode())]


def refused(to="a", by="b", pid=1, ref=""):
    return REFUSED.format(to=to, by=by, pid=pid, ref=f" (ref {ref})" if ref else "")


def test_a_mail_to_many_recipients_is_refused_once():
    assert ["refused.final"] == offences(*(refused(to=f"user{n}") for n in range(20)))


def test_several_mails_are_several_offences():
    assert 3 == len(offences(refused(), refused(by="c"), refused(pid=2)))


def test_what_we_refused_ourselves_is_counted_elsewhere():
    assert [] == offences(refused(ref="ABCDEFGH"), gave=["ABCDEFGH"])


def test_a_reference_that_we_did_not_give_helps_nobody():
    assert ["refused.final"] == offences(refused(ref="ABCDEFGH"), gave=["HGFEDCBA"])


def test_each_unknown_recipient_counts():
    line = (
        "Nov 22 06:25:01 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 550 5.1.1 "
        "<{0}@example.org>: Recipient address rejected: User unknown in local recipient table; "
        "from=<b@example.com> to=<{0}@example.org> proto=ESMTP helo=<x>"
    )

    assert ["recipient.unknown"] * 4 == offences(*(line.format(n) for n in "abcd"))


def test_logins_are_told():
    smtp = "Nov 22 06:25:01 mx postfix/submission/smtpd[1]: 4jX1AzB: client=x.example[192.0.2.9]"
    imap = "Nov 22 06:25:01 mx dovecot: imap-login: Login: user=<anna>, method=PLAIN, rip=2001:db8::9, lip="
    lines = (
        f"{smtp}, sasl_method=PLAIN, sasl_username=anna",
        f"{imap}2001:db8::1, mpid=7, TLS, session=<x>",
        "Nov 22 06:25:01 mx postfix/smtpd[1]: 4jX1AzB: client=x.example[192.0.2.10]",
    )

    assert ["192.0.2.9", "2001:db8::9"] == [
        seen.login for seen in RuleReader(BOOK, NOW).read("\n".join(lines).encode())
    ]


def test_a_failure_after_which_the_client_hangs_up_is_one_offence():
    head = "Nov 22 06:25:01 mx postfix/smtpd[{}]: "
    failed = head + "warning: x[{}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6"
    lost = head + "lost connection after AUTH from x[{}]"

    assert ["auth.failed"] == offences(failed.format(1, "192.0.2.7"), lost.format(1, "192.0.2.7"))
    assert ["auth.failed", "auth.lost"] == offences(
        failed.format(1, "192.0.2.7"), lost.format(2, "192.0.2.7")
    )
    assert ["auth.failed", "auth.lost"] == offences(
        failed.format(1, "192.0.2.7"), lost.format(1, "192.0.2.9")
    )
    assert ["auth.failed", "auth.lost"] == offences(
        *(line.format(1, "192.0.2.7") for line in (failed, lost, lost))
    )


@pytest.mark.parametrize(
    "reason",
    [
        "Connection lost to authentication server, sasl_username=(unavailable)",
        "Can't connect to authentication server",
        "Temporary authentication failure.",
        "Invalid authentication mechanism, sasl_username=(unavailable)",
    ],
)
def test_who_hangs_up_because_our_authentication_is_ill_does_not_offend(reason):
    head = "Nov 22 06:25:01 mx postfix/smtpd[1]: "
    failed = head + f"warning: x[192.0.2.7]: SASL LOGIN authentication failed: {reason}"
    lost = head + "lost connection after AUTH from x[192.0.2.7]"

    assert [] == offences(failed, lost)
    assert [] == offences(failed, failed, lost)
    assert ["auth.lost"] == offences(failed, lost, lost)


def test_where_failures_count_nothing_hanging_up_after_one_does():
    lines = (
        "Nov 22 06:25:01 mx postfix/smtpd[1]: warning: x[192.0.2.7]: SASL LOGIN authentication failed: x",
        "Nov 22 06:25:01 mx postfix/smtpd[1]: lost connection after AUTH from x[192.0.2.7]",
    )
    reader = RuleReader(Rulebook(find(), {"auth.failed": 0}), NOW)

    seen = [offence for one in reader.read("\n".join(lines).encode()) if (offence := one.offence)]

    assert [("auth.lost", 1)] == [(one.rule, one.weight) for one in seen]
