r"""`<HOST>`, `<ADDR>`, `<F-USER>…</F-USER>` and their kind in patterns (jail.conf(5)). Pure.

Written without look-around, so that RE2 can do them.

Raises: FilterError.
"""

import re

from gatepost.ban.fail2ban.trouble import FilterError

_V4 = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
_V6 = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|:))"
_NAME = r"(?P<dns>[\w\-.^_]*\w)"
_CIDR = r"(?P<cidr>\d+)"
_EITHER = rf"(?:{_V4}|{_V6})"
_ADDR = rf"\[?{_EITHER}\]?"

_WHOLE = {
    "HOST": rf"(?:{_ADDR}|{_NAME})",
    "ADDR": _ADDR,
    "IP4": _V4,
    "IP6": _V6,
    "DNS": _NAME,
    "CIDR": _CIDR,
    "SUBNET": rf"\[?{_EITHER}(?:/{_CIDR})?\]?",
    "F-ID/": r"(?P<fid>\S+)",
    "F-PORT/": r"(?P<fport>\w+)",
}
_WHOLE |= {f"F-{name}/": _WHOLE[name] for name in ("ADDR", "IP4", "IP6", "DNS", "CIDR", "SUBNET")}
_NAMES = {"id": "fid", "port": "fport"}

_TAG = re.compile(r"</?[\w\-]+/?>")
_OWN = re.compile(r"(/?)F-([A-Z0-9_\-]+)")

SUBJECTS = frozenset({"ip4", "ip6", "dns", "fid", "mlfid"})
"""Groups that can tell whom a line is about; one of them must be there."""

IN_PATTERN = re.compile(r"<(?:HOST|ADDR|IP4|IP6|SUBNET|DNS|F-[A-Z0-9_\-]+/?)>")
"""What shows that a text is a pattern and not the name of a filter."""


def with_groups(text: str) -> str:
    """The pattern with groups in place of tags; tags of unknown kind are text, as in fail2ban."""
    opened: set[str] = set()

    def group(match: re.Match[str]) -> str:
        tag = match[0][1:-1]
        if tag == "SKIPLINES":
            raise FilterError("<SKIPLINES>: it needs more than one line at once, which we do not look at")
        if tag in _WHOLE:
            return _WHOLE[tag]
        own = _OWN.fullmatch(tag)
        if own is None:
            return match[0]
        if own[1]:
            return ")" if own[2] in opened else match[0]
        opened.add(own[2])
        name = own[2].lower()
        return f"(?P<{_NAMES.get(name, name)}>"

    return _TAG.sub(group, text)
