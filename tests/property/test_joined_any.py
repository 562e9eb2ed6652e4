"""One list instead of three lets in just whom these let in, whatever each restriction says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.postfix.conf.restrictions import split_items
from gatepost.postfix.planning.joined import join

TEXTS = (
    *("permit_mynetworks", "permit_sasl_authenticated", "reject", "defer", "permit", "warn_if_reject reject"),
    *("reject_rbl_client a", "reject_non_fqdn_sender", "warn_if_reject reject_rbl_client a"),
    *("check_client_access hash:/a", "check_sasl_access hash:/s", "permit_dnswl_client a", "own_class"),
)
lists = st.lists(st.lists(st.sampled_from(TEXTS), max_size=4), min_size=1, max_size=3)
said = st.fixed_dictionaries({text: st.sampled_from(["permit", "refuse", ""]) for text in TEXTS})


def lets_in(items, answers):
    """Whether Postfix goes past a list: each restriction in turn, until one decides (SMTPD_ACCESS_README)."""
    for item in items:
        answer = answers[item.text]
        if item.name in ("permit", "reject", "defer"):
            answer = "permit" if item.name == "permit" else "refuse"
        elif item.name in ("permit_mynetworks", "permit_sasl_authenticated", "permit_dnswl_client"):
            answer = answer if answer == "permit" else ""
        elif item.name.startswith("reject_"):
            answer = answer if answer == "refuse" else ""
        elif item.name == "check_sasl_access" and answers["permit_sasl_authenticated"] != "permit":
            answer = ""
        if answer == "permit":
            return True
        if answer == "refuse" and not item.warns:
            return False
    return True


@settings(max_examples=400)
@given(lists, said)
def test_it_lets_in_whom_the_lists_let_in(texts, answers):
    parts = [split_items(", ".join(one), "smtpd_client_restrictions") for one in texts]
    joined = join(parts)

    if joined is not None:
        assert all(lets_in(one, answers) for one in parts) == lets_in(joined.items, answers)
        if joined.in_order and len(parts) == 1:
            assert len(joined.items) <= len(parts[0])
