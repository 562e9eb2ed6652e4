"""Every result of access(5) is honoured or refused with a sentence; which of the two stands here."""

import pytest

from gatepost.access.result import Result, ResultError, parse_result

HONOURED = {
    "OK": Result("allow"),
    "ok": Result("allow"),
    "OK    OK": Result("allow"),
    "OK //This domain is fine": Result("allow"),
    "OK # no comment": Result("allow"),
    "RELAY": Result("allow"),
    "permit": Result("allow"),
    "permit, reject": Result("allow"),
    "1234567890": Result("allow"),
    "DUNNO": Result("dunno"),
    "dunno with text": Result("dunno"),
    "REJECT": Result("deny"),
    "Reject go away": Result("deny", text="go away"),
    "REJECT 5.7.25 no name": Result("deny", enhanced="5.7.25", text="no name"),
    "REJECT 4.7.1 wrong class": Result("deny", enhanced="5.7.1", text="wrong class"),
    "reject, permit": Result("deny", text=""),
    "550 no": Result("deny", code=550, text="no"),
    "550   5.7.1   no": Result("deny", code=550, enhanced="5.7.1", text="no"),
    "554 5.7.1": Result("deny", code=554, enhanced="5.7.1"),
    "DEFER": Result("defer"),
    "DEFER later": Result("defer", text="later"),
    "450 later": Result("defer", code=450, text="later"),
    "450 4.3.2 later": Result("defer", code=450, enhanced="4.3.2", text="later"),
    "DEFER_IF_PERMIT": Result("defer", if_permit=True),
    "defer_if_permit 4.2.0 maybe": Result("defer", enhanced="4.2.0", text="maybe", if_permit=True),
    "INFO seen": Result("note", text="seen"),
    "WARN": Result("note"),
}

REFUSED = {
    "DEFER_IF_REJECT": "DEFER_IF_REJECT cannot be honoured",
    "BCC archive@example.net": "BCC cannot be honoured",
    "DISCARD": "DISCARD cannot be honoured",
    "FILTER smtp:[127.0.0.1]:10025": "FILTER cannot be honoured",
    "HOLD": "HOLD cannot be honoured",
    "PREPEND X-Seen: yes": "PREPEND cannot be honoured",
    "REDIRECT other@example.net": "REDIRECT cannot be honoured",
    "warn_if_reject reject": "warn_if_reject cannot be honoured",
    "reject_unknown_helo_hostname": "runs inside Postfix",
    "check_client_access hash:/etc/postfix/x": "a table inside a table",
    "permit_mynetworks, reject": "runs inside Postfix",
    "strict_users": "no result of access(5)",
    "450x": "no result of access(5)",
    "350 hm": "no result of access(5)",
    "5000 hm": "no result of access(5)",
    ",": "no result of access(5)",
}


@pytest.mark.parametrize("value", HONOURED)
def test_what_can_be_honoured_is(value):
    assert parse_result(value, "client") == HONOURED[value]


@pytest.mark.parametrize("value", REFUSED)
def test_what_cannot_be_honoured_is_refused_with_a_sentence(value):
    with pytest.raises(ResultError, match=REFUSED[value].replace("(", r"\(").replace(")", r"\)")):
        parse_result(value, "client")


def test_a_code_without_a_text_lets_the_mail_in_and_that_is_told():
    result = parse_result("550", "client")
    assert (result.kind, "lets the mail in" in result.warning) == ("allow", True)


@pytest.mark.parametrize("code", ["421", "521"])
def test_codes_that_would_hang_up_are_told(code):
    assert "does not hang up" in parse_result(f"{code} bye", "client").warning


@pytest.mark.parametrize(
    ("looks_at", "written", "sent"),
    [
        ("recipient", "5.1.1", "5.1.1"),
        ("sender", "5.1.1", "5.1.7"),
        ("helo", "5.1.1", "5.0.0"),
        ("client", "5.1.8", "5.0.0"),
        ("sender", "5.1.8", "5.1.8"),
        ("recipient", "5.1.7", "5.1.3"),
        ("recipient", "5.1.99", "5.1.0"),
        ("recipient", "5.7.1", "5.7.1"),
    ],
)
def test_an_addressing_status_is_made_to_fit_what_was_looked_at(looks_at, written, sent):
    assert parse_result(f"550 {written} no", looks_at).enhanced == sent
