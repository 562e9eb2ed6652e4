"""Times as fail2ban writes them (jail.conf(5), "TIME ABBREVIATION FORMAT"): `10m`, `1d 12h`, `600`. Pure.

fail2ban takes them for sums in Python, and evaluates them. Here they are sums of
numbers with units; products and brackets are nothing that we read.
"""

import re

_DAY = 86400.0
_YEAR = 365.25 * _DAY
_UNITS = (
    ("seconds", 1.0),
    ("minutes", 60.0),
    ("hours", 3600.0),
    ("days", _DAY),
    ("weeks", 7 * _DAY),
    ("months", _YEAR / 12),
    ("years", _YEAR),
)
_SHORT = {"s": 1.0, "ss": 1.0, "m": 60.0, "mm": 60.0, "h": 3600.0, "hh": 3600.0, "d": _DAY, "dd": _DAY}
_SHORT |= {"da": _DAY, "w": 7 * _DAY, "ww": 7 * _DAY, "mo": _YEAR / 12, "y": _YEAR, "yy": _YEAR}
_PART = re.compile(r"\s*([+-]?)\s*(\d{1,12}(?:\.\d{1,6})?)(?![\d.])\s*([a-zA-Z]*)")


def seconds(text: str) -> float | None:
    """Seconds, negative for "without end"; None when it is no time that we can read."""
    total, at, text = 0.0, 0, text.strip()
    while at < len(text):
        part = _PART.match(text, at)
        unit = _unit(part[3].lower()) if part else None
        if part is None or unit is None:
            return None
        total += float(part[2]) * unit * (-1 if part[1] == "-" else 1)
        at = part.end()
    return total if text else None


def _unit(word: str) -> float | None:
    """Seconds of a unit, which may be shortened to three letters."""
    if not word:
        return 1.0
    if word in _SHORT:
        return _SHORT[word]
    found = [value for name, value in _UNITS if len(word) >= 3 and name.startswith(word)]
    return found[0] if len(found) == 1 else None
