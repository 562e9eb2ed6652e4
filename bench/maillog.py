"""A mail log as a busy MX writes it, made up: python -m bench.maillog LINES > mail.log

Sessions overlap: deliveries, refusals, password failures, connections lost
after AUTH, scanners, TLS errors. Attackers are few that come often, and many
that come seldom. The mixture is a guess; the same seed makes the same log.
"""

import heapq
import random
import sys
import time

RECIPIENTS, ATTACKERS, CUSTOMERS = 2000, 20_000, 3000
PUBLIC = [first for first in range(11, 224) if first not in {100, 127, 169, 172, 192, 198, 203}]
OVERLAP = 60
"""Sessions at once."""


class Day:
    """Whoever comes, and what is logged of him."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.attackers = [self.address() for _ in range(ATTACKERS)]
        self.customers = [(f"mail{n % 7}.corp{n}.example", self.address()) for n in range(CUSTOMERS)]
        self.mails = 0

    def address(self):
        """None of a private network, nor of the loopback: those are never banned."""
        number = self.random.randint
        return f"{self.random.choice(PUBLIC)}.{number(0, 255)}.{number(0, 255)}.{number(1, 254)}"

    def attacker(self):
        if self.random.random() < 0.6:
            return self.attackers[min(int(self.random.paretovariate(0.6)) - 1, ATTACKERS - 1)]
        return self.random.choice(self.attackers)

    def session(self):
        """The lines of one session."""
        share = self.random.random()
        process = self.random.randint(1000, 65000)
        if share < 0.30:
            return self.delivery(process)
        address = self.attacker()
        named = f"host-{address.replace('.', '-')}.dyn.isp{self.random.randint(1, 99)}.example"
        host = f"{'unknown' if self.random.random() < 0.7 else named}[{address}]"
        smtpd = f"postfix/smtpd[{process}]: "
        lines = [f"connect from {host}", *self.attack(share, host, address)]
        if self.random.random() < 0.25:
            name = f"host-{address}.isp.example"
            lines.insert(
                0,
                f"warning: hostname {name} does not resolve to address {address}: Name or service not known",
            )
        return [smtpd + line for line in lines]

    def delivery(self, process):
        name, address = self.random.choice(self.customers)
        number = self.random.randint
        self.mails += 1
        mail = f"4jX{self.mails:09X}z{number(100, 999)}"
        sender = f"user{number(1, 9999)}@{name.partition('.')[2]}"
        recipient = f"user{number(1, RECIPIENTS)}@example.org"
        smtpd, host = f"postfix/smtpd[{process}]: ", f"{name}[{address}]"
        tls = (
            f"{smtpd}Anonymous TLS connection established from {host}: TLSv1.3 with cipher "
            "TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits) "
            "server-digest SHA256"
        )
        return [
            f"{smtpd}connect from {host}",
            *([tls] if self.random.random() < 0.6 else []),
            f"{smtpd}{mail}: client={host}",
            f"postfix/cleanup[{process + 1}]: {mail}: message-id=<{self.random.getrandbits(64):x}@{name}>",
            f"postfix/qmgr[901]: {mail}: from=<{sender}>, size={number(1500, 90000)}, nrcpt=1 (queue active)",
            f"{smtpd}disconnect from {host} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
            f"postfix/lmtp[{process + 2}]: {mail}: to=<{recipient}>, "
            f"relay=mx.example.org[private/dovecot-lmtp], delay=0.{number(10, 99)}, "
            f"delays=0.1/0.01/0.02/0.1, dsn=2.0.0, status=sent (250 2.0.0 <{recipient}> "
            f"{self.random.getrandbits(60):x} Saved)",
            f"postfix/qmgr[901]: {mail}: removed",
        ]

    def attack(self, share, host, address):
        if share < 0.55:
            return self.refusal(host, address)
        if share < 0.72:
            mechanism = self.random.choice(["LOGIN", "PLAIN"])
            why = self.random.choice(
                ["UGFzc3dvcmQ6", "authentication failure", "Invalid authentication mechanism"]
            )
            return [
                f"warning: {host}: SASL {mechanism} authentication failed: {why}",
                f"disconnect from {host} ehlo=1 auth=0/1 quit=1 commands=2/3",
            ]
        if share < 0.86:
            return [
                f"lost connection after AUTH from {host}",
                f"disconnect from {host} ehlo=1 auth=0/1 commands=1/2",
            ]
        if share < 0.92:
            stage = self.random.choice(["CONNECT", "EHLO", "STARTTLS", "UNKNOWN"])
            return [f"lost connection after {stage} from {host}", f"disconnect from {host} commands=0/0"]
        if share < 0.95:
            return [
                f"SSL_accept error from {host}: -1",
                "warning: TLS library problem: error:0A000102:SSL routines::unsupported protocol:"
                "../ssl/statem/statem_srvr.c:1657:",
                f"lost connection after STARTTLS from {host}",
                f"disconnect from {host} ehlo=1 starttls=0/1 commands=1/2",
            ]
        if share < 0.97:
            return [
                rf"improper command pipelining after EHLO from {host}: QUIT\r\n",
                f"disconnect from {host} ehlo=1 quit=1 commands=2",
            ]
        return [f"disconnect from {host} ehlo=1 quit=1 commands=2"]

    def refusal(self, host, address):
        number = self.random.randint
        why = self.random.choice(
            [
                f"554 5.7.1 Service unavailable; Client host [{address}] blocked using zen.dnsbl.example; "
                f"https://www.dnsbl.example/query/ip/{address}; ",
                f"550 5.1.1 <nouser{number(1, 9999)}@example.org>: Recipient address rejected: "
                "User unknown in virtual mailbox table; ",
                f"454 4.7.1 <x{number(1, 999)}@elsewhere.example>: Relay access denied; ",
                "504 5.5.2 <User>: Helo command rejected: need fully-qualified hostname; ",
                f"450 4.7.25 Client host rejected: cannot find your hostname, [{address}]; ",
                "450 4.2.0 <user1@example.org>: Recipient address rejected: Greylisted, "
                "see http://postgrey.example/help/example.org.html; ",
            ]
        )
        helo = self.random.choice(["ylmf-pc", "User", "[127.0.0.1]", "mail.bad.example", "win-abc"])
        mail = (
            f"from=<spam{number(1, 99999)}@bad{number(1, 999)}.example> "
            f"to=<user{number(1, RECIPIENTS)}@example.org> proto=ESMTP helo=<{helo}>"
        )
        lost = self.random.random() < 0.4
        quits = "" if lost else " quit=1"
        return [
            f"NOQUEUE: reject: RCPT from {host}: {why}{mail}",
            *([f"lost connection after RCPT from {host}"] if lost else []),
            f"disconnect from {host} ehlo=1 mail=1 rcpt=0/1{quits} commands={'2/3' if lost else '3/4'}",
        ]


def lines(count, *, seed=1, start=None, rate=50.0):
    """Lines with newlines: so many, beginning at `start` (seconds since 1970), `rate` a second."""
    day, heap, sequence = Day(seed), [], 0
    now = time.time() - count / rate - 60 if start is None else start
    second, stamp = -1, ""
    for _ in range(count):
        while len(heap) < OVERLAP:
            at = now
            for line in day.session():
                sequence += 1
                heapq.heappush(heap, (at, sequence, line))
                at += day.random.random() * 1.5
        _, _, line = heapq.heappop(heap)
        now += 1 / rate
        if int(now) != second:
            second = int(now)
            stamp = time.strftime("%b %e %H:%M:%S", time.localtime(second))
        yield f"{stamp} mx {line}\n"


def write(path, count, **options):
    """A log file."""
    with path.open("w") as file:
        file.writelines(lines(count, **options))


if __name__ == "__main__":
    sys.stdout.writelines(lines(int(sys.argv[1])))
