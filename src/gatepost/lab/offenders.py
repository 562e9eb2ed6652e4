"""Who takes part in the act about bans, and what each of them does at the door, again and again.

Whether somebody is banned stands nowhere here: the report is made of what happened.
"""

import base64
import contextlib
import time
from collections.abc import Callable, Iterator

import msgspec

from gatepost.lab import cast, zones
from gatepost.lab.cast import Record
from gatepost.lab.client import Dialogue

PATIENCE = 3.0
"""Seconds that somebody waits who may have been shut out."""
MX, SUBMISSION = 25, 587
TRIES = 30
PAUSE = 0.2
"""Seconds between two tries of one who does not give up."""


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
HOPS = tuple(f"2001:db8:666:{number:x}01::1" for number in range(1, 10))
"""A network each, of a /48, far from each other; the last is never used for guessing."""
HOPPER = Host("hopper", "guesses passwords from many networks of a /48", HOPS[0], named=False)
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


def act(address: str, port: int, *lines: str, rude: bool = False) -> Attempt:
    """Connect, and say these lines up to the first that is refused; the last reply.

    Who is `rude` hangs up without QUIT.
    """
    server = cast.OUR_ADDRESS_V6 if ":" in address else cast.OUR_ADDRESS
    try:
        dialogue = Dialogue(address, server, port, PATIENCE)
    except OSError as error:
        return Attempt(address, 0, str(error))
    with contextlib.closing(dialogue):
        for line in lines:
            if not 0 < dialogue.replies[-1].code < 400:
                break
            dialogue.say(line)
        last = dialogue.replies[-1]
        if last.code and not rude:
            dialogue.say("QUIT")
    return Attempt(address, last.code, last.text)


def login(password: str) -> str:
    """AUTH as our user."""
    return f"AUTH PLAIN {base64.b64encode(f'{chr(0)}{cast.USER}{chr(0)}{password}'.encode()).decode()}"


def guess(address: str) -> Attempt:
    """Try a password, and hang up."""
    return act(address, SUBMISSION, "EHLO guesser.example", login("guess"), rude=True)


def mistype(address: str) -> Attempt:
    """Try a password as somebody does who knows a better one."""
    return act(address, SUBMISSION, "EHLO home.example", login("correct hrose"))


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
    begun = ("EHLO honest.example", *first, "MAIL FROM:<a@honest.example>", f"RCPT TO:<{cast.ANNA}>", "DATA")
    return act(address, port, *begun, "Subject: x\r\n\r\nx\r\n.")


def log_in_and_mail(address: str) -> Attempt:
    """What a user does who knows the password."""
    return mail(address, login(cast.PASSWORD), port=SUBMISSION)


def until_shut_out(do: Callable[[str], Attempt], address: str) -> Iterator[Attempt]:
    """The same again and again, until nobody answers any more."""
    for _ in range(TRIES):
        attempt = do(address)
        yield attempt
        if attempt.code == 0:
            return
        time.sleep(PAUSE)
