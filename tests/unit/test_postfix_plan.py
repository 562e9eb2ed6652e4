"""What plan makes of a Postfix: our lines where they count, everything of the administrator's kept."""

import pytest

from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.planning.ourline import OurLine
from gatepost.postfix.planning.plan import make_plan
from support.postfix_instance import ASK, ASKED, LEARN, LINE, SMTP, instance, names, planned

RECIPIENT = "smtpd_recipient_restrictions"
DATA = "smtpd_data_restrictions"
PERMITS = ["permit_mynetworks", "permit_sasl_authenticated"]
DEFAULT = [LEARN, *PERMITS, "reject_unauth_destination", "reject_unlisted_recipient", ASK]


GUARDED = f"{RECIPIENT} = permit_mynetworks, reject_unauth_destination\n"
CLASS = "smtpd_restriction_classes = a\n"


def of_main(main, master=SMTP):
    return names(planned(main, master), RECIPIENT)


# --- the lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["", "compatibility_level = 2\n", "compatibility_level = 3.6\n"])
def test_a_postfix_without_restrictions(level):
    result = planned(f"{level}myhostname = mx.example.net\n")

    assert DEFAULT == names(result, RECIPIENT)
    assert [ASK] == names(result, DATA)
    assert result.truth("smtpd_helo_required")


def test_the_lines_that_the_documentation_recommends_need_no_change():
    text = f"{RECIPIENT} = {', '.join(DEFAULT)}\n{DATA} = {ASK}\nsmtpd_helo_required = yes\n"

    assert "" == make_plan(instance(text), LINE).diff


def test_own_restrictions_stay_in_order_and_come_before_ours():
    own = ["reject_non_fqdn_sender", *PERMITS, "reject_unauth_destination", "reject_rbl_client bl.example"]

    assert [own[0], LEARN, *own[1:], "reject_unlisted_recipient", ASK] == of_main(
        f"{RECIPIENT} = {', '.join(own)}\n"
    )


def test_ours_stands_before_what_ends_the_list():
    assert [
        LEARN,
        *PERMITS,
        "reject_unauth_destination",
        "reject_unlisted_recipient",
        ASK,
        "permit",
    ] == of_main(
        f"{RECIPIENT} = permit_mynetworks permit_sasl_authenticated reject_unauth_destination permit\n"
    )


def test_who_may_relay_is_let_in_before_relaying_is_refused():
    relay = ["permit_mynetworks", "permit_tls_clientcerts", "check_client_access hash:/pop"]
    result = of_main(
        f"smtpd_relay_restrictions = {' '.join(relay)} reject_unauth_destination\n"
        f"{RECIPIENT} = reject_rbl_client bl.example\n"
    )

    assert ["reject_rbl_client bl.example", LEARN] == result[:2]
    assert set(relay) | {"permit_sasl_authenticated"} == set(result[2:-3])
    assert ["reject_unauth_destination", "reject_unlisted_recipient", ASK] == result[-3:]


def test_what_relays_and_is_not_asked_about_is_told():
    relay = "smtpd_relay_restrictions = permit_mynetworks, permit_mx_backup, reject_unauth_destination\n"

    (note,) = make_plan(instance(relay), LINE).notes
    assert note.endswith("permit_mx_backup (smtpd_relay_restrictions)")
    assert () == make_plan(instance(f"{relay}{GUARDED}"), LINE).notes


def test_a_policy_service_that_decides_about_relaying_is_not_repeated():
    text = "smtpd_relay_restrictions = check_policy_service unix:x, reject_unauth_destination\n"

    with pytest.raises(ConfError, match="policy service"):
        make_plan(instance(text), LINE)


def test_what_only_warns_of_its_refusals_lets_in_all_the_same():
    friends = "warn_if_reject check_client_access hash:/friends"
    result = planned(f"{GUARDED.strip()}, {friends}, warn_if_reject permit\n")

    assert [ASK, "permit"] == names(result, RECIPIENT)[-2:]
    assert [ASKED] == names(result, DATA)


