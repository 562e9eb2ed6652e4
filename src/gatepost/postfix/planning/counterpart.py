"""Restrictions of Postfix that Gatepost can do instead, each with the settings of ours that mean the same.

Pure. What has no counterpart comes back as a sentence that says why.
"""

from collections.abc import Callable

import msgspec

from gatepost.dnslist import definition
from gatepost.postfix.conf.restrictions import Item
from gatepost.setting import Setting

Value = Callable[[str], str]
"""The value of a setting of Postfix, in force."""


class Counterpart(msgspec.Struct, frozen=True):
    """What a restriction becomes."""

    family: str
    """Which exceptions concern it: `helo`, `ptr`, `sender`, `lists` or `greylist`."""
    settings: tuple[Setting, ...]
    notes: tuple[str, ...] = ()


RULES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "reject_unknown_reverse_client_hostname": ("ptr", "unknown_client_reject_code", ("ptr.missing",)),
    "reject_unknown_client_hostname": ("ptr", "unknown_client_reject_code", ("ptr.missing", "ptr.mismatch")),
    "reject_invalid_helo_hostname": ("helo", "invalid_hostname_reject_code", ("helo.malformed",)),
    "reject_non_fqdn_helo_hostname": (
        "helo",
        "non_fqdn_reject_code",
        ("helo.malformed", "helo.short", "helo.bare_address"),
    ),
    "reject_unknown_helo_hostname": (
        "helo",
        "unknown_hostname_reject_code",
        ("helo.unresolvable", "helo.reserved"),
    ),
    "reject_non_fqdn_sender": ("sender", "non_fqdn_reject_code", ("sender_domain.short",)),
    "reject_unknown_sender_domain": (
        "sender",
        "unknown_address_reject_code",
        ("sender_domain.unresolvable",),
    ),
}
"""Family, the setting with the reply code, and our rules, by restriction."""

_ALWAYS = {"reject_unknown_sender_domain": ("sender_domain.null_mx",)}
"""What Postfix refuses for good whatever the reply code is set to (RFC 7505)."""

LOOKS_AT = {
    "reject_rhsbl_helo": "helo",
    "reject_rhsbl_sender": "sender",
    "reject_rhsbl_reverse_client": "reverse",
}


def counterpart(item: Item, value: Value, *, is_postgrey: Callable[[str], bool]) -> Counterpart | str | None:
    """What `item` becomes; a sentence why it cannot move; None when it is nothing that Gatepost takes over.

    `is_postgrey` tells whether postgrey answers a check_policy_service.
    """
    if item.name in RULES:
        return _by_rules(item, value)
    if item.name == "reject_rbl_client":
        return _list(item, value, "dnsbl", "")
    if item.name in LOOKS_AT:
        return _list(item, value, "rhsbl", LOOKS_AT[item.name])
    if item.name in ("reject_rhsbl_client", "reject_rhsbl_recipient"):
        return "Gatepost looks up the reverse name, HELO name and sender in such lists, not this name"
    if item.name == "check_policy_service" and is_postgrey(item.argument):
        return Counterpart(
            "greylist",
            (Setting(("greylist", "when"), "stranger", "postgrey asked every stranger to come back"),),
            ("what postgrey knows and how it was set: gatepost import postgrey",),
        )
    return None


def _worth(item: Item, code: str) -> float | str:
    if item.warns:
        return 0
    return "defer" if code.startswith("4") else "reject"


def _by_rules(item: Item, value: Value) -> Counterpart:
    family, code, rules = RULES[item.name]
    worths = {rule: _worth(item, value(code)) for rule in rules}
    worths |= {rule: _worth(item, "5") for rule in _ALWAYS.get(item.name, ())}
    settings = tuple(_rule(rule, worth, item.text) for rule, worth in worths.items())
    return Counterpart(family, settings)


def _rule(rule: str, worth: float | str, text: str) -> Setting:
    return Setting(("rules", rule), worth, f"{text} in Postfix", how="first")


def _list(item: Item, value: Value, purpose: str, looks_at: str) -> Counterpart | str:
    zone, _, answers = item.argument.partition("=")
    zone = zone.lower().rstrip(".")
    if reason := definition.why_dead(zone):
        return f"{zone} is dead and should not be asked by anybody: {reason}"
    if keyed := definition.key_in_zone(zone):
        return f"a key stands in the name; set [[{purpose}]] zone = {keyed} and the key by key_file yourself"
    known = definition.find(zone, purpose)
    name = known.name if known else zone.replace("-", "__").replace(".", "_")[:32]
    table: dict[str, object] = {"zone": zone}
    notes = []
    if known is None:
        table |= {"name": name, "answers": answers or "127.0.[0..255].[0..255]"}
        notes.append(f"answers outside of {table['answers']} are errors of the list, and refuse nobody")
    elif answers:
        table["answers"] = answers
    else:
        notes.append("only answers that mean a listing count, not the list's error answers (127.255.255.x)")
    if looks_at:
        table["looks_at"] = [looks_at]
    settings = (
        Setting((purpose,), table, f"{item.text} in Postfix", how="append"),
        _rule(f"{purpose}.{name}.*", _worth(item, value("maps_rbl_reject_code")), item.text),
    )
    return Counterpart("lists", settings, tuple(notes))
