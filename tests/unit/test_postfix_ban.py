"""What plan --ban-at-connect makes of lists: bans are asked about before the greeting, all else as before."""

import pytest

from gatepost.postfix.conf.restrictions import split_items
from gatepost.postfix.planning.joined import join
from gatepost.postfix.planning.plan import make_plan
from support.postfix_instance import BAN, LINE, SMTP, after, instance, names

CLIENT, HELO, SENDER, ETRN = (f"smtpd_{one}_restrictions" for one in ("client", "helo", "sender", "etrn"))
PERMITS = "permit_mynetworks, permit_sasl_authenticated"
CLASS = "smtpd_restriction_classes = a\na = reject_unauth_destination\n"
HELO_MAP = f"{HELO} = {PERMITS}, check_helo_access hash:/c, reject_invalid_helo_hostname\n"
DATA = "smtpd_end_of_data_restrictions"
ASKING = ["permit_mynetworks", BAN]
USERS = "submission inet n - n - - smtpd\n"


def banning(main="", master=SMTP):
    """The Postfix as planned, which a second plan must leave alone, and the plan."""
    before = instance(main, master)
    made = make_plan(before, LINE, ban=True)
    result = after(made, before)
    again = make_plan(result, LINE, ban=True)
    assert ("", made.refused) == (again.diff, again.refused)
    return result, made


def lists(result, key="smtp/inet"):
    """The lists of client, HELO and sender of a service."""
    return [names(result, parameter, key) for parameter in (CLIENT, HELO, SENDER)]


# --- lists --------------------------------------------------------------------------------------------


def test_a_postfix_without_restrictions_needs_two_lines():
    result, made = banning()

    assert [ASKING, [], []] == lists(result)
    assert [("smtpd_delay_reject", "smtp/inet"), (CLIENT, "smtp/inet")] == [
        (one.parameter, one.service) for one in made.settings if one.service
    ]
    assert result.truth("smtpd_delay_reject")  # in main.cf nothing changes


def test_what_a_guide_writes_is_asked_at_mail():
    result, made = banning(
        f"{CLIENT} = {PERMITS}, reject_rbl_client bl.example, permit\n"
        f"{HELO} = {PERMITS}, reject_invalid_helo_hostname, permit\n"
        f"{SENDER} = {PERMITS}, reject_unknown_sender_domain, permit\n"
    )

    once = [*PERMITS.split(", "), "reject_rbl_client bl.example", "reject_invalid_helo_hostname"]
    assert [ASKING, [], [*once, "reject_unknown_sender_domain"]] == lists(result)
    assert once == names(result, ETRN, "smtp/inet")
    assert result.truth("disable_vrfy_command", result.master.find("smtp/inet"))
    assert () == made.notes


def test_submission_lets_in_own_users_alone_as_before():
    closed = "permit_sasl_authenticated, reject"
    result, _ = banning(
        f"{SENDER} = {PERMITS}, reject_non_fqdn_sender\n",
        f"{SMTP}{USERS} -o {CLIENT}={closed}\n".replace(", ", ","),
    )

    assert [ASKING, [], closed.split(", ")] == lists(result, "submission/inet")
    assert [ASKING, []] == lists(result)[:2]
    assert "reject_non_fqdn_sender" in names(result, SENDER, "smtp/inet")


def test_whom_the_list_of_the_sender_holds_too_is_asked_about_its_restrictions():
    result, made = banning(
        f"{SENDER} = reject_authenticated_sender_login_mismatch, {PERMITS}, reject_unknown_sender_domain\n",
        f"{SMTP}{USERS} -o {CLIENT}=permit_sasl_authenticated,reject\n",
    )

    wanted = ["reject_authenticated_sender_login_mismatch", "permit_sasl_authenticated", "reject"]
    assert wanted == lists(result, "submission/inet")[2]
    assert any("another of their reasons" in note for note in made.notes)


def test_what_cannot_be_joined_and_needs_no_login_is_asked_at_its_own_stage():
    result, made = banning(
        f"{CLIENT} = permit_mynetworks, reject_rbl_client bl.example\n"
        f"{SENDER} = check_sender_access hash:/senders, permit_sasl_authenticated\n"
    )

    assert [*ASKING, "reject_rbl_client bl.example"] == lists(result)[0]
    assert ["check_sender_access hash:/senders", "permit_sasl_authenticated"] == lists(result)[2]
    assert any(f"{CLIENT} is looked at when a client connects" in note for note in made.notes)


@pytest.mark.parametrize(
    ("now", "wanted"),
    [
        ("reject_rbl_client a", ["reject_rbl_client a", *ASKING]),
        ("reject_rbl_client a, permit_mynetworks", ["reject_rbl_client a", *ASKING]),
        ("permit_mynetworks, reject", [*ASKING, "reject"]),
        ("reject_rbl_client a, permit", ["reject_rbl_client a", *ASKING, "permit"]),
        ("check_client_access hash:/a, reject", [BAN, "check_client_access hash:/a", "reject"]),
        (f"reject, {BAN}", [BAN, "reject"]),
    ],
)
def test_where_nothing_is_delayed_only_our_line_is_added(now, wanted):
    result, _ = banning(f"smtpd_delay_reject = no\n{CLIENT} = {now}\n{HELO} = reject_invalid_helo_hostname\n")

    assert [wanted, ["reject_invalid_helo_hostname"], []] == lists(result)


