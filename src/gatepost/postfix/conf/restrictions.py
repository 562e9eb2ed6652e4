"""Lists of restrictions: their items, with arguments, and what each can do (postconf(5), access(5)).

Pure. Raises ConfError for lists that Postfix could not use.
"""

from collections.abc import Collection, Iterable

import msgspec

from gatepost.postfix.conf.lines import ConfError
from gatepost.postfix.conf.words import Word, inner_words, split_words

LISTS = {
    "smtpd_client_restrictions": "client",
    "smtpd_helo_restrictions": "helo",
    "smtpd_sender_restrictions": "sender",
    "smtpd_relay_restrictions": "recipient",
    "smtpd_recipient_restrictions": "recipient",
    "smtpd_data_restrictions": "data",
    "smtpd_end_of_data_restrictions": "end_of_data",
    "smtpd_etrn_restrictions": "etrn",
}
"""The lists, and what a table that stands in one without a name looks at."""

TABLES = frozenset(
    f"check_{what}_access"
    for what in (
        *("client", "client_a", "client_mx", "client_ns"),
        *("reverse_client_hostname", "reverse_client_hostname_a", "reverse_client_hostname_mx"),
        *("reverse_client_hostname_ns", "helo", "helo_a", "helo_mx", "helo_ns"),
        *("sender", "sender_a", "sender_mx", "sender_ns"),
        *("recipient", "recipient_a", "recipient_mx", "recipient_ns"),
        *("etrn", "ccert", "sasl"),
    )
)
PUBLIC_LISTS = frozenset(
    (
        *("reject_rbl_client", "permit_dnswl_client"),
        *("reject_rhsbl_client", "permit_rhswl_client", "reject_rhsbl_reverse_client"),
        *("reject_rhsbl_helo", "reject_rhsbl_sender", "reject_rhsbl_recipient"),
    )
)
POLICY = "check_policy_service"
WITH_ARGUMENT = TABLES | PUBLIC_LISTS | {POLICY, "sleep"}
POLICY_OPTIONS = frozenset(
    (
        *("default_action", "max_idle", "max_ttl", "policy_context", "request_limit", "retry_delay"),
        *("timeout", "try_limit"),
    )
)
RELAY_CONTROL = frozenset(("reject_unauth_destination", "defer_unauth_destination"))
"""What stands between a stranger and relaying."""
ENDS = frozenset(("permit", "reject", "defer"))
"""After these nothing of the list is looked at."""
OTHERS = frozenset(
    (
        *("defer_if_permit", "defer_if_reject", "warn_if_reject"),
        *("permit_mynetworks", "permit_sasl_authenticated", "permit_tls_clientcerts"),
        *("permit_tls_all_clientcerts", "permit_inet_interfaces", "permit_naked_ip_address"),
        *("permit_auth_destination", "permit_mx_backup"),
        *("reject_invalid_helo_hostname", "reject_invalid_hostname", "reject_non_fqdn_helo_hostname"),
        *("reject_non_fqdn_hostname", "reject_unknown_helo_hostname", "reject_unknown_hostname"),
        *("reject_non_fqdn_recipient", "reject_non_fqdn_sender", "reject_unknown_address"),
        *("reject_unknown_client_hostname", "reject_unknown_client"),
        *("reject_unknown_reverse_client_hostname", "reject_unknown_recipient_domain"),
        *("reject_unknown_sender_domain", "reject_unlisted_recipient", "reject_unlisted_sender"),
        *("reject_unverified_recipient", "reject_unverified_sender"),
        *("reject_multi_recipient_bounce", "reject_maps_rbl", "check_recipient_maps"),
        *("reject_unauth_pipelining", "reject_plaintext_session", "reject_sender_login_mismatch"),
        *("reject_authenticated_sender_login_mismatch", "reject_known_sender_login_mismatch"),
        *("reject_unauthenticated_sender_login_mismatch", "check_relay_domains"),
    )
)
KNOWN = WITH_ARGUMENT | RELAY_CONTROL | ENDS | OTHERS
OLD_NAMES = {
    "reject_invalid_hostname": "reject_invalid_helo_hostname",
    "reject_non_fqdn_hostname": "reject_non_fqdn_helo_hostname",
    "reject_unknown_hostname": "reject_unknown_helo_hostname",
    "reject_unknown_client": "reject_unknown_client_hostname",
}


