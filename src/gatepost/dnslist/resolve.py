"""From what is configured to lists that can be asked.

Reads key files and the environment. `resolve` raises nothing: all that is
wrong comes back as sentences, so that `config check` shows everything at once.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from gatepost.address import normal_domain
from gatepost.dnslist import definition
from gatepost.dnslist.definition import LISTED, UNLISTED, Code, Definition, rfc5782
from gatepost.dnslist.lists import TRUST, ErrorRange, List, Meaning
from gatepost.dnslist.notation import Pattern, parse
from gatepost.dnslist.options import ListOptions, one_of, rule_part
from gatepost.options import Secret

KINDS = {"dnsbl": ("ip4", "ip6"), "rhsbl": ("name",), "dnswl": ("ip4", "ip6")}
"""What a list that is not known is asked about."""

IDENTITIES = {"dnsbl": ("client",), "rhsbl": ("helo", "reverse", "sender"), "dnswl": ("client", "sender")}
"""What each section can look at; the first of dnswl, and all of the others, unless told otherwise."""

UNKNOWN_LIST_ANSWERS = "127.0.0.2"
"""The one answer that RFC 5782, 2.1 gives as the convention: what else a list may mean, nobody said."""

_KEY = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
_MAX_KEY_FILE = 4096


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with the configured lists."""

    number: int
    """Which of the section's lists, from 0."""
    zone: str
    text: str

    def __str__(self) -> str:
        return f"{self.zone}: {self.text}"


class Resolved(msgspec.Struct, frozen=True):
    """Lists that can be asked, and what is wrong with the others."""

    lists: tuple[List, ...]
    problems: tuple[Problem, ...]


class ListsError(ValueError):
    """Lists that cannot be asked as they are configured; the text has all reasons, one a line."""


def resolve(
    purpose: str, options: Iterable[ListOptions], environment: Mapping[str, str] | None = None
) -> Resolved:
    """Make lists of the options of a section (`dnsbl`, `rhsbl`, `dnswl`)."""
    environment = os.environ if environment is None else environment
    lists: list[List] = []
    problems: list[Problem] = []
    for number, option in enumerate(options):
        try:
            made = _resolve(purpose, option, environment)
        except ValueError as error:
            problems.append(Problem(number, option.zone, str(error)))
            continue
        if any(made.name == other.name for other in lists):
            again = f'another list is called "{made.name}" too; give this one a `name` of its own'
            problems.append(Problem(number, option.zone, again))
            continue
        lists.append(made)
    return Resolved(tuple(lists), tuple(problems))


def lists_of(purpose: str, options: Iterable[ListOptions]) -> tuple[List, ...]:
    """The lists of a section.

    Raises:
        ListsError: one of them cannot be asked; the text has all reasons.
    """
    resolved = resolve(purpose, options)
    if resolved.problems:
        raise ListsError("\n".join(f"{purpose} {problem}" for problem in resolved.problems))
    return resolved.lists


def _resolve(purpose: str, option: ListOptions, environment: Mapping[str, str]) -> List:
    zone = normal_domain(option.zone.strip())
    known = _known(purpose, zone, option.like)
    kinds = _kinds(purpose, option, known)
    meanings = _meanings(purpose, option, known)
    must_list, must_not_list = _tests(option, known, kinds)
    return List(
        purpose=purpose,
        zone=zone,
        name=rule_part(option.name or (known.name if known else zone.partition(".")[0].replace("-", "_"))),
        kinds=frozenset(kinds),
        answers=_answers(option, known, meanings),
        meanings=meanings,
        errors=tuple(ErrorRange(parse(e.answers), e.says) for e in known.error) if known else (),
        looks_at=_looks_at(purpose, option, kinds),
        must_list=must_list,
        must_not_list=must_not_list,
        url=known.delisting if known else "",
        operator=known.operator if known else "",
        min_trust=option.min_trust,
        key=_key(option, known, environment),
    )


def _known(purpose: str, zone: str, like: str) -> Definition | None:
    known = definition.find(like or zone, purpose)
    if known is not None:
        return known
    if like:
        raise ValueError(f"like: {like} is no {purpose} list that is known; docs/lists.md has them all")
    for other in definition.living():
        if other.zone == zone:
            raise ValueError(f"this list belongs into [[{other.purpose}]]")
    return None


