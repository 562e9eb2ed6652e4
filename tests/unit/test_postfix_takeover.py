"""Restrictions move into Gatepost when they mean the same there; the others stay, with the reason."""

import pytest

from gatepost.postfix.planning.plan import make_plan
from gatepost.postfix.planning.takeover import Known, take_over
from gatepost.setting import Setting
from support.postfix_instance import ASK, LEARN, LINE, SMTP, after, instance, names

PERMITS = "permit_mynetworks, permit_sasl_authenticated"
GUARDED = f"smtpd_recipient_restrictions = {PERMITS}, reject_unauth_destination"
LISTED = "reject_rbl_client zen.spamhaus.org"
KNOWN = Known(
    lambda _option, table: "cannot be read" if "bad" in table else "", lambda server: "postgrey" in server
)


def taken(main, master=SMTP):
    """What moves, what stays and why, and Postfix afterwards."""
    before = instance(main, master)
    takeover = take_over(before, LINE, KNOWN)
    result = after(make_plan(before, LINE, takeover.gone), before)
    assert {} == dict(take_over(result, LINE, KNOWN).gone)
    return takeover, result


def said(takeover):
    return {".".join(setting.path): setting.value for setting in takeover.settings}


@pytest.mark.parametrize(
    ("parameter", "restriction", "settings"),
    [
        (
            "client",
            "reject_unknown_client_hostname",
            {"rules.ptr.missing": "defer", "rules.ptr.mismatch": "defer"},
        ),
        ("client", "reject_unknown_reverse_client_hostname", {"rules.ptr.missing": "defer"}),
        ("helo", "reject_invalid_helo_hostname", {"rules.helo.malformed": "reject"}),
        ("helo", "warn_if_reject reject_invalid_helo_hostname", {"rules.helo.malformed": 0}),
        ("sender", "reject_non_fqdn_sender", {"rules.sender_domain.short": "reject"}),
        (
            "sender",
            "reject_unknown_sender_domain",
            {
                "rules.sender_domain.unresolvable": "defer",
                "rules.sender_domain.null_mx": "reject",
            },
        ),
        (
            "client",
            "reject_rbl_client zen.spamhaus.org",
            {"dnsbl": {"zone": "zen.spamhaus.org"}, "rules.dnsbl.zen.*": "reject"},
        ),
        (
            "client",
            "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
            {
                "dnsbl": {"zone": "zen.spamhaus.org", "answers": "127.0.0.[2..11]"},
                "rules.dnsbl.zen.*": "reject",
            },
        ),
        (
            "client",
            "reject_rbl_client bl.own.example",
            {
                "dnsbl": {
                    "zone": "bl.own.example",
                    "name": "bl_own_example",
                    "answers": "127.0.[0..255].[0..255]",
                },
                "rules.dnsbl.bl_own_example.*": "reject",
            },
        ),
    ],
)
def test_what_a_restriction_becomes(parameter, restriction, settings):
    takeover, result = taken(f"{GUARDED}\nsmtpd_{parameter}_restrictions = {PERMITS}, {restriction}\n")

    assert settings == said(takeover)
    assert PERMITS.split(", ") == names(result, f"smtpd_{parameter}_restrictions")


def test_a_reply_code_for_good_makes_a_rule_that_refuses():
    main = f"{GUARDED}, reject_unknown_client_hostname\nunknown_client_reject_code = 550\n"

    assert {"reject"} == set(said(taken(main)[0]).values())


def test_of_two_restrictions_the_harder_one_counts():
    main = (
        f"{GUARDED}\nsmtpd_helo_restrictions = reject_unknown_helo_hostname, reject_non_fqdn_helo_hostname\n"
    )

    assert ("defer", "reject") == tuple(
        said(taken(main)[0])[f"rules.helo.{r}"] for r in ("unresolvable", "short")
    )


def test_one_list_that_is_asked_for_two_names_is_one_list():
    main = f"{GUARDED}, reject_rhsbl_helo dbl.spamhaus.org, reject_rhsbl_sender dbl.spamhaus.org\n"

    assert {"zone": "dbl.spamhaus.org", "looks_at": ["helo", "sender"]} == said(taken(main)[0])["rhsbl"]


def test_exceptions_by_helo_name_go_along():
    takeover, result = taken(
        f"{GUARDED}\nsmtpd_helo_restrictions = check_helo_access hash:/helo, reject_invalid_helo_hostname\n"
    )

    assert Setting(
        ("access", "helo_access"), "hash:/helo", "check_helo_access hash:/helo in Postfix", "append"
    ) in (takeover.settings)
    assert [] == names(result, "smtpd_helo_restrictions")


