"""Whatever a stranger says, no check raises, repeats octets that hurt, or blames him for our trouble."""

import asyncio
from ipaddress import IPv4Address, IPv6Address

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gatepost.access.base import NoAccess
from gatepost.checks.helo import Helo
from gatepost.checks.ptr import Ptr, generic_signs
from gatepost.checks.sender_domain import SenderDomain
from gatepost.clock import FakeClock
from gatepost.context import Context
from gatepost.dns.base import Answer, Kind, Status
from gatepost.dnslist.base import Trusting
from gatepost.model import Request, Stage
from gatepost.ours import Ours
from gatepost.store.memory import MemoryStore
from support.cases import Well

BOUNDED = settings(max_examples=100, deadline=None)
CHECKS = [kind(kind.Options()) for kind in (Ptr, Helo, SenderDomain)]

PIECES = (
    "192.0.2.25",
    "25",
    "2001:db8::25",
    "IPv6:",
    "[",
    "]",
    ".",
    "-",
    "@",
    "\\xE9",
    "\n",
    "ü",
    "\u202e",
    "dyn",
)
words = st.text(max_size=30) | st.lists(
    st.sampled_from((*PIECES, "mail", "localhost", "org")), max_size=8
).map("".join)
requests = st.builds(
    Request,
    stage=st.sampled_from(Stage),
    client_address=st.sampled_from(["192.0.2.25", "2001:db8::25", "unknown", ""]) | words,
    client_name=st.just("unknown") | words,
    reverse_client_name=st.just("unknown") | words,
    helo_name=words,
    sender=words | st.builds("{}@{}".format, words, words),
)
records = {
    Kind.PTR: words,
    Kind.MX: st.builds("{} {}".format, st.integers(0, 65535), words.map(lambda w: "".join(w.split()) or ".")),
    Kind.A: st.ip_addresses(v=4).map(str),
    Kind.AAAA: st.ip_addresses(v=6).map(str),
}


class Anything:
    """A resolver that answers as it likes; counts its questions."""

    def __init__(self, draw):
        self.draw = draw
        self.asked = 0

    async def ask(self, name, kind):
        self.asked += 1
        found = self.draw(st.lists(records[kind], max_size=12))
        status = self.draw(st.sampled_from(Status)) if found else Status.ABSENT
        return Answer(status, tuple(found) if status is Status.FOUND else ())


class Silent:
    """A resolver that knows nothing."""

    async def ask(self, name, kind):
        return Answer(Status.UNKNOWN, why="timeout")


def world(dns):
    ours = Ours(names=["mx.example.org"], domains=["example.org"], addresses=[IPv4Address("203.0.113.1")])
    return Context(dns, MemoryStore(), FakeClock(), ours, NoAccess(), Trusting(), Well())


def looked_up(request, dns):
    found = []
    for check in CHECKS:
        asyncio.run(check.look_up(request, world(dns), found.append))
    return found


@BOUNDED
@given(requests, st.data())
def test_no_request_and_no_answer_makes_a_check_raise_or_ask_without_end(request, data):
    dns = Anything(data.draw)
    found = looked_up(request, dns)
    for check in CHECKS:
        check.look(request, world(dns), found.append)
    declared = {rule.name for check in CHECKS for rule in check.rules()}
    assert {f.rule for f in found} <= declared
    assert dns.asked <= 35


@BOUNDED
@given(requests, st.data())
def test_what_is_told_to_the_sender_is_one_line_of_plain_text(request, data):
    found = looked_up(request, Anything(data.draw))
    for check in CHECKS:
        check.look(request, world(Silent()), found.append)
    assert [] == [
        f.text for f in found if not (f.text.isascii() and f.text.isprintable() and len(f.text) < 600)
    ]


@BOUNDED
@given(requests)
def test_a_resolver_that_knows_nothing_costs_nobody_anything(request):
    assert {"sender_domain.ours"} >= {f.rule for f in looked_up(request, Silent())}


@BOUNDED
@given(requests)
def test_of_syntax_one_thing_is_reported(request):
    found = []
    CHECKS[1].look(request, world(Silent()), found.append)
    assert len([f for f in found if f.rule != "helo.ours"]) <= 1


v4 = st.ip_addresses(v=4)
FORMS = (
    lambda a: "host-" + str(a).replace(".", "-") + ".provider.net",
    lambda a: ".".join(reversed(str(a).split("."))) + ".provider.net",
    lambda a: f"p{a.packed.hex()}.provider.net",
    lambda a: "".join(f"{octet:03d}" for octet in a.packed) + ".provider.net",
    lambda a: "x".join(str(octet) for octet in a.packed) + ".provider.net",
)


@BOUNDED
@given(v4, st.sampled_from(FORMS))
def test_the_whole_address_in_a_name_is_generic_in_every_form(address, form):
    assert "the whole address" == generic_signs(form(address), address)


@BOUNDED
@given(v4, st.sampled_from(FORMS), st.sampled_from(["mail", "static", "mx1"]))
def test_a_word_for_servers_makes_up_for_it(address, form, word):
    assert "" == generic_signs(f"{word}.{form(address)}", address)


@BOUNDED
@given(st.ip_addresses(v=6), st.booleans())
def test_all_nibbles_of_an_ipv6_address_are_generic(address, backwards):
    assume(address.ipv4_mapped is None)  # such a client is an IPv4 one
    nibbles = address.exploded.replace(":", "")
    name = ".".join(reversed(nibbles)) if backwards else "-".join(address.exploded.split(":"))
    assert "the whole address" == generic_signs(f"{name}.provider.net", address)


@BOUNDED
@given(st.text(max_size=400), v4 | st.ip_addresses(v=6))
def test_no_name_makes_the_heuristic_raise(name, address):
    generic_signs(name, address)


def test_long_hostile_names_take_no_time():
    for name in ("1-" * 50_000, "a" * 100_000, "25." * 50_000, "dyn" * 50_000):
        assert "" == generic_signs(name, IPv4Address("192.0.2.25"))
        generic_signs(name, IPv6Address("2001:db8::25"))
