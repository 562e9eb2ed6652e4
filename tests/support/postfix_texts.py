"""Texts of main.cf and master.cf as people and machines write them: odd, but legal. For hypothesis."""

from hypothesis import strategies as st

NAMES = (
    *("smtpd_recipient_restrictions", "smtpd_data_restrictions", "smtpd_client_restrictions"),
    *("smtpd_helo_restrictions", "smtpd_sender_restrictions", "smtpd_relay_restrictions"),
    *("smtpd_banner", "mydestination", "own_list", "other_list"),
)
RESTRICTIONS = (
    *("permit_mynetworks", "permit_sasl_authenticated", "reject_unauth_destination", "permit", "reject"),
    *("reject_rbl_client zen.spamhaus.org", "check_client_access hash:/etc/postfix/clients"),
    *("check_policy_service inet:127.0.0.1:10023", "check_policy_service { unix:private/spf, timeout=9s }"),
    *(
        "warn_if_reject reject_unknown_client_hostname",
        "reject_non_fqdn_sender",
        "$own_list",
        "${other_list}",
    ),
    *(
        "defer_unauth_destination",
        "reject_unlisted_recipient",
        "permit_mx_backup",
        "REJECT_UNAUTH_PIPELINING",
    ),
    "check_policy_service { inet:127.0.0.1:10023, timeout=6s, default_action=DUNNO }",
)
PLAIN = RESTRICTIONS[:9]
"""Without references, for the lists that are referred to."""

blanks = st.sampled_from(["", " ", "  ", "\t", " \t "])
between = st.sampled_from(
    [" ", ", ", ",", " , ", ",\n    ", "\n\t", "\n  # a remark\n  ", ",\n\n  ", " \n#x\n ", ",\r\n    "]
)


@st.composite
def settings(draw, name=None, items=RESTRICTIONS):
    """One setting, over any number of lines."""
    name = name or draw(st.sampled_from(NAMES[:6]))
    chosen = draw(st.lists(st.sampled_from(items), max_size=6))
    value = ""
    for number, item in enumerate(chosen):
        value += item if number == 0 else draw(between) + item
    start = draw(st.sampled_from([" ", "", "  ", "\n    ", "\n# remark\n\t"])) if chosen else draw(blanks)
    tail = draw(st.sampled_from(["", " ", ",", " ,  ", "\r"])) if chosen else ""
    return f"{name}{draw(blanks)}={start}{value}{tail}"


asides = st.sampled_from(
    ["", "# a remark", "   ", "\t# smtpd_banner = x", "#", "# caf\u00e9", "# \udce9\udcff"]
)


@st.composite
def main_cf(draw):
    """A whole main.cf, as octets."""
    lists = [draw(settings(name, PLAIN)) for name in ("own_list", "other_list")]
    parts = draw(st.lists(settings() | asides, max_size=8))
    text = "\n".join(draw(st.permutations([*lists, *parts])))
    text = f"{draw(asides)}\n{text}{draw(st.sampled_from(['', chr(10)]))}"
    return text.encode("utf-8", "surrogateescape")