def test_whom_a_warning_map_lets_relay_may_relay():
    result = planned(
        "smtpd_relay_restrictions = warn_if_reject check_client_access hash:/pop, reject_unauth_destination\n"
    )

    assert ("check_client_access", "hash:/pop", True) in [
        item.same for item in result.restrictions(RECIPIENT)
    ]


def test_a_list_that_refers_to_one_that_stays_is_no_trouble():
    relay = "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n"

    assert [LEARN, "permit_mynetworks", "reject_unauth_destination"] == of_main(
        f"{relay}{RECIPIENT} = $smtpd_relay_restrictions\n"
    )[:3]


def test_defer_unauth_destination_guards_as_well():
    own = [*PERMITS, "defer_unauth_destination"]

    assert [LEARN, *own, "reject_unlisted_recipient", ASK] == of_main(f"{RECIPIENT} = {' '.join(own)}\n")


def test_a_guard_that_only_warns_guards_nothing():
    result = of_main(f"{RECIPIENT} = {' '.join(PERMITS)} warn_if_reject reject_unauth_destination\n")

    assert 2 == result.count("reject_unauth_destination")  # the text of an item is without warn_if_reject


def test_a_server_closed_to_strangers_only_learns():
    before = instance(f"{RECIPIENT} = permit_mynetworks, reject\n")
    made = make_plan(before, LINE)

    assert [LEARN, "permit_mynetworks", "reject"] == of_main(before.main.source.text)
    assert any("strangers get no mail in here" in note for note in made.notes)


def test_a_closed_server_that_lets_some_mail_in_is_not_called_shut():
    allowed = f"{RECIPIENT} = permit_mynetworks, check_recipient_access hash:/x"

    (note,) = make_plan(instance(f"{allowed}, reject\n"), LINE).notes
    assert "mail gets in by check_recipient_access hash:/x alone" in note
    assert () == make_plan(instance(f"{allowed.replace('check', f'{ASK}, check')}, reject\n"), LINE).notes


def test_unknown_recipients_are_not_refused_where_the_administrator_does_not_want_it():
    assert "reject_unlisted_recipient" not in of_main("smtpd_reject_unlisted_recipient = no\n")


@pytest.mark.parametrize(
    "line",
    [
        "check_policy_service inet:127.0.0.1:10023",
        "check_policy_service inet:localhost:10023",
        "check_policy_service { inet:127.0.0.1:10023, timeout=10s }",
        "warn_if_reject check_policy_service { inet:[127.0.0.1]:10023, timeout=6s, default_action=DUNNO }",
    ],
)
def test_a_line_to_our_place_in_another_form_gives_way(line):
    own = [*PERMITS, "reject_unauth_destination"]

    assert [LEARN, *own, "reject_unlisted_recipient", ASK] == of_main(
        f"{RECIPIENT} = {' '.join(own)} {line}\n"
    )


def test_our_line_with_another_timeout_stays():
    mine = ASK.replace("6s", "5s")
    own = [LEARN, *PERMITS, "reject_unauth_destination", "reject_unlisted_recipient", mine]

    assert own == of_main(f"{RECIPIENT} = {', '.join(own)}\n")


def test_our_line_before_the_guard_moves():
    assert [LEARN, *PERMITS, "reject_unauth_destination", "reject_unlisted_recipient", ASK] == of_main(
        f"{RECIPIENT} = {ASK}, {', '.join(PERMITS)}, reject_unauth_destination\n"
    )


def test_a_line_to_our_place_in_another_list_would_stop_mail_with_us():
    result = planned(
        "smtpd_sender_restrictions = reject_non_fqdn_sender, check_policy_service inet:127.0.0.1:10023\n"
    )

    assert ["reject_non_fqdn_sender"] == names(result, "smtpd_sender_restrictions")


