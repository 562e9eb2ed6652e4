"""The topics of an audit, one module each. `find` imports every module of this folder: no other list is kept.

A module holds

- `FAULTS`: everything it can find, each a `base.Fault` whose name begins with the module's name and a dot;
- one or more of `look(scene)`, which judges the configuration; `ask_server(own, dns)`, which asks the DNS
  about this server; `ask_domain(own, domain, dns)`, which asks about one of its domains.

All of them yield findings, and do no I/O of their own: what they look at are values and a Resolver.
"""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec

from gatepost.dns.base import Resolver
from gatepost.postfix.audit.base import Fault, Finding
from gatepost.postfix.audit.own import Own

Look = Callable[[Any], Iterable[Finding]]
AskServer = Callable[[Own, Resolver], AsyncIterator[Finding]]
AskDomain = Callable[[Own, str, Resolver], AsyncIterator[Finding]]


class Topic(msgspec.Struct, frozen=True):
    """One module of this folder."""

    name: str
    says: str
    """Its first sentence, for the page of all findings."""
    faults: tuple[Fault, ...]
    look: Look | None = None
    ask_server: AskServer | None = None
    ask_domain: AskDomain | None = None


def find() -> dict[str, Topic]:
    """Every topic, by name."""
    found: dict[str, Topic] = {}
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found[info.name] = Topic(
            name=info.name,
            says=(module.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " "),
            faults=module.FAULTS,
            look=getattr(module, "look", None),
            ask_server=getattr(module, "ask_server", None),
            ask_domain=getattr(module, "ask_domain", None),
        )
    return found
