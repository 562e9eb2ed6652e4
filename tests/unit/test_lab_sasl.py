"""The lab's password server: it lets in whom it knows, and answers nonsense without falling over."""

import base64

from gatepost.lab.sasl import answer, greeting

USERS = {"anna": "secret"}


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def test_the_right_password_is_let_in():
    line = f"AUTH\t1\tPLAIN\tservice=smtp\tresp={plain('anna', 'secret')}"
    assert answer(line, USERS) == "OK\t1\tuser=anna\n"


def test_wrong_passwords_and_strangers_are_not():
    for user, password in (("anna", "wrong"), ("anna", ""), ("nobody", "secret"), ("", "")):
        assert answer(f"AUTH\t2\tPLAIN\tresp={plain(user, password)}", USERS) == "FAIL\t2\n"


def test_a_response_may_come_after_the_command():
    assert answer("AUTH\t3\tPLAIN\tservice=smtp", USERS) == "CONT\t3\t\n"
    assert answer(f"CONT\t3\t{plain('anna', 'secret')}", USERS) == "OK\t3\tuser=anna\n"


def test_nonsense_is_no_password():
    for response in ("!!!", "AAAA", base64.b64encode(b"\xff\xff").decode(), ""):
        assert answer(f"AUTH\t4\tPLAIN\tresp={response}", USERS) == "FAIL\t4\n"


def test_other_lines_get_no_answer():
    assert [answer(line, USERS) for line in ("", "VERSION\t1\t1", "CPID\t77", "AUTH")] == [""] * 4


def test_the_greeting_offers_plain_and_ends():
    lines = greeting().decode().splitlines()
    assert "MECH\tPLAIN\tplaintext" in lines
    assert lines[-1] == "DONE"