def test_a_class_that_asks_at_our_place_is_told():
    main = "smtpd_restriction_classes = grey\ngrey = check_policy_service inet:127.0.0.1:10023\n"

    assert any("the restriction class grey asks" in note for note in make_plan(instance(main), LINE).notes)


def test_somebody_elses_policy_service_stays():
    own = [*PERMITS, "reject_unauth_destination", "check_policy_service unix:private/policyd-spf"]

    assert [LEARN, *own, "reject_unlisted_recipient", ASK] == of_main(f"{RECIPIENT} = {' '.join(own)}\n")


@pytest.mark.parametrize(
    ("own", "line"),
    [
        ("check_client_access hash:/friends", ASKED),
        ("permit_dnswl_client list.dnswl.org", ASKED),
        ("reject_rbl_client bl.example", ASK),
        ("warn_if_reject check_client_access hash:/friends", ASKED),
        ("warn_if_reject reject_rbl_client bl.example", ASK),
    ],
)
def test_at_data_nobody_is_judged_whom_something_else_let_in(own, line):
    text = f"{RECIPIENT} = {' '.join(PERMITS)} reject_unauth_destination {own}\n"

    assert [line] == names(planned(text), DATA)


def test_data_restrictions_of_the_administrators_stay():
    result = planned(f"{DATA} = reject_unauth_pipelining, reject_multi_recipient_bounce, permit\n")

    assert ["reject_unauth_pipelining", "reject_multi_recipient_bounce", ASK, "permit"] == names(result, DATA)


# --- where they are in force --------------------------------------------------------------------------

SUBMISSION = "submission inet n - y - - smtpd\n  -o smtpd_sasl_auth_enable=yes\n"


@pytest.mark.parametrize("notation", ["-o {}=permit", "-o{}=permit", "-o {{ {} = permit }}"])
def test_an_override_for_port_25_is_what_counts(notation):
    master = f"{SMTP}  {notation.format(RECIPIENT)}\n"
    result = planned("", master)

    assert [
        LEARN,
        *PERMITS,
        "reject_unauth_destination",
        "reject_unlisted_recipient",
        ASK,
        "permit",
    ] == names(result, RECIPIENT, "smtp/inet")
    assert [] == names(result, RECIPIENT)


def test_each_listener_at_port_25_with_lists_of_its_own():
    master = (
        f"192.0.2.1:smtp inet n - n - - smtpd\n  -o {RECIPIENT}=reject_unauth_destination\n"
        "[2001:db8::25]:25 inet n - n - - smtpd\n"
    )
    result = planned("", master)

    for key in ("192.0.2.1:smtp/inet", "[2001:db8::25]:25/inet"):
        assert ASK in names(result, RECIPIENT, key)


def test_behind_postscreen():
    master = f"smtp inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n  -o {DATA}=\n"
    result = planned("", master)

    assert DEFAULT == names(result, RECIPIENT, "smtpd/pass")
    assert [ASK] == names(result, DATA, "smtpd/pass")


def test_submission_with_an_empty_list_learns():
    result = planned("", f"{SMTP}{SUBMISSION}  -o {RECIPIENT}=\n")

    assert [LEARN] == names(result, RECIPIENT, "submission/inet")


def test_submission_with_a_list_of_its_own_learns_and_is_asked_nothing():
    result = planned("own = permit_sasl_authenticated,reject\n", f"{SMTP}{SUBMISSION}  -o {RECIPIENT}=$own\n")

    assert [LEARN, "permit_sasl_authenticated", "reject"] == names(result, RECIPIENT, "submission/inet")
    assert "$own" in result.master.source.text


def test_submission_without_a_list_of_its_own_uses_that_of_main_cf():
    assert DEFAULT == names(planned("", f"{SMTP}{SUBMISSION}"), RECIPIENT, "submission/inet")