@pytest.mark.parametrize(
    ("restrictions", "option"),
    [
        ("reject_rbl_client zen.spamhaus.org", "rbl_override"),
        ("reject_unknown_client_hostname", "client_override"),
        ("reject_rbl_client zen.spamhaus.org, reject_unknown_client_hostname", "client_override"),
    ],
)
def test_exceptions_by_client_go_along(restrictions, option):
    main = f"smtpd_client_restrictions = check_client_access hash:/friends, {restrictions}\n"
    takeover, result = taken(f"{GUARDED}\n{main}")

    assert "hash:/friends" == said(takeover)[f"access.{option}"]
    assert [] == names(result, "smtpd_client_restrictions")


def test_exceptions_that_something_else_needs_stay_as_well():
    takeover, result = taken(
        f"{GUARDED}\nsmtpd_helo_restrictions = check_helo_access hash:/helo, "
        "reject_invalid_helo_hostname, reject\n"
    )

    assert ["check_helo_access hash:/helo", "reject"] == names(result, "smtpd_helo_restrictions")
    assert "hash:/helo" == said(takeover)["access.helo_access"]


@pytest.mark.parametrize(
    ("main", "reason"),
    [
        ("smtpd_client_restrictions = reject_rbl_client ix.dnsbl.manitu.net\n", "dead"),
        ("smtpd_client_restrictions = reject_rbl_client abc123.zen.dq.spamhaus.net\n", "a key stands"),
        ("smtpd_client_restrictions = reject_rhsbl_client dbl.spamhaus.org\n", "not this name"),
        (
            "smtpd_helo_restrictions = check_helo_access hash:/bad, reject_invalid_helo_hostname\n",
            "cannot be read",
        ),
        (
            f"smtpd_client_restrictions = warn_if_reject check_client_access hash:/x, {LISTED}\n",
            "before it excepts clients",
        ),
        (
            "smtpd_sender_restrictions = check_sender_access hash:/x, reject_unknown_sender_domain\n",
            "before it excepts clients",
        ),
    ],
)
def test_what_stays_and_why(main, reason):
    takeover, result = taken(f"{GUARDED}\n{main}")

    assert {} == said(takeover)
    assert [True] == [reason in one.reason for one in takeover.left]
    assert names(instance(main), main.split()[0]) == names(result, main.split()[0])


def test_a_refusal_before_an_exception_stays():
    takeover, _ = taken(f"{GUARDED}, reject_rbl_client zen.spamhaus.org, check_client_access hash:/friends\n")

    assert ["check_client_access hash:/friends after it would let in, unasked, what it refuses now"] == [
        one.reason for one in takeover.left
    ]


def test_an_exception_before_our_line_needs_nothing():
    takeover, result = taken(
        f"{GUARDED}, check_client_access hash:/friends, reject_rbl_client zen.spamhaus.org\n"
    )

    assert "check_client_access hash:/friends" in names(result, "smtpd_recipient_restrictions")
    assert "zen.spamhaus.org" == said(takeover)["dnsbl"]["zone"]


@pytest.mark.parametrize("server", ["inet:127.0.0.1:10023", "unix:postgrey/socket"])
def test_postgrey(server):
    known = Known(KNOWN.honours, lambda asked: asked in ("inet:127.0.0.1:10023", "unix:postgrey/socket"))
    before = instance(f"{GUARDED}, check_policy_service {server}\n")
    takeover = take_over(before, LINE, known)
    result = after(make_plan(before, LINE, takeover.gone), before)

    assert {"greylist.when": "stranger"} == said(takeover)
    assert [
        LEARN,
        *PERMITS.split(", "),
        "reject_unauth_destination",
        "reject_unlisted_recipient",
        ASK,
    ] == names(result, "smtpd_recipient_restrictions")


def test_postgrey_at_our_place_gives_way_whatever_comes_after_it():
    known = Known(KNOWN.honours, lambda _server: True)
    main = f"{GUARDED}, check_policy_service inet:127.0.0.1:10023, check_client_access hash:/friends\n"
    takeover = take_over(instance(main), LINE, known)

    assert ({"greylist.when": "stranger"}, ()) == (said(takeover), takeover.left)


def test_listeners_with_lists_of_their_own_keep_them():
    own = "smtpd_client_restrictions=reject_rbl_client,bl.example"
    master = f"{SMTP}192.0.2.9:25 inet n - n - - smtpd\n  -o {own}\n"
    takeover, _ = taken(
        f"{GUARDED}\nsmtpd_client_restrictions = reject_rbl_client zen.spamhaus.org\n", master
    )

    assert {} == said(takeover)
    assert 2 == len(takeover.left)


@pytest.mark.parametrize(
    ("before", "whom"),
    [
        ("", "own networks and authenticated users"),
        ("permit_mynetworks, ", "authenticated users"),
        ("permit_sasl_authenticated, ", "own networks"),
    ],
)
def test_own_clients_are_told(before, whom):
    main = f"{GUARDED}\nsmtpd_sender_restrictions = {before}reject_non_fqdn_sender\n"

    assert (f"it held for {whom}, too, whom Gatepost never refuses",) == taken(main)[0].moved[0].notes


