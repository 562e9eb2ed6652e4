"""Whatever a file holds, reading it ends in a table or in AccessMapError with lines; look-ups are as defined.

The reference look-ups here are written from access(5) in the plainest way: over lists, without indexes.
"""

import re
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.access.cidr_table import parse_cidr
from gatepost.access.entry import EntryMaker
from gatepost.access.index import Index
from gatepost.access.lookup import Style, keys, search
from gatepost.access.own import OwnEntries, entry_error, guess_looks_at
from gatepost.access.patterns import Patterns
from gatepost.access.postfix_map import parse_map
from gatepost.access.postgrey import parse_clients, parse_recipients
from gatepost.access.regexp_table import parse_regexp
from gatepost.access.trouble import AccessMapError, Reading
from gatepost.model import Request, Stage
from gatepost.store.base import ListEntry

bounded = settings(max_examples=150, deadline=None)

LOOKS_AT = ("client", "helo", "sender", "recipient")
PARSERS = {
    "map": lambda data, reading: parse_map(data, EntryMaker(reading, "client", "all")),
    "cidr": lambda data, reading: parse_cidr(data, EntryMaker(reading, "client", "all")),
    "regexp": lambda data, reading: parse_regexp(data, EntryMaker(reading, "helo", "helo"), kind="regexp"),
    "pcre": lambda data, reading: parse_regexp(data, EntryMaker(reading, "helo", "helo"), kind="pcre"),
    "clients": parse_clients,
    "recipients": parse_recipients,
}

word = st.sampled_from(
    [
        *(
            "OK",
            "REJECT",
            "DUNNO",
            "550",
            "5.7.1",
            "if",
            "endif",
            "IF",
            "ENDIF",
            "!",
            "/",
            "/a/",
            "/(a/",
            "$1",
            "$$",
            "${2}",
        ),
        *(
            "192.0.2.0/24",
            "192.0.2.1",
            "[::1]",
            "::/0",
            "1.2",
            "example.org",
            "user@",
            "@example.org",
            "#",
            '"',
            "\\",
        ),
        *(
            " ",
            "  ",
            "\t",
            "\n",
            "\n\n",
            "\r\n",
            "\n ",
            "\x00",
            "\xa0",
            "é",
            ":",
            "hash:x",
            "FILTER",
            "/i",
            "-",
        ),
    ]
)
sources = st.one_of(
    st.binary(max_size=200),
    st.lists(word, max_size=40).map(lambda words: "".join(words).encode()),
    st.lists(st.tuples(word, word, word), max_size=20).map(
        lambda rows: "\n".join(" ".join(row) for row in rows).encode()
    ),
)


@pytest.mark.parametrize("kind", PARSERS)
@bounded
@given(data=sources)
def test_a_parser_raises_nothing_but_an_error_with_lines(kind, data):
    reading = Reading("file")
    lines = data.count(b"\n") + 1
    size, troubles = 0, ()
    try:
        size = len(PARSERS[kind](data, reading))
    except AccessMapError as error:
        troubles = error.troubles
    assert size <= lines
    assert list(troubles) == reading.errors
    assert all(1 <= t.line <= lines for t in reading.errors + reading.warnings)


strange = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(["a", "b", ".", "@", "+", "[", "]", ":", "1", "::", "x" * 70, " ", '"', "ß", "\\xff"])
    ).map("".join),
)
requests = st.builds(
    Request,
    stage=st.sampled_from(Stage),
    client_name=strange,
    client_address=st.one_of(strange, st.ip_addresses().map(str)),
    helo_name=strange,
    sender=strange,
    recipient=strange,
)


@bounded
@given(request=requests, looks_at=st.sampled_from(LOOKS_AT), parents=st.booleans())
def test_keys_of_any_request_are_bounded_and_never_empty(request, looks_at, parents):
    found = keys(looks_at, request, Style(parent_matches=parents))
    assert all(found.parts)
    assert len(found.parts) <= 5 + sum(
        map(len, (request.client_name, request.client_address, request.helo_name))
    ) + len(request.sender + request.recipient)


# --- the plain reading of access(5) -----------------------------------------------------------------------

label = st.sampled_from(["a", "b", "example", "org"])
domain = st.lists(label, min_size=1, max_size=4).map(".".join)
local = st.sampled_from(["user", "user+x", "other", "+x"])
mail = st.tuples(local, domain).map("@".join)
v4 = st.sampled_from(["192.0.2.1", "192.0.2.10", "192.1.2.1", "10.0.0.1"])
v6 = st.sampled_from(["2001:db8::1", "2001:db8:1::1", "::1"])
address = st.one_of(v4, v6)
prefix = st.tuples(address, st.integers(1, 4)).map(
    lambda t: (":" if ":" in t[0] else ".").join(t[0].split(":" if ":" in t[0] else ".")[: t[1]]).rstrip(":")
)
key = st.one_of(domain, domain.map(lambda d: f".{d}"), mail, local.map(lambda u: f"{u}@"), prefix).filter(
    bool
)


