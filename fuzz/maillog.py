"""Feed the readers of mail logs mutated lines for a time: python -m fuzz.maillog [SECONDS] [SEED].

Every line is one that a mail server could have written about CLIENT, with text of a stranger in it that
names VICTIM in every way that looks like a client. Fails when anything is raised, when VICTIM is blamed
by a rule or by a filter of a jail, or when one line takes long. Prints the seed that does it again.
"""

import random
import sys
import time

from gatepost.ban.fail2ban.load import load
from gatepost.ban.loaded import LoadedFilter
from gatepost.ban.reading import RuleReader
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.wire.mail_event import Kind
from gatepost.wire.maillog import Parser, Wanted, client_of

SLOW = 1.0
CLIENT, VICTIM = "192.0.2.7", "198.51.100.9"
NOW = 1_795_900_000.0
CLIENTS = (b"unknown[192.0.2.7]", b"mail.example.org[192.0.2.7]", b"x[192.0.2.7]:4021")
_REST = b" to=<%t> proto=ESMTP helo=<%t>"
_USER = b"user=<%t>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, session=<abc>"
FORMS = [
    b"postfix/smtpd[1]: warning: %c: SASL LOGIN authentication failed: %t",
    b"postfix/smtpd[1]: warning: %c: SASL PLAIN authentication failed: no, sasl_username=%t",
    b"postfix/smtpd[1]: NOQUEUE: reject: RCPT from %c: 554 5.7.1 <%t>: Relay access denied; from=<%t>"
    + _REST,
    b"postfix/smtpd[1]: 4jX1AzB: reject: RCPT from %c: 550 5.1.1 <%t>: User unknown; from=<%t>" + _REST,
    b"postfix/smtpd[1]: lost connection after AUTH from %c",
    b"postfix/smtpd[1]: improper command pipelining after EHLO from %c: %t",
    b"postfix/smtpd[1]: warning: non-SMTP command from %c: %t",
    b"postfix/smtpd[1]: 4jX1AzB: client=%c, sasl_method=PLAIN, sasl_username=%t",
    b"postfix/postscreen[1]: PREGREET 9 after 0.1 from [192.0.2.7]:4021: %t",
    b"postfix/cleanup[1]: 4jX1AzB: reject: header Subject: %t from %c; from=<%t>" + _REST + b": no",
    b"postfix/qmgr[1]: 4jX1AzB: from=<%t>, size=1, nrcpt=1 (queue active)",
    b"dovecot: imap-login: Aborted login (auth failed, 1 attempts in 2 secs): " + _USER,
    b"dovecot: imap-login: Aborted login (auth failed, 1 attempts in 2 secs): user=<%t>, method=PLAIN",
    b"dovecot: auth-worker(7): sql(%t,192.0.2.7,<abc>): Password mismatch",
]
WORDS = [
    *(
        b"]: ",
        b"[198.51.100.9]",
        b"x[198.51.100.9]",
        b"[198.51.100.9]:25: ",
        b": ",
        b" ",
        b"<",
        b">",
        b'"',
        b"\\",
    ),
    *(b"from x[198.51.100.9]", b", rip=198.51.100.9, lip=1.1.1.1, ", b"(auth failed, 9 attempts", b"user=<"),
    *(b"lost connection after AUTH from x[198.51.100.9]", b"SASL LOGIN authentication failed", b"; from=<"),
    *(b"warning: x[198.51.100.9]: SASL LOGIN authentication failed: x", b"NOQUEUE: reject: RCPT from "),
    *(b"Nov 22 06:25:01 mx postfix/smtpd[1]: too many errors after RCPT from x[198.51.100.9]", b"\xff\xfe"),
    *(
        b"\0",
        b"\x1b[0m",
        "\u202e\u00e9".encode(),
        b"198.51.100.9",
        b"rhost=198.51.100.9",
        b"x,198.51.100.9): ",
    ),
]
GUIDE = r"lost connection after AUTH from (.*)\[<HOST>\]"
ANYTHING = r"(?:authentication fail|rejected|connection|errors).*\[<HOST>\]"


def chosen(rng):
    text = b"".join(rng.choices(WORDS, k=rng.randint(0, 6)))
    if rng.random() < 0.1:
        text += rng.randbytes(rng.randint(1, 40))
    if rng.random() < 0.002:
        text *= 100_000 // (len(text) + 1)
    return text.replace(b"\n", b"?")


def made(rng):
    """A line about CLIENT."""
    line = rng.choice(FORMS).replace(b"%c", rng.choice(CLIENTS))
    while b"%t" in line:
        before, _, after = line.partition(b"%t")
        line = before + chosen(rng).replace(b"%t", b"") + after
    stamp = rng.choice((b"Nov 22 06:25:01", b"2026-11-22T06:25:01.5+01:00", b"Nov  2 06:25:01"))
    return stamp + b" mx " + line


def broken(rng, line):
    """Any octets: nothing can be said of whom they blame, but nothing may be raised."""
    octets = bytearray(line)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(octets) + 1)
        octets[at : at + rng.randint(0, 12)] = rng.randbytes(rng.randint(0, 8))
    return bytes(octets).replace(b"\n", b"?")


class Readers:
    def __init__(self):
        self.rules = RuleReader(Rulebook(find()), NOW)
        self.filters = [LoadedFilter(load(pattern)) for pattern in (GUIDE, ANYTHING)]
        self.all = Wanted(list(Kind))

    def blamed(self, lines):
        for seen in self.rules.read(b"\n".join(lines)):
            yield lines[seen.number], seen.offence.address if seen.offence else seen.login
        for patterns in self.filters:
            for number, offence in patterns.offences(lines, NOW):
                yield lines[number], offence.address

    def survive(self, lines):
        list(Parser(NOW).scan(b"\n".join(lines), self.all))
        for line in lines:
            client_of(line)
        list(self.blamed(lines))


def main(seconds=60.0, seed=None):
    seed = random.randrange(1 << 32) if seed is None else seed
    rng, readers = random.Random(seed), Readers()
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        lines = [made(rng) for _ in range(200)]
        started = time.monotonic()
        for line, address in readers.blamed(lines):
            if address != CLIENT:
                sys.exit(f"seed {seed}: {address} was blamed for {line!r}")
        readers.survive([broken(rng, line) for line in lines])
        if time.monotonic() - started > SLOW * 10:
            sys.exit(f"seed {seed}: 200 lines took {time.monotonic() - started:.1f} s")
        count += len(lines)
    print(f"{count} lines, seed {seed}: nobody was blamed who is not the client")


if __name__ == "__main__":
    main(*(float(arg) if n == 0 else int(arg) for n, arg in enumerate(sys.argv[1:3])))
