"""Lists of restrictions are split as smtpd splits them."""

import pytest

from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.restrictions import policy_of, split_items, unknown

RECIPIENT = "smtpd_recipient_restrictions"


def read(text, parameter=RECIPIENT):
    return [(item.name, item.argument) for item in split_items(text, parameter)]


def test_commas_and_blanks_separate_and_arguments_follow():
    text = (
        "permit_mynetworks,reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]\n ,, check_helo_access hash:/x"
    )

    assert [
        ("permit_mynetworks", ""),
        ("reject_rbl_client", "zen.spamhaus.org=127.0.0.[2..11]"),
        ("check_helo_access", "hash:/x"),
    ] == read(text)


def test_names_in_capitals_and_of_old_are_known():
    assert [("permit_mynetworks", ""), ("reject_unknown_client_hostname", "")] == read(
        "PERMIT_MYNETWORKS reject_unknown_client"
    )


def test_a_table_alone_looks_at_what_the_list_is_about():
    assert [("check_sender_access", "hash:/x")] == read("hash:/x", "smtpd_sender_restrictions")


def test_warn_if_reject_belongs_to_what_follows():
    (item,) = split_items("warn_if_reject reject_unknown_client_hostname", RECIPIENT)

    assert (True, 0, "reject_unknown_client_hostname") == (item.warns, item.start, item.text)


def test_a_policy_service_with_settings_of_its_own():
    (item,) = split_items(
        "check_policy_service { inet:[::1]:1, timeout=6s, default_action = DUNNO }", RECIPIENT
    )
    policy = policy_of(item)

    assert ("inet:[::1]:1", "6s") == (policy.server, policy.options["timeout"])


@pytest.mark.parametrize(
    "text", ["reject_rbl_client", "permit, check_helo_access", "check_policy_service { a"]
)
def test_lists_that_postfix_could_not_use(text):
    with pytest.raises(ConfError):
        split_items(text, RECIPIENT)


def test_words_that_are_no_restriction():
    items = split_items("permit_mynetworks, greylist, rejectt", RECIPIENT)

    assert ["rejectt"] == [item.text for item in unknown(items, {"greylist"})]


def test_classes_are_case_sensitive():
    items = split_items("Permit_mynetworks, greylist", RECIPIENT)

    assert ["greylist"] == [item.text for item in unknown(items, {"Greylist"})]
