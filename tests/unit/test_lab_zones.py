"""The lab's DNS: lists answer as the real ones do (RFC 5782), and our own name server says what NSD would."""

import struct

from gatepost.lab import cast
from gatepost.lab.cast import Record
from gatepost.lab.nameserver import KINDS, Zone, encode_name, reply
from gatepost.lab.zones import entry, records, zone_text

ALL = records(cast.everybody())
ZONE = Zone(ALL)
V6_LISTED = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"


def ask(name, kind):
    found = ZONE.find(name, KINDS[kind])
    return None if found is None else [record.data for record in found]


def question(name, kind, number=7):
    return (
        struct.pack("!6H", number, 0x0100, 1, 0, 0, 0)
        + encode_name(name)
        + struct.pack("!HH", KINDS[kind], 1)
    )


def test_address_lists_hold_the_test_entries_and_not_their_opposites():
    for zone in (cast.ZEN, cast.DNSWL):
        assert ask(f"2.0.0.127.{zone}", "A")
        assert ask(f"{V6_LISTED}.{zone}", "A")
        assert ask(f"1.0.0.127.{zone}", "A") is None
        assert ask(f"1{V6_LISTED[1:]}.{zone}", "A") is None


def test_the_domain_list_holds_test_and_not_invalid():
    assert ask(f"TEST.{cast.DBL}", "A") == ["127.0.1.2"]
    assert ask(f"invalid.{cast.DBL}", "A") is None


def test_the_two_lists_that_went_wrong_answer_everything():
    assert ask(f"1.0.0.127.{cast.OPEN_RESOLVER_LIST}", "A") == ["127.255.255.254"]
    assert ask(f"1.0.0.127.{cast.WORLD_LIST}", "A") == ["127.0.0.2"]


def test_an_entry_has_code_and_text():
    assert list(entry(cast.ZEN, "198.51.100.7", "127.0.0.4")) == [
        Record("7.100.51.198.zen.spamhaus.org", "A", "127.0.0.4"),
        Record("7.100.51.198.zen.spamhaus.org", "TXT", '"https://check.spamhaus.org/query/ip/198.51.100.7"'),
    ]


def test_every_actor_has_an_address_and_a_network_of_its_own():
    actors = cast.everybody()
    networks = {a.address.rpartition(".")[0] or a.address for a in actors}
    assert len(actors) == len({a.key for a in actors}) == len({a.address for a in actors}) == len(networks)


def test_reverse_names_lead_back_but_for_the_actor_that_is_about_it():
    wrong = []
    for actor in cast.everybody():
        kind = "AAAA" if ":" in actor.address else "A"
        if actor.ptr and actor.address not in (ask(actor.ptr, kind) or []):
            wrong.append(actor.key)
    assert wrong == ["ptr-mismatch"]


def test_a_name_above_others_exists_without_records():
    assert ask("198.in-addr.arpa", "PTR") == []
    assert ask("no-such-host.example", "A") is None


def test_a_zone_file_line_names_the_root_as_a_dot():
    assert zone_text([Record("", "NS", "ns.a.example.")]) == ". 300 IN NS ns.a.example.\n"


def test_a_reply_carries_the_question_and_its_records():
    asked = question("mail.honest.example", "A")
    answered = reply(ZONE, asked)
    assert struct.unpack_from("!6H", answered) == (7, 0x8580, 1, 1, 0, 0)
    assert answered.startswith(asked[12:], 12)
    assert answered.endswith(bytes([198, 18, 1, 25]))


def test_absence_is_told_with_the_soa():
    answered = reply(ZONE, question("no-such-host.example", "A"))
    assert struct.unpack_from("!6H", answered) == (7, 0x8583, 1, 0, 1, 0)


def test_every_kind_of_record_can_be_answered():
    for record in ALL:
        if not record.name.startswith("*"):
            assert reply(ZONE, question(record.name, record.kind)) is not None


def test_what_is_no_question_gets_no_answer():
    whole = question("mail.honest.example", "A")
    assert [reply(ZONE, whole[:cut]) for cut in range(len(whole) - 2)] == [None] * (len(whole) - 2)
