"""docs/lists.md, made from what is known of public lists.

`python -m gatepost.dnslist.reference > docs/lists.md`
"""

import sys
from collections.abc import Iterable

from gatepost.dnslist import definition
from gatepost.dnslist.definition import ERROR_ANSWERS, Code, Definition
from gatepost.dnslist.lists import TRUST
from gatepost.dnslist.notation import parse

HEAD = """\
# Public lists

Made from what Gatepost knows, by `python -m gatepost.dnslist.reference > docs/lists.md`.

In use without any configuration: zen.spamhaus.org, dbl.spamhaus.org and list.dnswl.org. Read their terms:
they are free for small, non-commercial use and refuse questions that come through public resolvers such as
8.8.8.8 or 1.1.1.1. Run a resolver of your own beside Gatepost.

## How lists are watched

A list is believed only while it behaves. At start and at intervals (`[watch] interval`) each is asked

- for entries that every list must hold: 127.0.0.2, ::FFFF:7F00:2, the name `test` (RFC 5782, section 5);
- for entries that no list may hold: 127.0.0.1, ::FFFF:7F00:1, the name `invalid`;
- for something that nobody can have listed, another one each time: an address of 240.0.0.0/4 or of
  2001:db8::/32, a name below `.invalid`. A dead domain with a wildcard record shows itself by that.

It is **put aside** when

- one of the first is missing;
- one of the others is listed;
- it gives an error answer to a test: 127.255.255.0/24, one of its own, or anything outside of 127.0.0.0/8;
- it answers no test at all: a question without an answer brings the next test forward to a minute after
  the last one;
- half of its latest questions, and at least 20, had no answer, or an error answer (`unanswered_share`,
  `unanswered_least`).

An error answer about a client has the list tested at once: a list that refuses us refuses its tests too.
One that passes them is believed on, so that one odd record lets in nobody else whom the list knows; it is
told in the log, `gatepost status` and `gatepost ask` for a while all the same.

A list that is put aside is not asked, so it neither refuses nor excuses anybody. That is logged once and
stands in `gatepost status` and in every `gatepost ask`. It is tested again after a minute (`retry`), with
pauses that double up to an hour (`retry_most`), and is believed again when all its tests pass.

- Where only the IPv6 entry is missing, the list is asked about IPv4 and not about IPv6.
- Error answers and unexpected ones never count, whether a list has been tested or not. So until its first
  test a list is believed; the daemon waits for the tests up to three seconds (`start_wait`) before it
  listens.
- While our own resolver is ill, nothing is held against a list.
- A list that has no test entries: `test = false`. It is still tested for listing everything.
"""

SECTIONS = (
    ("dnsbl", "Block lists by client address"),
    ("rhsbl", "Block lists by name"),
    ("dnswl", "Allow lists"),
)

DEAD = """\
## Dead lists

To configure one of these is an error, with the reason given here. Asking them costs time at best; some
answer that everybody is listed.

| list | why not |
|---|---|
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for purpose, title in SECTIONS:
        parts.append(f"## {title} (`[[{purpose}]]`)\n")
        parts += [_living(d) for d in definition.living() if d.purpose == purpose]
    rows = (f"| {', '.join(f'`{z}`' for z in dead.zones)} | {dead.reason} |\n" for dead in definition.dead())
    return "\n".join(parts) + "\n" + DEAD + "".join(rows)


def _living(known: Definition) -> str:
    lines = [
        f"### {known.zone}\n",
        f"By {known.operator}, <{known.site}>. {known.terms}",
        f"Asked about: {_and(_KINDS[kind] for kind in known.kinds)}. Delisting: <{known.delisting}>.",
    ]
    if known.note:
        lines.append(known.note)
    lines += ["", "| answer | rule | meaning |", "|---|---|---|"]
    lines += [f"| {_answer(code)} | `{_rule(known, code)}` | {code.says} |" for code in known.code]
    lines += [f"| {error.answers} | error answer | {error.says} |" for error in _errors(known)]
    return "\n".join(lines) + "\n"


_KINDS = {"ip4": "IPv4", "ip6": "IPv6", "name": "names"}


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)


def _answer(code: Code) -> str:
    return code.answers or f"bit {code.bit} of the last octet"


def _rule(known: Definition, code: Code) -> str:
    name = f"{known.purpose}.{known.name}.{code.name}"
    if known.purpose != "dnswl":
        return name
    return f"{name}.<trust>" if code.trust is None else f"{name}.{TRUST[code.trust]}"


def _errors(known: Definition) -> list[definition.ErrorAnswer]:
    """Its own, and what is an error answer everywhere, where its own do not tell that better."""
    everywhere = parse(ERROR_ANSWERS)
    own = list(known.error)
    if not any(everywhere.matches(error.answers) for error in own):
        own.append(definition.ErrorAnswer(ERROR_ANSWERS, "the list refuses to answer"))
    return own


if __name__ == "__main__":
    sys.stdout.write(page())
