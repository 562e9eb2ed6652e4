"""Feed the policy parser mutated requests for a time: python -m fuzz.policy [SECONDS] [SEED].

Fails when anything but a Request, None or ProtocolError comes out, when the cut of the octets
changes what comes out, or when the parser keeps more than its limits. Prints the seed that does it again.
"""

import random
import sys
import time
from pathlib import Path

from gatepost.wire.policy import Parser, ProtocolError

CASES = Path(__file__).parent.parent / "tests" / "cases" / "policy"
SEEDS = [path.read_bytes() for path in sorted(CASES.glob("*.txt"))]
WORDS = [b"\n", b"\n\n", b"=", b"\r", b"\0", b"\xff", b"request=", b"smtpd_access_policy", b"x" * 9000]


def mutated(rng):
    octets = bytearray(b"".join(rng.choices(SEEDS, k=rng.randint(1, 3))))
    for _ in range(rng.randint(0, 8)):
        at = rng.randrange(len(octets) + 1)
        match rng.randrange(4):
            case 0:
                octets[at:at] = rng.choice(WORDS)
            case 1:
                del octets[at : at + rng.randint(1, 40)]
            case 2:
                octets[at:at] = rng.randbytes(rng.randint(1, 4))
            case _:
                octets[at:at] = octets[rng.randrange(len(octets) + 1) :][:200]
    return bytes(octets)


def outcome(octets, step):
    parser, found = Parser(), []
    try:
        for at in range(0, len(octets), step):
            parser.feed(octets[at : at + step])
            found.extend(iter(parser.next, None))
            assert parser.pending <= parser.max_request
    except ProtocolError:
        return found, True
    return found, False


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    print(f"seed {seed}")
    rng, tried, end = random.Random(seed), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        octets = mutated(rng)
        whole = outcome(octets, len(octets) or 1)
        assert whole == outcome(octets, rng.randint(1, 700)), octets
        tried += 1
    print(f"{tried} streams, nothing found")


if __name__ == "__main__":
    main()