class Item(msgspec.Struct, frozen=True):
    """One restriction of a list."""

    name: str
    """In small letters, by its name of today; for a table alone `check_<what the list looks at>_access`."""
    argument: str
    """The table, list or service it needs; empty when it needs none. Expanded."""
    text: str
    """As it was written, `warn_if_reject` not included."""
    start: int
    end: int
    """Where it lies in the list's text, `warn_if_reject` included."""
    warns: bool = False
    """After `warn_if_reject`: it refuses nobody, but whom it lets in is let in."""

    @property
    def whole(self) -> str:
        """As it was written, `warn_if_reject` included."""
        return f"warn_if_reject {self.text}" if self.warns else self.text

    @property
    def same(self) -> tuple[str, str, bool]:
        """Two items that have this in common do the same."""
        return self.name, " ".join(self.argument.split()), self.warns

    @property
    def can_permit(self) -> bool:
        """Whether it can end the list in the client's favour. A class of the administrator's can."""
        return self.name.startswith("permit") or self.name in TABLES | {POLICY} or self.name not in KNOWN


class Policy(msgspec.Struct, frozen=True):
    """The argument of check_policy_service."""

    server: str
    options: dict[str, str]


def split_items(text: str, parameter: str, line: int = 0) -> list[Item]:
    """The restrictions in an expanded list.

    Raises:
        ConfError: an argument is missing, or a brace.
    """
    items: list[Item] = []
    words = iter(split_words(text, line))
    warning: Word | None = None
    for word in words:
        if word.text.lower() == "warn_if_reject":
            warning = warning or word
            continue
        items.append(
            _item(word, next(words, None) if _needs_argument(word) else None, warning, parameter, line)
        )
        warning = None
    return items


def _needs_argument(word: Word) -> bool:
    return word.text.lower() in WITH_ARGUMENT


def _item(word: Word, argument: Word | None, warning: Word | None, parameter: str, line: int) -> Item:
    name = word.text.lower()
    text, end, given = word.text, word.end, ""
    if name in WITH_ARGUMENT:
        if argument is None:
            raise ConfError(f"{word.text} in {parameter} needs an argument, and none follows", line)
        text, end, given = f"{word.text} {argument.text}", argument.end, argument.text
    elif ":" in name:
        name, given = f"check_{LISTS.get(parameter, 'client')}_access", word.text
    start = warning.start if warning else word.start
    return Item(OLD_NAMES.get(name, name), given, text, start, end, warns=warning is not None)


def unknown(items: Iterable[Item], classes: Collection[str]) -> list[Item]:
    """Restrictions that Postfix does not know: it answers 451 4.3.5 when it comes to them.

    Its own names are the same in any case, those of classes are not.
    """
    return [item for item in items if item.name not in KNOWN and item.text not in classes]


def policy_of(item: Item, line: int = 0) -> Policy:
    """Where a check_policy_service asks, and with which settings of its own.

    Raises:
        ConfError: its argument is none.
    """
    words = inner_words(item.argument, line)
    if not words:
        raise ConfError("check_policy_service names no service", line)
    pairs = (word.strip("{}").partition("=") for word in words[1:])
    return Policy(words[0], {name.strip(): value.strip() for name, _, value in pairs})


def wrong_option(item: Item) -> str:
    """What in the braces of a check_policy_service smtpd would end at; empty when nothing is.

    `timeout = 9s` with blanks is three words there; only in braces of its own it is one.
    """
    if item.name != POLICY:
        return ""
    for word in inner_words(item.argument)[1:]:
        name, equals, _ = word.strip("{}").partition("=")
        if not equals or name.strip() not in POLICY_OPTIONS:
            return word
    return ""