def test_own_clients_that_a_map_refused_are_told():
    main = f"{GUARDED}\nsmtpd_client_restrictions = check_client_access hash:/x, {LISTED}\n"

    assert [True] == [
        "own networks and" in " ".join(one.notes) for one in taken(main)[0].moved if "hash:/x" in one.old
    ]


ALLOWED = "smtpd_recipient_restrictions = permit_mynetworks, check_recipient_access texthash:/allowed"
OWN = "smtpd_recipient_restrictions=permit_sasl_authenticated"


@pytest.mark.parametrize(
    ("main", "master", "unasked"),
    [
        (f"{ALLOWED}, reject\n", SMTP, ["smtp/inet"]),
        (f"{ALLOWED}\n", SMTP, []),
        (f"{ALLOWED.replace('check', f'{ASK}, check')}, reject\n", SMTP, []),
        (f"{GUARDED}\n", f"{SMTP}587 inet n - n - - smtpd\n  -o {OWN}\n", ["587/inet"]),
        (f"{GUARDED}\n", f"{SMTP}587 inet n - n - - smtpd\n  -o {OWN},reject\n", []),
        (f"{GUARDED}\n", f"{SMTP}127.0.0.1:26 inet n - n - - smtpd\n  -o {OWN}\n", []),
    ],
)
def test_nothing_moves_where_strangers_get_in_unasked(main, master, unasked):
    takeover, _ = taken(f"{main}smtpd_client_restrictions = {LISTED}\n", master)

    assert unasked == [one.reason.split()[0] for one in takeover.left]
    assert bool(unasked) == (not takeover.moved)


def test_exceptions_stay_with_what_our_configuration_says_otherwise():
    main = (
        f"{GUARDED}\nsmtpd_client_restrictions = check_client_access hash:/friends, "
        "reject_unknown_reverse_client_hostname\n"
    )
    kept = (Setting(("rules", "ptr.missing"), "defer"), "kept: the file says 5 already")
    known = Known(KNOWN.honours, KNOWN.is_postgrey, (kept,))
    takeover = take_over(instance(main), LINE, known)

    assert {} == dict(takeover.gone)
    assert ["our configuration is kept: the file says 5 already"] == [one.reason for one in takeover.left]


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("zen.spamhaus.org=127.0.0.4", "other answers"),
        ("zen.spamhaus.org", "other answers"),
    ],
)
@pytest.mark.parametrize("where", ["", "smtpd_helo_restrictions = "])
def test_a_list_moves_with_one_pattern_of_answers(where, other, reason):
    apart = f"\n{where}" if where else ", "
    main = f"{GUARDED}\nsmtpd_client_restrictions = {LISTED}=127.0.0.2{apart}reject_rbl_client {other}\n"
    takeover = take_over(instance(main), LINE, KNOWN)

    assert [True] == [reason in one.reason for one in takeover.left]
    assert "127.0.0.2" == said(takeover)["dnsbl"]["answers"]


def test_lists_of_like_names_have_different_ones_with_us():
    zones = "reject_rbl_client a.b.example, reject_rbl_client a-b.example"
    takeover, _ = taken(f"{GUARDED}\nsmtpd_client_restrictions = {zones}\n")

    assert {"a_b_example", "a__b_example"} == {
        one.value["name"] for one in takeover.settings if one.path == ("dnsbl",)
    }


@pytest.mark.parametrize(
    ("client", "recipient", "wider"),
    [
        (f"check_client_access hash:/x, {LISTED}", "", False),
        (f"{LISTED}, check_client_access hash:/x, reject_rbl_client bl.spamcop.net", "", True),
        (f"check_client_access hash:/x, {LISTED}", ", reject_rbl_client bl.spamcop.net", True),
        (f"check_client_access hash:/x, {LISTED}", ", reject_unknown_client_hostname", False),
    ],
)
def test_an_exception_that_is_wider_in_gatepost_says_so(client, recipient, wider):
    takeover, _ = taken(f"{GUARDED}{recipient}\nsmtpd_client_restrictions = {client}\n")

    (told,) = (one.notes for one in takeover.moved if "hash:/x" in one.old)
    assert wider == any("excepted from" in note for note in told)


def test_maps_that_do_not_match_subdomains_take_that_along():
    main = (
        f"{GUARDED}\nparent_domain_matches_subdomains =\n"
        f"smtpd_client_restrictions = check_client_access hash:/x, {LISTED}\n"
    )
    exact = Setting(("access", "parent_domain_matches"), False)

    assert said(taken(main)[0])["access.parent_domain_matches"] is False
    known = Known(KNOWN.honours, KNOWN.is_postgrey, ((exact, "kept: the file says true already"),))
    assert {} == dict(take_over(instance(main), LINE, known).gone)