def test_mail_that_a_content_filter_hands_back_goes_on_as_before():
    own = f"{RECIPIENT} = {', '.join(PERMITS)}, reject_unauth_destination\n"
    result = planned(own, f"{SMTP}127.0.0.1:10025 inet n - n - - smtpd\n  -o content_filter=\n")

    assert [*PERMITS, "reject_unauth_destination"] == names(result, RECIPIENT, "127.0.0.1:10025/inet")
    assert [] == names(result, DATA, "127.0.0.1:10025/inet")


def test_another_listener_that_uses_main_cf_is_told():
    made = make_plan(instance("", f"{SMTP}2525 inet n - n - - smtpd\n"), LINE)

    assert any("2525/inet uses smtpd_recipient_restrictions" in note for note in made.notes)


def test_the_only_smtpd_counts_where_nobody_listens_at_port_25():
    assert DEFAULT == names(planned("", "127.0.0.1:2525 inet n - n - - smtpd\n"), RECIPIENT)


def test_helo_is_required_where_it_was_turned_off():
    result = planned("smtpd_helo_required = no\n", f"{SMTP}  -o smtpd_helo_required=no\n")

    assert result.truth("smtpd_helo_required", result.master.find("smtp/inet"))


def test_names_stay_names():
    text = f"common = {' '.join(PERMITS)}\n{RECIPIENT} = $common, reject_unauth_destination\n"

    assert "$common, reject_unauth_destination" in planned(text).main.source.text


def test_a_name_that_holds_the_end_of_the_list_is_written_out():
    text = f"rest = reject_unauth_destination permit\n{RECIPIENT} = {', '.join(PERMITS)}, $rest\n"

    assert [
        LEARN,
        *PERMITS,
        "reject_unauth_destination",
        "reject_unlisted_recipient",
        ASK,
        "permit",
    ] == of_main(text)


def test_the_last_of_two_settings_is_changed():
    result = planned(f"{RECIPIENT} = reject\n{RECIPIENT} = reject_unauth_destination\n")

    assert result.main.source.text.startswith(f"{RECIPIENT} = reject\n")


def test_nothing_is_lost_of_an_odd_file():
    own = " \tpermit_mynetworks ,,\n  #\n  reject_unauth_destination"
    text = f"# caf\xe9 \n{RECIPIENT}=\n\n\t# mine\n{own}\nlast=1"
    result = planned(text).main.source.text

    for line in text.split("\n"):
        assert line in result


# --- refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("main", "master", "place", "reason"),
    [
        ("myhostname = @@HOST@@\n", SMTP, "main.cf:1", "template"),
        ("a = b\nmydestination = {{ domains }}\n", SMTP, "main.cf:2", "template"),
        ("mydestination = <your.domain>\n", SMTP, "main.cf:1", "template"),
        ("", "%HOST%:smtp inet n - n - - smtpd\n", "master.cf:1", "template"),
        (f"{RECIPIENT} = permit_mynetwork\n", SMTP, "main.cf:1", "no restriction that Postfix knows"),
        (f"\n{RECIPIENT} = check_policy_service {{ a\n", SMTP, "main.cf:2", "never closed"),
        (f"{RECIPIENT} = ${{x\n", SMTP, "main.cf:1", "never closed"),
        (f"{RECIPIENT} = ${{stress?reject}} permit_mynetworks\n", SMTP, "main.cf:1", "load"),
        (
            f"mine = ${{stress?reject}} permit_mynetworks, permit\n{RECIPIENT} = $mine\n",
            SMTP,
            "main.cf:2",
            "load",
        ),
        (f"\n{RECIPIENT} = check_policy_service {{unix:a}}x\n", SMTP, "main.cf:2", "text follows"),
        (
            "smtpd_restriction_classes = a\na = check_policy_service {}\n",
            SMTP,
            "main.cf:2",
            "names no service",
        ),
        (f"{DATA} = ${RECIPIENT}\n{GUARDED}", SMTP, "main.cf:1", "refers to another list"),
        (f"smtpd_sender_restrictions = ${RECIPIENT}\n{GUARDED}", SMTP, "main.cf:1", "refers to another list"),
        (f"{CLASS}a = ${RECIPIENT}\n{GUARDED}", SMTP, "main.cf:2", "refers to another list"),
        (
            f"{RECIPIENT} = $mine, reject_unauth_destination\nmine = permit_mynetworks\n",
            f"{SMTP}  -o mine=\n",
            "main.cf:1",
            "something else in smtp/inet",
        ),
        ("", "#smtp inet n - y - - smtpd\n", "master.cf", "no smtpd service"),
        ("master_service_disable = inet\n", SMTP, "", "turns all inet services off"),
        (
            f"{RECIPIENT} = check_policy_service {{ unix:a, timeout = 9s }}\n",
            SMTP,
            "main.cf:1",
            '"timeout" is no option',
        ),
        (
            f"{RECIPIENT} = check_policy_service {{ unix:a, wait=9s }}\n",
            SMTP,
            "main.cf:1",
            '"wait=9s" is no option',
        ),
        ("", f"{SMTP[:-1]} # a remark\n", "master.cf:1", 'smtpd takes no "#"'),
        (
            "smtpd_restriction_classes = a, b\na = permit\nb =\n",
            SMTP,
            "main.cf:1",
            "class b has no definition",
        ),
    ],
)
def test_what_cannot_be_understood_safely_is_refused(main, master, place, reason):
    with pytest.raises(ConfError, match=reason) as told:
        make_plan(instance(main, master), LINE)

    assert place in str(told.value)


