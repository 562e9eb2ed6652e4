"""Templates that were never filled in: a main.cf that comes with a bundle and waits for its values. Pure."""

import re

_ANYWHERE = re.compile(
    r"(?<!\$)(?<!inline:)(?<!pcre:)(?<!regexp:)(?<!cidr:)"  # not ${{a} == {b} ? …}, nor a table in main.cf
    r"\{\{[^{}]*\}\}"  # {{ name }}
    r"|\{%.*?%\}"
    r"|@@?[A-Z][A-Z0-9_]{2,}@@?"
    r"|%[A-Z][A-Z0-9_]{2,}%"
    r"|(?<![A-Za-z0-9_$])__[A-Z][A-Z0-9_]*__"
)
_WORD = re.compile(r"<[A-Za-z][\w .:-]*>")
"""`<your.domain>`; in free text an address may stand so."""
_FREE = frozenset(("smtpd_banner", "mail_name"))


def placeholder(parameter: str, value: str) -> str:
    """The first text in `value` that waits to be replaced; empty when there is none."""
    found = _ANYWHERE.search(value)
    if found is None and parameter not in _FREE and not parameter.endswith(("_text", "_footer", "_reply")):
        found = _WORD.search(value)
    return found[0] if found else ""
