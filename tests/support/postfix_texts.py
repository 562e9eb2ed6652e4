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


# --- master.cf ----------------------------------------------------------------------------------------

SERVICES = (
    *("smtp inet n - y - - smtpd", "25 inet n - n - - smtpd", "192.0.2.25:smtp\tinet n - - - - smtpd"),
    *(
        "[2001:db8::25]:25 inet n - n - 10 smtpd",
        "smtp inet n - n - 1 postscreen",
        "smtpd pass - - n - - smtpd",
    ),
    *(
        "submission inet n - n - - smtpd",
        "127.0.0.1:10025 inet n - n - - smtpd",
        "cleanup unix n - y - 0 cleanup",
    ),
)
OVERRIDES = (
    *("-o smtpd_recipient_restrictions=permit_mynetworks,reject", "-o smtpd_data_restrictions=", "-v"),
    *(
        "-o smtpd_recipient_restrictions=$own_list",
        "-o { smtpd_helo_required = yes }",
        "-o smtpd_helo_required=no",
    ),
    *("-o {smtpd_banner=$myhostname ESMTP}", "-vo smtpd_banner=x=y", "-o own_list=${other_list}"),
    "-o { smtpd_recipient_restrictions = reject, check_policy_service { unix:private/spf, timeout=9s } }",
)
apart = st.sampled_from(["\n  ", "\n\t", " ", "\t", "\n# -o a=b\n   ", "\n\n  # remark\n\n ", " \r\n  "])


@st.composite
def master_cf(draw):
    """A whole master.cf, as octets; each service once."""
    parts = []
    for service in draw(st.lists(st.sampled_from(SERVICES), min_size=1, max_size=5, unique_by=_name)):
        chosen = draw(st.lists(st.sampled_from(OVERRIDES), max_size=4))
        parts += [draw(asides), "".join((service, *(draw(apart) + one for one in chosen)))]
    text = "\n".join((*parts, draw(asides)))
    return f"{text}{draw(st.sampled_from(['', chr(10), ' ' + chr(10)]))}".encode("utf-8", "surrogateescape")


def _name(service):
    return tuple(service.split()[:2])
