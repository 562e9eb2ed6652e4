"""What `plan --ban-at-connect` writes, in a real Postfix with AUTH: who is greeted, who is refused."""

import pytest

from support.banning import BANNED, HONEST, OWN, REASON, Guarded, login

PORTS = (25, 587, 465)
ELSEWHERE = "carol@elsewhere.example"
DELIVERED = ["220", "250", "235", "250", "250", "354", "250"]


@pytest.fixture(scope="module")
def guarded():
    with Guarded() as there:
        made = there.carry_out()
        assert () == made.refused
        yield there


@pytest.mark.parametrize("port", PORTS)
def test_a_banned_client_is_refused_instead_of_greeted_and_can_try_no_password(guarded, port):
    said = guarded.first_words(port, BANNED)  # all of it: then Postfix hangs up
    assert (b"521 5.7.1 ", True, 1) == (said[:10], REASON in said, said.count(b"\n"))


@pytest.mark.parametrize("port", PORTS)
def test_another_client_logs_in_and_delivers(guarded, port):
    assert guarded.first_words(port, HONEST).startswith(b"220")
    assert DELIVERED == guarded.mail(port, HONEST, login(), to=ELSEWHERE)


def test_a_wrong_password_is_as_wrong_as_before(guarded):
    assert "535" == guarded.mail(587, HONEST, login(password="guess"))[2]


@pytest.mark.parametrize("port", [587, 465])
def test_who_does_not_log_in_is_refused_where_only_users_are_let_in(guarded, port):
    assert ["220", "250", "554"] == guarded.mail(port, HONEST)[:3]
    assert ["502", "554"] == guarded.mail(port, HONEST, "VRFY x@example.net", "ETRN example.net")[2:4]


def test_a_stranger_delivers_at_port_25_and_relays_nothing(guarded):
    assert ["220", "250", "250", "250", "354", "250"] == guarded.mail(25, HONEST)
    assert "454" == guarded.mail(25, HONEST, to=ELSEWHERE)[3]


@pytest.mark.parametrize("port", PORTS)
def test_own_networks_are_never_asked_about(guarded, port):
    assert guarded.first_words(port, OWN).startswith(b"220")
    assert [] == [
        one for one in guarded.asked if (one["client_address"], one["policy_context"]) == (OWN, "ban")
    ]


def test_it_is_asked_at_connect_about_the_client_alone(guarded):
    guarded.first_words(587, HONEST)
    (question, *_) = [one for one in guarded.asked if one["policy_context"] == "ban"]
    assert ("CONNECT", "", "") == tuple(question[name] for name in ("protocol_state", "sender", "recipient"))


def test_a_second_plan_is_empty_and_one_without_the_option_leaves_the_lines_and_tells_of_them(guarded):
    again, without = guarded.plan(), guarded.plan(ban=False)
    assert ("", (), "") == (again.diff, again.refused, without.diff)
    assert ["25/inet", "587/inet", "465/inet"] == [note.partition(" asks")[0] for note in without.notes]


def test_while_nobody_answers_mail_and_logins_go_on():
    with Guarded() as there:
        there.carry_out()
        there.stop_gatepost()
        assert DELIVERED == there.mail(587, BANNED, login(), to=ELSEWHERE)
        assert "250" == there.mail(25, HONEST)[-1]


def test_behind_postscreen_the_smtpd_that_it_hands_over_to_refuses():
    with Guarded({"postscreen_greet_wait": "1s"}, postscreen=True) as there:
        assert () == there.carry_out().refused
        said = there.first_words(25, BANNED)
        assert (b"521 5.7.1 ", True) == (said.splitlines()[-1][:10], REASON in said)
        assert there.first_words(25, HONEST).startswith(b"220")


# --- what is refused, and what is not, stays what it was ----------------------------------------------

PERMITS = "permit_mynetworks, permit_sasl_authenticated"
SETUPS = {
    "the same permits at the head of each list": {
        "smtpd_client_restrictions": f"{PERMITS}, check_client_access inline:{{{HONEST}=REJECT}}, permit",
        "smtpd_helo_restrictions": f"{PERMITS}, reject_non_fqdn_helo_hostname, permit",
        "smtpd_sender_restrictions": f"{PERMITS}, reject_non_fqdn_sender, permit",
    },
    "a list that nobody is let in by": {
        "smtpd_helo_restrictions": f"{PERMITS}, reject_non_fqdn_helo_hostname",
        "smtpd_sender_restrictions": "reject_non_fqdn_sender",
    },
    "a list that holds for own networks and one that does not": {
        "smtpd_helo_required": "yes",
        "smtpd_helo_restrictions": "reject_non_fqdn_helo_hostname",
        "smtpd_client_restrictions": "permit_mynetworks, reject_unknown_reverse_client_hostname",
        "smtpd_sender_restrictions": "permit_sasl_authenticated, reject_non_fqdn_sender",
    },
    "users who may use their own address alone": {
        "smtpd_sender_login_maps": "inline:{a@example.org=bob}",
        "smtpd_sender_restrictions": f"reject_authenticated_sender_login_mismatch, {PERMITS}",
    },
}


@pytest.mark.parametrize("name", SETUPS)
def test_the_same_mail_is_let_in_as_before(name):
    with Guarded(SETUPS[name]) as there:
        before = fates(there)
        assert () == there.carry_out().refused
        assert before == fates(there)
        assert {True, False} == {*before.values()}


def fates(there):
    """Whether a mail is accepted, for every kind of client and mail."""
    return {
        (port, client, helo, sender, auth): there.mail(
            port, client, *([login()] if auth else []), helo=helo, sender=sender
        )[-1]
        == "250"
        for port in (25, 587)
        for client in (OWN, HONEST)
        for helo in ("mail.example.org", "short")
        for sender in ("a@example.org", "short", "")
        for auth in (True, False)
    }
