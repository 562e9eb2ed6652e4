"""Feed the DNS codec mutated replies for a time: python -m fuzz.dns [SECONDS] [SEED].

Fails when anything but an Answer, an Onward or DnsError comes out, when a name that was read cannot
be written again, or when one message takes long. Prints the seed that does it again.
"""

import random
import struct
import sys
import time

from gatepost.dns.base import Answer, Kind, Status
from gatepost.dns.record import Onward, answer_of
from gatepost.wire import dns as wire
from gatepost.wire.dns_name import DnsError, encode_name

SLOW = 1.0
HEADER = struct.pack(">6H", 7, 0x8180, 1, 3, 1, 1)
QUESTION = b"\7example\3org\0\0\x0f\0\1"
RECORDS = [
    b"\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\1",
    b"\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\x09\0\x0a\4mail\xc0\x0c",
    b"\xc0\x0c\0\5\0\1\0\0\1\x2c\0\6\3www\xc0\x0c",
    b"\xc0\x0c\0\x10\0\1\0\0\1\x2c\0\x0c\x0bv=spf1 -all",
    b"\xc0\x0c\0\x1c\0\1\0\0\1\x2c\0\x10\x20\1\x0d\xb8" + b"\0" * 11 + b"\1",
    b"\xc0\x14\0\6\0\1\0\0\0\x3c\0\x1a\2ns\xc0\x14\xc0\x0c" + struct.pack(">5I", 1, 2, 3, 4, 60),
]
EDNS = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
WORDS = [b"\xc0\x0c", b"\xc0\x00", b"\xff\xff", b"\0\0", b"\x3f", b"\x40", b"\\.", b"\1\0", b"\xc0\x1d" * 40]


def mutated(rng):
    octets = bytearray(HEADER + QUESTION + b"".join(rng.choices(RECORDS, k=4)) + EDNS)
    for _ in range(rng.randint(0, 6)):
        at = rng.randrange(len(octets) + 1)
        match rng.randrange(5):
            case 0:
                octets[at:at] = rng.choice(WORDS)
            case 1:
                del octets[at : at + rng.randint(1, 20)]
            case 2:
                octets[at : at + 1] = rng.randbytes(1)
            case 3:
                octets[at:at] = octets[rng.randrange(len(octets) + 1) :][:60]
            case _:
                octets[4 + at % 8 : 5 + at % 8] = bytes([rng.randrange(6)])
    return bytes(octets)


def names(reply):
    for record in (*reply.answers, *reply.authority):
        yield record.owner
        if record.kind in (wire.CNAME, wire.PTR) and record.text:
            yield record.text


def check(octets):
    try:
        reply = wire.decode(octets)
    except DnsError:
        return False
    for kind in Kind:
        answer = answer_of(reply, kind)
        assert isinstance(answer, Answer | Onward)
        assert isinstance(answer, Onward) or bool(answer.records) == (answer.status is Status.FOUND)
    for name in names(reply):
        assert len(encode_name(name)) <= 255
        assert name.isascii()
        assert name.isprintable()
    return True


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {seed}")
    rng, tried, read, end = random.Random(seed), 0, 0, time.monotonic() + seconds
    while time.monotonic() < end:
        octets = mutated(rng)
        begin = time.process_time()
        try:
            read += check(octets)
        except BaseException:
            print(f"octets: {octets.hex()}")
            raise
        assert time.process_time() - begin < SLOW, octets.hex()
        tried += 1
    print(f"{tried} messages, {read} of them readable, nothing found")


if __name__ == "__main__":
    main()