def test_expressions_are_no_templates():
    text = "smtpd_banner = ${{$a} == {b} ? {x} : {y}} <hello>\nmynetworks = ${x?{a}}\n"

    assert make_plan(instance(text), LINE).changes


def test_an_old_postfix_is_refused():
    with pytest.raises(ConfError, match=r"older than 3\.0"):
        make_plan(instance(version="2.11.0"), LINE)


def test_a_socket_outside_of_the_chroot_is_refused():
    with pytest.raises(ConfError, match="chroot"):
        make_plan(instance(), OurLine("unix:/run/gatepost/policy.sock"))


@pytest.mark.parametrize(
    ("main", "master"),
    [
        ("transport_maps = inline:{{example.com=relay:}}\n", SMTP),
        ("header_checks = pcre:{{/^X-Spam: yes/ DISCARD}}\n", SMTP),
        ("", f"{SMTP}  -o {{ smtpd_banner = $myhostname ESMTP <hello> }}\n"),
    ],
)
def test_what_only_looks_like_a_template_is_none(main, master):
    assert DEFAULT == of_main(main, master)


@pytest.mark.parametrize(
    ("main", "master", "server", "reason"),
    [
        ("", SMTP, "unix:/run/x", "chroot"),
        ("", SMTP.replace("y", "-"), "unix:/run/x", "chroot"),
        ("compatibility_level = 0\n", SMTP.replace("y", "-"), "unix:/run/x", "chroot"),
        ("inet_protocols = ipv4\n", SMTP, "inet:[::1]:10023", "inet_protocols"),
        ("inet_protocols = ipv6\n", SMTP, "inet:127.0.0.1:10023", "inet_protocols"),
    ],
)
def test_a_place_that_postfix_cannot_reach_is_refused(main, master, server, reason):
    with pytest.raises(ConfError, match=reason):
        make_plan(instance(main, master), OurLine(server))


@pytest.mark.parametrize(
    ("main", "master", "server"),
    [
        ("compatibility_level = 2\n", SMTP.replace("y", "-"), "unix:/run/x"),
        ("", SMTP.replace("y", "n"), "unix:/run/x"),
        ("inet_protocols = all\n", SMTP, "inet:[::1]:10023"),
        ("inet_protocols = ipv4, ipv6\n", SMTP, "inet:[::1]:10023"),
        ("inet_protocols = ipv4\n", SMTP, "inet:localhost:10023"),
    ],
)
def test_a_place_that_postfix_can_reach_is_asked_at(main, master, server):
    assert server in make_plan(instance(main, master), OurLine(server)).diff
