"""SPF records of our own domains (RFC 7208): one, without errors, that permits our own addresses."""

from collections.abc import AsyncIterator

from gatepost.dns.base import Resolver
from gatepost.postfix.audit import zonefile
from gatepost.postfix.audit.asking import exists, texts_of
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.own import Own
from gatepost.postfix.audit.spf import Result, check
from gatepost.postfix.audit.spf_terms import BEGINS, Record, SpfError, merged, parse, with_all, with_term

MOST = 16
"""Own addresses that are looked at."""

MISSING = Fault(
    "spf.missing",
    Severity.WARNING,
    "A domain of ours has no SPF record",
    "Anybody can send in its name, and large providers refuse or file away mail without SPF and DKIM.",
    "Add a record that permits this server and others that send for the domain.",
)
SEVERAL = Fault(
    "spf.several",
    Severity.SERIOUS,
    "A domain of ours has several SPF records",
    "Several records are a permanent error (RFC 7208, 4.5): receivers may refuse all mail of the domain.",
    "Put them together into one.",
)
BROKEN = Fault(
    "spf.broken",
    Severity.SERIOUS,
    "An SPF record is in error",
    "A permanent error counts like no record, and some receivers refuse all mail of the domain for it.",
    "Repair the record.",
)
NOT_US = Fault(
    "spf.not_us",
    Severity.SERIOUS,
    "An SPF record does not permit our own address",
    "Mail that this server sends for the domain is taken for forged.",
    "Add this server to the record.",
)
EVERYBODY = Fault(
    "spf.everybody",
    Severity.WARNING,
    "An SPF record permits everybody",
    "With +all the record says that all mail in the domain's name is right, forged mail too.",
    "Let it end in ~all or -all.",
)
UNDECIDED = Fault(
    "spf.undecided",
    Severity.NOTE,
    "An SPF record does not say what is not permitted",
    "Without ~all or -all at its end forged mail is neutral: the record hardly helps.",
    "Let it end in ~all or -all.",
)
NOT_EVALUATED = Fault(
    "spf.not_evaluated",
    Severity.NOTE,
    "An SPF record was not evaluated to its end",
    "It holds a macro or ptr before anything matched; whether it permits us was not found out.",
    "Look at it by hand; ptr should not be used any more (RFC 7208, 5.5).",
)
FAULTS = (MISSING, SEVERAL, BROKEN, NOT_US, EVERYBODY, UNDECIDED, NOT_EVALUATED)


async def ask_domain(own: Own, domain: str, dns: Resolver) -> AsyncIterator[Finding]:
    """Look at the record of one domain."""
    texts = await texts_of(domain, BEGINS, dns)
    if texts is None or not await exists(domain, dns):
        return
    if not texts:
        wanted = zonefile.txt(domain, f"{BEGINS} mx a:{own.helo_name} ~all")
        yield MISSING.found(f"{domain} TXT: no record that begins with {BEGINS}", wanted)
        return
    if len(texts) > 1:
        said = " and ".join(f'"{text}"' for text in texts)
        remedy = f"Instead of all of them:\n{zonefile.txt(domain, merged(texts))}"
        yield SEVERAL.found(f"{domain} TXT: {said}", remedy)
        return
    said = f'{domain} TXT: "{texts[0]}"'
    try:
        end = _end(parse(texts[0]))
    except SpfError as error:
        yield BROKEN.found(f"{said}: {error}")
        return
    if finding := await _permits(own, domain, texts[0], dns):
        yield finding
    wanted = f"Instead of it:\n{zonefile.txt(domain, with_all(texts[0], '~all'))}"
    if end == Result.PASS:
        yield EVERYBODY.found(said, wanted)
    elif end == Result.NEUTRAL:
        yield UNDECIDED.found(said, wanted)


def _end(record: Record) -> str:
    """What it says of everybody else; empty when another record decides that."""
    last = next((term.qualifier for term in record.terms if term.name == "all"), "")
    return last or ("" if record.redirect else Result.NEUTRAL)


async def _permits(own: Own, domain: str, text: str, dns: Resolver) -> Finding | None:
    """What is wrong with what the record says of our own addresses; the first thing."""
    for address in own.addresses[:MOST]:
        result = await check(domain, address, dns)
        said = f'{domain} TXT: "{text}" gives {address} {result.result} ({result.why})'
        match result.result:
            case Result.PERMERROR:
                return BROKEN.found(said)
            case Result.NOT_EVALUATED:
                return NOT_EVALUATED.found(said)
            case Result.FAIL | Result.SOFTFAIL | Result.NEUTRAL:
                term = f"ip{address.version}:{address}"
                return NOT_US.found(said, f"Instead of it:\n{zonefile.txt(domain, with_term(text, term))}")
    return None
