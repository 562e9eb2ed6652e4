"""Generated SMTP dialogues, to compare a mail server with itself; pure.

The same seed gives the same list. Who calls, what it says and whom it writes
to are drawn independently of each other, mostly right and sometimes not, so
that mistakes meet in every combination.
"""

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from gatepost.lab import cast
from gatepost.lab.cast import Actor

COUNT = 200
SEED = 20
ELSEWHERE = "friend@elsewhere.example"
NOBODY = f"nobody@{cast.OUR_DOMAIN}"

Draw = Mapping[str, int]
"""Choices, and how often each comes in relation to the others."""

CLIENTS: Draw = {"stranger": 55, "listed": 12, "override": 5, "nameless": 8, "own": 6, "user": 10, "guest": 4}
HELOS: Draw = {
    "good": 50,
    "literal": 6,
    "short": 6,
    "ours": 4,
    "unresolvable": 6,
    "excepted": 8,
    "malformed": 4,
    "bare": 3,
    "wrong literal": 3,
    "on a list": 3,
    "none": 4,
}
SENDERS: Draw = {
    "good": 60,
    "null": 8,
    "unknown domain": 8,
    "short": 5,
    "null MX": 4,
    "bad MX": 4,
    "on a list": 5,
    "ours": 5,
}
RECIPIENTS: Draw = {
    "one": 50,
    "several": 15,
    "unknown": 8,
    "relay": 8,
    "one and unknown": 6,
    "one and relay": 6,
    "excused": 7,
}

STRANGERS = ("honest", "literal", "trio", "second-mx", "shop", "dave", "ptr-mismatch", "helo-reserved")
LISTED = ("zen-sbl", "zen-xbl", "zen-pbl", "zen6")
NEW = ("stranger", "bot", "honest6", "carol", "relayer", "null-mx")
"""Clients who never come twice as the same sender, and so are always told to wait where strangers are."""


class Case(msgspec.Struct, frozen=True):
    """One dialogue."""

    actor: Actor
    """Its story names what was drawn."""
    new: bool
    """Its sender is another one at each turn."""

    def at(self, turn: str) -> Actor:
        """Who speaks at a turn; `turn` is made of letters."""
        if not self.new or "@" not in self.actor.sender:
            return self.actor
        return msgspec.structs.replace(self.actor, sender=f"{turn}.{self.actor.sender}")


def generate(seed: int = SEED, count: int = COUNT) -> tuple[Case, ...]:
    """So many dialogues, each with a key of its own."""
    actors = {actor.key: actor for actor in cast.everybody()}
    return tuple(_case(random.Random(f"{seed}/{number}"), number, actors) for number in range(count))


def _case(chance: random.Random, number: int, actors: Mapping[str, Actor]) -> Case:
    kind = _drawn(chance, CLIENTS)
    new = kind == "stranger" and chance.random() < 0.2
    client = actors[chance.choice(NEW) if new else _client(chance, kind)]
    helo, sender, to = _drawn(chance, HELOS), _drawn(chance, SENDERS), _drawn(chance, RECIPIENTS)
    name = f"q{letters(number)}"
    said = msgspec.structs.replace(
        client,
        key=f"d{number:03}",
        story=f"{kind}{', new' if new else ''}; HELO {helo}; sender {sender}; recipients: {to}",
        helo=_helo(helo, client),
        sender=cast.ANNA if kind in ("own", "user") and sender == "good" else _sender(sender, client, name),
        recipients=_recipients(to),
        port=587 if kind in ("user", "guest") else 25,
        login=kind in ("user", "guest"),
        password="guessed" if kind == "guest" else cast.PASSWORD,
    )
    return Case(said, new)


def _drawn(chance: random.Random, choices: Draw) -> str:
    return chance.choices(list(choices), weights=list(choices.values()))[0]


def letters(number: int) -> str:
    """A number in letters: postgrey takes senders that differ in digits alone for one."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def _client(chance: random.Random, kind: str) -> str:
    keys: Mapping[str, Sequence[str]] = {
        "stranger": STRANGERS,
        "listed": LISTED,
        "override": ("zen-excused",),
        "nameless": ("no-ptr", "sum"),
        "own": ("printer",),
        "user": ("user",),
        "guest": ("user",),
    }
    return chance.choice(keys[kind])


def _helo(what: str, client: Actor) -> str | None:
    address = f"IPv6:{client.address}" if ":" in client.address else client.address
    told: Mapping[str, str | None] = {
        "good": f"mail.{client.key}.example",
        "literal": f"[{address}]",
        "short": "localpc",
        "ours": cast.OUR_NAME,
        "unresolvable": "smtp.no-such-host.example",
        "excepted": "oldbox",
        "malformed": "-mail!.bad_name",
        "bare": client.address,
        "wrong literal": "[203.0.113.99]",
        "on a list": "mail.phisher.example",
        "none": None,
    }
    return told[what]


def _sender(what: str, client: Actor, name: str) -> str:
    told: Mapping[str, Callable[[], str]] = {
        "good": lambda: f"{name}@{client.key if client.dns else 'honest'}.example",
        "null": lambda: "",
        "unknown domain": lambda: f"{name}@no-such-domain.example",
        "short": lambda: f"{name}@localhost",
        "null MX": lambda: f"{name}@null-mx.example",
        "bad MX": lambda: f"{name}@mx-loopback.example",
        "on a list": lambda: f"{name}@dbl-sender.example",
        "ours": lambda: cast.BEN,
    }
    return told[what]()


def _recipients(what: str) -> tuple[str, ...]:
    told: Mapping[str, tuple[str, ...]] = {
        "one": (cast.ANNA,),
        "several": (cast.ANNA, cast.BEN, cast.DORA),
        "unknown": (NOBODY,),
        "relay": (ELSEWHERE,),
        "one and unknown": (cast.BEN, NOBODY),
        "one and relay": (cast.BEN, ELSEWHERE),
        "excused": (cast.CLARA,),
    }
    return told[what]