def _kinds(purpose: str, option: ListOptions, known: Definition | None) -> tuple[str, ...]:
    return option.kinds or (known.kinds if known else _kinds_by_identity(purpose, option))


def _kinds_by_identity(purpose: str, option: ListOptions) -> tuple[str, ...]:
    kinds = KINDS[purpose]
    if "sender" in option.looks_at and "name" not in kinds:
        kinds = ("name",) if "client" not in option.looks_at else (*kinds, "name")
    return kinds


def _looks_at(purpose: str, option: ListOptions, kinds: Iterable[str]) -> frozenset[str]:
    possible = IDENTITIES[purpose]
    one_of("looks_at", option.looks_at, possible)
    looks_at = frozenset(option.looks_at or (possible if purpose == "rhsbl" else possible[:1]))
    if "client" in looks_at and set(kinds) <= {"name"}:
        raise ValueError("this list knows names only and cannot be asked about the client's address")
    if looks_at - {"client"} and "name" not in kinds:
        raise ValueError("this list knows addresses only and cannot be asked about names")
    return looks_at


def _meanings(purpose: str, option: ListOptions, known: Definition | None) -> tuple[Meaning, ...]:
    own = [
        Meaning(_own_code(purpose, option.zone, answers, name), parse(answers))
        for answers, name in option.codes.items()
    ]
    if known is not None:
        own += [Meaning(c, parse(c.answers) if c.answers else None) for c in known.code]
    if option.answers or not own:
        own.append(_nameless(option))
    return tuple(own)


def _nameless(option: ListOptions) -> Meaning:
    """For answers that count and have no name: an allow list's are worth the least trust that excuses."""
    says = f"Listed by {normal_domain(option.zone)}, in a way it gives no name for."
    return Meaning(Code(name="listed", says=says, trust=1), parse(option.answers or UNKNOWN_LIST_ANSWERS))


def _own_code(purpose: str, zone: str, answers: str, name: str) -> Code:
    says = f"Listed by {normal_domain(zone)} as {name}."
    if purpose != "dnswl":
        return Code(name=rule_part(name), says=says, answers=answers)
    category, _, trust = name.partition(".")
    if trust not in TRUST:
        raise ValueError(f'codes: "{name}" must end in its trust: .none, .low, .medium or .high')
    return Code(name=rule_part(category), says=says, answers=answers, trust=TRUST.index(trust))


def _answers(
    option: ListOptions, known: Definition | None, meanings: Sequence[Meaning]
) -> tuple[Pattern, ...]:
    if option.answers:
        return (parse(option.answers),)
    own = tuple(parse(answers) for answers in option.codes)
    if known is not None and known.answers:
        return (parse(known.answers), *own)
    return tuple(m.pattern for m in meanings if m.pattern is not None)


def _tests(
    option: ListOptions, known: Definition | None, kinds: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if known is not None:
        return (known.must_list() if option.test else ()), known.must_not_list()
    return (rfc5782(LISTED, kinds), rfc5782(UNLISTED, kinds)) if option.test else ((), ())


def _key(option: ListOptions, known: Definition | None, environment: Mapping[str, str]) -> Secret:
    if option.key_env:
        text = environment.get(option.key_env, "").strip()
        where = f"key_env: the environment variable {option.key_env}"
        if not text:
            raise ValueError(f"{where} is not set")
    elif option.key_file:
        text, where = _read_key(option.key_file), f"key_file: {option.key_file}"
    elif known is not None and known.key and not option.like:
        raise ValueError("this list needs a key: give key_file or key_env")
    else:
        return Secret("")
    if not _KEY.fullmatch(text):
        raise ValueError(f"{where} must hold one key of at most 63 letters, digits, hyphens and underscores")
    return Secret(text)


def _read_key(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            return file.read(_MAX_KEY_FILE).strip()
    except OSError as error:
        raise ValueError(f"key_file: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"key_file: {path} is no ASCII text") from None
