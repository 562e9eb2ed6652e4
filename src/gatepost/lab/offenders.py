"""Who takes part in the act about bans, and what each of them does at the door, again and again.

Whether somebody is banned stands nowhere here: the report is made of what happened.
"""

import base64
import contextlib
from collections.abc import Callable, Iterator

import msgspec

from gatepost.lab import cast, zones
from gatepost.lab.cast import Record
from gatepost.lab.client import Dialogue, Reply

PATIENCE = 2.5
"""Seconds that somebody waits who may have been shut out."""
MX, SUBMISSION = 25, 587
TRIES = 12


class Host(msgspec.Struct, frozen=True):
    """A client outside."""

    key: str
    story: str
    address: str
    named: bool = True
    """Whether the DNS knows it, forwards and back."""


GUESSER = Host("guesser", "guesses passwords", "198.18.66.1")
FLOOD = Host("flood", "opens connections and sends what is no SMTP", "198.18.67.1")
HARVESTER = Host("harvester", "tries which recipients there are", "198.18.68.1")
HOPPER = Host(
    "hopper", "guesses passwords from one network of a /48 after the other", "2001:db8:666:1::1", named=False
)
HOPS = tuple(f"2001:db8:666:{number:x}::1" for number in range(1, 10))
"""A network each; the last is kept for seeing whether what was never used is shut out as well."""
BROKEN = Host("broken", "an honest server whose reverse name is not found", "198.18.70.1", named=False)
ADMIN = Host("admin", "mistypes the password twice, then logs in", "198.18.71.1")
HONEST = Host("honest", "an honest server, all the time", "198.18.72.1")
SHORT = Host("short", "banned by hand for some seconds", "198.18.73.1")
EVERYBODY = (GUESSER, FLOOD, HARVESTER, HOPPER, BROKEN, ADMIN, HONEST, SHORT)
ADDRESSES = tuple(dict.fromkeys((*(host.address for host in EVERYBODY), *HOPS)))


class Attempt(msgspec.Struct, frozen=True):
    """One thing that was tried."""

    address: str
    code: int
    """Of the reply that mattered; 0: none came."""
    text: str


def records() -> list[Record]:
    """The DNS, with the hosts that it knows."""
    named = (
        record
        for host in EVERYBODY
        if host.named
        for record in zones.host(f"{host.key}.example", host.address)
    )
    return [*zones.records(()), *named]


# --- what they do; to be called by a thread in the namespace ---------------------------------------------


def act(address: str, port: int, *lines: str) -> Attempt:
    """Connect, say these lines whatever is answered; what was answered to the last that got a reply."""
    server = cast.OUR_ADDRESS_V6 if ":" in address else cast.OUR_ADDRESS
    try:
        dialogue = Dialogue(address, server, port, PATIENCE)
    except OSError as error:
        return Attempt(address, 0, str(error))
    with contextlib.closing(dialogue):
        for line in lines:
            if dialogue.replies[-1].code == 0:
                break
            dialogue.say(line)
        last: Reply = dialogue.replies[-1]
    return Attempt(address, last.code, last.text)


def login(password: str) -> str:
    """AUTH as our user."""
    return f"AUTH PLAIN {base64.b64encode(f'{chr(0)}{cast.USER}{chr(0)}{password}'.encode()).decode()}"


def guess(address: str) -> Attempt:
    """Try a password."""
    return act(address, SUBMISSION, "EHLO guesser.example", login("guess"))


def garbage(address: str) -> Attempt:
    """Say what is no SMTP."""
    return act(address, MX, "GET / HTTP/1.1")


def harvest(address: str) -> Attempt:
    """Ask for somebody who is not here."""
    return act(
        address,
        MX,
        "EHLO harvester.example",
        "MAIL FROM:<a@harvester.example>",
        f"RCPT TO:<x@{cast.OUR_DOMAIN}>",
    )


def mail(address: str, *first: str, port: int = MX) -> Attempt:
    """Send a mail to one of our users."""
    begun = ("EHLO mail.example", *first, "MAIL FROM:<a@honest.example>", f"RCPT TO:<{cast.ANNA}>", "DATA")
    return act(address, port, *begun, "Subject: x\r\n\r\nx\r\n.")


def until_shut_out(do: Callable[[str], Attempt], address: str) -> Iterator[Attempt]:
    """The same again and again, until nobody answers any more."""
    for _ in range(TRIES):
        attempt = do(address)
        yield attempt
        if attempt.code == 0:
            return
