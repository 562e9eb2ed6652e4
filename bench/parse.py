"""What the wire costs: microseconds for reading a request and for writing a reply. python -m bench.parse"""

import timeit
from pathlib import Path

from gatepost.model import Action, Verdict
from gatepost.wire.policy import Parser, encode

CASES = Path(__file__).parent.parent / "tests" / "cases" / "policy"
ROUNDS, CALLS = 7, 20_000

PASS = Verdict(action=Action.PASS)
MARKED = Verdict(action=Action.PASS, header="X-Greylist: delayed 300 seconds; Mon, 1 Jan 2024 00:00:00 +0000")
GREYLISTED = Verdict(
    action=Action.DEFER,
    code=450,
    enhanced="4.7.1",
    text="Greylisted, please try again in 60 seconds",
    reference="K7QX2M9A",
    if_permit=True,
)


def best(function):
    return min(timeit.repeat(function, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def main():
    parser = Parser()
    sent = (CASES / "postfix-3.7.11.txt").read_bytes()
    turned = b"\n".join(reversed(sent.split(b"\n")[:-2])) + b"\n\n"

    def parse(octets):
        parser.feed(octets)
        return parser.next()

    print(f"parse, as Postfix sends it      {best(lambda: parse(sent)):6.2f} us")
    print(f"parse, any order                {best(lambda: parse(turned)):6.2f} us")
    print(f"encode, pass                    {best(lambda: encode(PASS)):6.2f} us")
    print(f"encode, pass with a header      {best(lambda: encode(MARKED)):6.2f} us")
    print(f"encode, greylisted              {best(lambda: encode(GREYLISTED)):6.2f} us")


if __name__ == "__main__":
    main()