def above(name, parents):
    """The name, and what of it is looked up above."""
    names, labels = [name], name.split(".")
    if re.fullmatch(r"[\d.]+", name):
        return names
    for n in range(1, len(labels)):
        rest = ".".join(labels[n:])
        names.append(rest if parents else f".{rest}")
    return names


def plain_keys(looks_at, request, parents):
    if looks_at == "client":
        parts = request.client_address
        separator = ":" if ":" in parts else "."
        octets = parts.split(separator)
        cut = [separator.join(octets[:n]) for n in range(len(octets), 0, -1)]
        return [*above(request.client_name, parents), *cut]
    if looks_at == "helo":
        return above(request.helo_name, parents)
    user, name = (request.sender if looks_at == "sender" else request.recipient).split("@")
    bare = user.split("+")[0]
    with_extension = bool(bare) and bare != user
    found = [f"{user}@{name}"]
    found += [f"{bare}@{name}"] if with_extension else []
    found += above(name, parents)
    return found + [f"{user}@"] + ([f"{bare}@"] if with_extension else [])


@bounded
@given(
    entries=st.lists(st.tuples(key, st.sampled_from(["OK", "REJECT one", "DUNNO"])), max_size=12),
    looks_at=st.sampled_from(LOOKS_AT),
    parents=st.booleans(),
    request=st.builds(
        Request, client_name=domain, client_address=address, helo_name=domain, sender=mail, recipient=mail
    ),
)
def test_a_look_up_finds_what_the_plain_reading_finds(entries, looks_at, parents, request):
    source = "".join(f"{k} {v}\n" for k, v in entries).encode()
    table = parse_map(source, EntryMaker(Reading("f"), looks_at, "all"))
    wanted = None
    for k in plain_keys(looks_at, request, parents):
        lines = [n for n, (entry, _) in enumerate(entries, 1) if entry == k]
        if lines:
            wanted = lines[0]
            break
    found = search(table, keys(looks_at, request, Style(parent_matches=parents)))
    assert wanted == (None if found is None else found.line)


networks = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(lambda t: ip_network(t, strict=False))


@bounded
@given(st.lists(networks, max_size=15), st.ip_addresses(v=4), st.booleans())
def test_a_cidr_table_finds_the_first_network_that_holds_the_address(nets, other, inside):
    if inside and nets:
        other = nets[-1].network_address
    source = "".join(f"{net} OK\n" for net in nets).encode()
    found = parse_cidr(source, EntryMaker(Reading("f"), "client", "all")).find(str(other))
    wanted = next((n for n, net in enumerate(nets, 1) if ip_address(other) in net), None)
    assert wanted == (None if found is None else found.line)


# --- own entries --------------------------------------------------------------------------------------------


@bounded
@given(
    what=strange, list_name=st.sampled_from(["allow", "deny", "expect"]), looks_at=st.sampled_from(LOOKS_AT)
)
def test_what_has_no_error_can_be_taken_and_everything_else_is_told(what, list_name, looks_at):
    entry = ListEntry(list=list_name, what=what, looks_at=looks_at)
    own = OwnEntries([entry])
    assert (len(own), len(own.errors)) == ((0, 1) if entry_error(entry) else (1, 0))
    assert guess_looks_at(what, list_name) in LOOKS_AT


@bounded
@given(name=domain, entry=domain, dot=st.booleans())
def test_a_name_stands_for_itself_and_all_below(name, entry, dot):
    index: Index[str] = Index()
    index.add_name(f".{entry}" if dot else entry, "found")
    wanted = ["found"] if name == entry or name.endswith(f".{entry}") else []
    assert wanted == list(index.client(name, "192.0.2.1"))


@bounded
@given(request=requests, entries=st.lists(st.tuples(strange, st.sampled_from(LOOKS_AT)), max_size=5))
def test_no_request_makes_own_entries_fail(request, entries):
    own = OwnEntries([ListEntry(list="deny", what=w, looks_at=k) for w, k in entries])
    assert len(list(own.matches(request, 0, sender_known=True))) <= len(own)


@bounded
@given(
    patterns=st.lists(
        st.sampled_from(["^a", "b$", "a|b", "(a)(b)?", r"\.org", "[ab]+c", "A", r"\Qa.b", "x*y"]), max_size=6
    ),
    text=st.text(alphabet="abc.orgxyA", max_size=12),
)
def test_patterns_asked_at_once_find_what_each_finds_alone(patterns, text):
    together: Patterns[int] = Patterns()
    for n, pattern in enumerate(patterns):
        together.add(pattern, n)
    together.close()
    alone = [
        n
        for n, pattern in enumerate(patterns)
        if re.search(pattern.replace(r"\Qa.b", r"a\.b"), text, re.IGNORECASE)
    ]
    assert alone == list(together.all(text))
