"""Text from strangers never raises where addresses and networks are read, and normal forms are stable."""

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.address import MAX_KEY, domain_of, name_fault, normal_domain, normal_mail, normal_sender
from gatepost.network import (
    NetworkSet,
    group,
    is_public,
    parse_address,
    parse_network,
    pointer_name,
    reverse_labels,
)

BOUNDED = settings(max_examples=300, deadline=None)

TAGS = ("prvs=0123abcdef=", "btv1==0a==", "SRS0=ab=cd=", "SRS1=ab=", "srs#", "xn--", "f00d", "1234567")
SIGNS = (
    "+",
    "=",
    "-",
    "@",
    ".",
    "。",
    "\n",
    "[",
    "]",
    ":",
    " ",
    "\u200d",
    "\\xE9",
    "a",
    "ü",
    "ß",
    "İ",
    "x" * 70,
)
pieces = st.sampled_from(TAGS + SIGNS)
mails = st.text() | st.lists(pieces, max_size=12).map("".join)
addresses = st.ip_addresses()


@BOUNDED
@given(mails)
def test_a_normal_sender_is_bounded_and_stays_as_it_is(mail):
    key = normal_sender(mail)
    assert len(key) <= MAX_KEY
    assert key == normal_sender(key)


@BOUNDED
@given(mails)
def test_a_normal_domain_and_a_normal_mail_stay_as_they_are(mail):
    domain = normal_domain(mail)
    assert domain == normal_domain(domain)
    assert not domain.endswith(".")
    normal = normal_mail(mail)
    assert normal == normal_mail(normal)
    assert domain_of(mail) == domain_of(normal)


@BOUNDED
@given(mails)
def test_a_name_without_fault_can_be_asked_for(name):
    if name_fault(name) == "":
        assert len(normal_domain(name).encode("ascii")) <= 253
        assert all(0 < len(label) <= 63 for label in normal_domain(name).split("."))


@BOUNDED
@given(st.text() | st.lists(st.sampled_from("0123456789abcdef:.%/[]x"), max_size=20).map("".join))
def test_no_text_makes_the_parsers_of_addresses_raise(text):
    parse_address(text)
    parse_network(text)


@BOUNDED
@given(addresses)
def test_an_address_is_read_back_from_its_text_and_its_literal(address):
    mapped = getattr(address, "ipv4_mapped", None)
    assert (mapped or address) == parse_address(str(address))
    if address.version == 6:
        assert (mapped or address) == parse_address(f"IPv6:{address}")


@BOUNDED
@given(addresses, st.integers(-3, 140), st.integers(-3, 140))
def test_an_address_lies_in_its_group(address, v4, v6):
    assert address in ip_network(group(address, v4, v6))


@BOUNDED
@given(addresses)
def test_reverse_names_have_a_label_for_each_octet_or_nibble(address):
    labels = reverse_labels(address).split(".")
    assert (4 if address.version == 4 else 32) == len(labels)
    assert address.reverse_pointer == pointer_name(address)
    assert is_public(address) in (True, False)


@BOUNDED
@given(addresses, st.lists(st.tuples(addresses, st.integers(0, 128)), max_size=8))
def test_a_network_set_says_what_each_network_says(address, parts):
    networks = [ip_network((str(a), min(bits, a.max_prefixlen)), strict=False) for a, bits in parts]
    assert any(address in n for n in networks) == (address in NetworkSet(networks))
