"""What somebody at the help desk can do about a verdict. Pure."""

import shlex

from gatepost.store.base import JournalEntry

_FAMILIES = {
    "greylist": (
        "A server that follows the rules tries again by itself and gets in then.",
        "gatepost allow {client} --scope greylist",
    ),
    "dnsbl": (
        "The client's operator can ask the list to take the address off; the reply names the list.",
        "gatepost allow {client} --scope lists",
    ),
    "rhsbl": (
        "The domain's owner can ask the list to take it off; the reply names the list.",
        "gatepost allow {client} --scope lists",
    ),
    "helo": (
        "The client's operator should let it call itself by its own full name (RFC 5321, 4.1.1.1).",
        "gatepost allow {helo} --helo --scope helo",
    ),
    "ptr": (
        "The client's operator needs a reverse name that leads back to its address.",
        "gatepost allow {client}",
    ),
    "sender_domain": (
        "The sender's domain needs an MX or address record, so that answers can be delivered.",
        "gatepost allow {client}",
    ),
    "access": ("An own entry decided this; see: gatepost list", ""),
    "error": ("This was our own trouble; look at: gatepost status", ""),
    "score": ("Several weak signs together were enough; each is listed above.", "gatepost allow {client}"),
}


def advice(entry: JournalEntry) -> tuple[str, ...]:
    """Sentences and commands; empty where nothing is to be done."""
    action = entry.observed or entry.action
    if action == "pass":
        return ()
    family = entry.decided_by.partition(".")[0]
    sentence, command = _FAMILIES.get(family, ("", "gatepost allow {client}"))
    told = [sentence] if sentence else []
    if command and (what := _filled(command, entry)):
        told.append(f"To let it in all the same: {what}")
    return tuple(told)


def _filled(command: str, entry: JournalEntry) -> str:
    """The command with the stranger's words in quotes; empty when what it is about is not known."""
    values = {"client": entry.client_address, "helo": entry.helo_name}
    if any(f"{{{name}}}" in command and not _sayable(value) for name, value in values.items()):
        return ""
    return command.format(**{name: shlex.quote(value) for name, value in values.items()})


def _sayable(value: str) -> bool:
    return bool(value) and value.isprintable() and not value.startswith("-")