# --- services -----------------------------------------------------------------------------------------


def test_every_door_for_strangers_asks_and_no_other():
    master = (
        "smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n"
        f"{USERS}465 inet n - n - - smtpd\n2525 inet n - n - - smtpd\n"
        "127.0.0.1:10025 inet n - n - - smtpd\ninner unix n - n - - smtpd\n"
    )
    result, _ = banning("", master)

    asking = [s.key for s in result.smtp_services if BAN in names(result, CLIENT, s.key)]
    assert ["smtpd/pass", "submission/inet", "465/inet", "2525/inet"] == asking


@pytest.mark.parametrize(
    ("main", "own", "place", "reason"),
    [
        (f"\n{CLIENT} = check_recipient_access hash:/a\n", "", "main.cf:2", "needs the recipient"),
        (f"{SENDER} = reject_unlisted_recipient\n", "", "main.cf:1", "needs the recipient"),
        (f"{HELO} = check_policy_service unix:a\n", "", "main.cf:1", "policy service"),
        ("", f"{CLIENT}=reject_unauth_destination", "master.cf:1", "needs the recipient"),
        (f"{CLIENT} = reject_unauth_pipelining\n", "", "main.cf:1", "come too early"),
        (
            f"{CLASS}{CLIENT} = a\n",
            "",
            "main.cf:3",
            "in a restriction class",
        ),
        (
            f"{CLASS}{SENDER} = check_sender_access hash:/a\n",
            "",
            "main.cf:3",
            "in a restriction class",
        ),
        (
            f"{CLIENT} = {PERMITS}, check_client_access hash:/a, reject_rbl_client b\n{HELO_MAP}",
            "",
            "main.cf:1",
            "would skip the others",
        ),
        (f"{CLIENT} = ${{stress?reject}} permit_mynetworks\n", "", "main.cf:1", "load"),
        (f"{CLIENT} = permit_mynetwork\n", "", "main.cf:1", "no restriction that Postfix knows"),
        (
            f"{CLIENT} = reject_rbl_client a\n{DATA} = ${CLIENT}\n",
            "",
            "main.cf:2",
            "refers to a list that has to change",
        ),
        (f"{CLIENT} = check_client_access pcre:$$a\n", "", "main.cf", '"$"'),
    ],
)
def test_a_service_that_would_judge_otherwise_is_left_alone_with_the_reason(main, own, place, reason):
    result, made = banning(main, f"{SMTP}  -o {own}\n" if own else SMTP)

    (told,) = made.refused
    assert told.startswith("smtp/inet does not ask about bans")
    assert place in told
    assert reason in told
    assert result.master.source.text == (f"{SMTP}  -o {own}\n" if own else SMTP)


def test_one_service_that_is_left_alone_does_not_keep_the_others_from_asking():
    result, made = banning("", f"{SMTP} -o {CLIENT}=reject_unauth_destination\n{USERS}")

    assert ["smtp/inet"] == [told.partition(" ")[0] for told in made.refused]
    assert ASKING == names(result, CLIENT, "submission/inet")


def test_a_postfix_that_cannot_say_what_it_asks_for_is_left_alone():
    made = make_plan(instance("", SMTP, "3.0.4"), LINE, ban=True)

    assert [True] == ["older than 3.1" in told for told in made.refused]


def test_without_the_option_the_lines_stay_and_are_told_of():
    result, _ = banning()
    made = make_plan(result, LINE)

    assert "" == made.diff
    (note,) = made.notes
    assert note.startswith(
        "smtp/inet asks Gatepost about bans when a client connects (/etc/postfix/master.cf:1)"
    )


# --- joined lists -------------------------------------------------------------------------------------


def joined(*texts):
    found = join([split_items(text, CLIENT) for text in texts])
    return found and (", ".join(item.whole for item in found.items), found.in_order)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        ((), ("", True)),
        (("reject_rbl_client a, permit",), ("reject_rbl_client a", True)),
        (
            ("reject_rbl_client a", "reject_non_fqdn_sender"),
            ("reject_rbl_client a, reject_non_fqdn_sender", True),
        ),
        (
            (
                f"{PERMITS}, check_client_access hash:/a, reject_rbl_client b",
                f"{PERMITS}, reject_non_fqdn_sender",
            ),
            (f"{PERMITS}, reject_non_fqdn_sender, check_client_access hash:/a, reject_rbl_client b", False),
        ),
        (
            ("permit_sasl_authenticated, reject", "check_sasl_access hash:/a"),
            ("check_sasl_access hash:/a, permit_sasl_authenticated, reject", False),
        ),
        (
            (
                "check_client_access hash:/a, reject_rbl_client b",
                "check_sender_access hash:/c, reject_non_fqdn_sender",
            ),
            None,
        ),
        (tuple(f"permit_dnswl_client a{n}" for n in range(9)), None),
    ],
)
def test_lists_as_one(texts, wanted):
    assert wanted == joined(*texts)
