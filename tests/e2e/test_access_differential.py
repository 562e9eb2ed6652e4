"""On the same map files, our own lists decide what a real Postfix decides: code, enhanced code and text.

Maps and requests are made at random from a small universe, so that they meet often. Each map stands
behind two listeners of one Postfix: at one, what no entry decides is refused with 559, at the other it
is let in, which tells OK, DUNNO and DEFER_IF_PERMIT apart. XCLIENT plays the client.
"""

import random
import re
import socket

import pytest

from gatepost.access.options import AccessOptions
from gatepost.access.table import AccessTable
from gatepost.clock import SystemClock
from gatepost.model import Request
from support.postfix import Postfix, free_ports

SEED = 20260829
REQUESTS = 60
"""To each map; there are 24 maps."""

LABELS = ("a", "b", "mail", "Mail", "org")
TOPS = ("example", "Example", "net")
ADDRESSES = ("192.0.2.1", "192.0.2.10", "192.0.20.1", "192.1.2.1", "10.0.0.1", "2001:db8::1")
LOCALS = ("user", "User", "user+x", "other", "other+y+z", "+x", "postmaster+x", "user+", "a b", 'a"b+x')
RESULTS = (
    *("OK", "ok", "OK    OK", "OK //This domain is fine", "RELAY", "permit", "permit, reject", "4711", "550"),
    *(
        "REJECT",
        "reject",
        "Reject no  way",
        "REJECT 5.7.25 no name",
        "REJECT 4.1.1 other class",
        "reject,permit",
    ),
    *("550 no", "554 5.7.1 no", "550 5.1.1 nobody", "550 5.1.8 nobody", "571 5.1.99 odd", "503 4.1.7 odd"),
    *("DEFER", "DEFER later", "450 later", "451 4.3.0 later", "450 5.1.2 later", "defer"),
    *("DEFER_IF_PERMIT", "DEFER_IF_PERMIT 4.2.1 maybe", "DUNNO", "DUNNO text", "dunno", "INFO seen", "WARN"),
)
RESTRICTION = {
    "client": "check_client_access",
    "helo": "check_helo_access",
    "sender": "check_sender_access",
    "recipient": "check_recipient_access",
}
OPTION = {k: f"{k}_access" for k in RESTRICTION}
UNDECIDED = "559"


class World:
    """One map, and the two listeners that it stands behind."""

    def __init__(self, number, looks_at, kind, parents, chance, ports):
        self.name = f"map{number}"
        self.looks_at = looks_at
        self.kind = kind
        self.parents = parents
        self.source = MAKERS[kind](chance, looks_at)
        self.ports = ports

    def services(self):
        parents = "smtpd_access_maps" if self.parents else ""
        asked = f"{RESTRICTION[self.looks_at]} {self.kind}:{{home}}/{self.name}"
        finals = (f"static:{{{UNDECIDED} 5.5.9 undecided}}", "static:OK")
        for port, final in zip(self.ports, finals, strict=True):
            yield f"127.0.0.1:{port} inet n - n - - smtpd"
            yield f" -o {{ parent_domain_matches_subdomains = {parents} }}"
            yield f" -o {{ smtpd_recipient_restrictions = {asked}, check_recipient_access {final} }}"

    def ours(self, home):
        options = {OPTION[self.looks_at]: (f"{self.kind}:{home}/{self.name}",)}
        table = AccessTable(AccessOptions(**options, parent_domain_matches=self.parents), SystemClock())
        table.load()
        assert table.load_errors() == ()
        return table


# --- making maps and requests ---------------------------------------------------------------------------


def domain(chance):
    return ".".join([*chance.choices(LABELS, k=chance.randint(0, 3)), chance.choice(TOPS)])


def mail(chance):
    return f"{chance.choice(LOCALS)}@{domain(chance)}"


def mail_key(chance):
    return quoted(mail(chance))


def prefix(chance):
    address = chance.choice(ADDRESSES)
    separator = ":" if ":" in address else "."
    return separator.join(address.split(separator)[: chance.randint(1, 4)])


def key(chance, looks_at):
    if looks_at == "client":
        return chance.choice([domain, domain, dotted, prefix, lambda _: "unknown"])(chance)
    if looks_at == "helo":
        return chance.choice([domain, domain, dotted, prefix, lambda _: "[192.0.2.1]"])(chance)
    forms = [domain, dotted, mail_key, mail_key, lambda c: quoted(f"{c.choice(LOCALS)}@"), lambda _: "<>"]
    return chance.choice(forms)(chance)


def dotted(chance):
    return f".{domain(chance)}"


def unique(chance, looks_at):
    """For texthash: smtpd refuses such a table with two equal keys, which postmap only warns about."""
    return indexed(chance, looks_at, duplicates=False)


def indexed(chance, looks_at, *, duplicates=True):
    lines, keys = [], set()
    for _ in range(chance.randint(5, 40)):
        gap = chance.choice([" ", "\t", "   ", " \t "])
        name = key(chance, looks_at)
        if not duplicates and name.lower() in keys:
            continue
        keys.add(name.lower())
        lines.append(f"{name}{gap}{chance.choice(RESULTS)}{chance.choice(['', '', ' ', chr(13)])}")
        lines += chance.choices(
            ["# REJECT", "", "   ", "  # a OK", "\t", "novalue", '"unbalanced OK', "  continued text"],
            weights=[3, 3, 1, 1, 1, 1, 1, 0],
            k=chance.choice([0, 0, 0, 1, 2]),
        )
        if re.search(r" (no|later|maybe)\r?$", lines[-1]):
            lines += chance.choice([[], ["  more text"], ["# between", "", "\tmore"]])
    return "\n".join(lines).encode() + chance.choice([b"", b"\n", b"\na\xff.example REJECT\n"])


def cidr(chance, looks_at):
    networks = ["192.0.2.0/24", "192.0.2.1", "192.0.0.0/16", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32"]
    networks += ["[2001:db8::1]", "[2001:db8:1::]/48", "2001:DB8::1/128", "::/0", "192.0.2.1/24", "nonsense"]
    return blocks(chance, lambda: chance.choice(["", "", "!"]) + chance.choice(networks))


def regexp(chance, looks_at):
    patterns = [
        "/^mail/",
        "/example$/",
        "/\\.net$/i",
        "!/\\./",
        "/^(a|b)\\.(.*)$/",
        "/^192\\.0\\.2\\./",
        "/unknown/",
    ]
    patterns += ["/@/", "/^user(\\+[^@]*)?@/", "%^<>$%", "/[[:upper:]]/i", "!!/org/", "|^\\[|"]
    return blocks(chance, lambda: chance.choice(patterns))


def blocks(chance, pattern):
    """Rules in order, with blocks of if and endif that are closed."""
    lines, depth = [], 0
    for _ in range(chance.randint(3, 12)):
        what = chance.choice(["rule", "rule", "rule", "if", "endif"])
        if what == "rule":
            lines.append(f"{pattern()}  {chance.choice(RESULTS)}")
        elif what == "endif" and depth:
            lines.append("endif")
            depth -= 1
        elif (
            what == "if"
            and (condition := pattern()) not in {"nonsense", "!nonsense"}
            and "1/24" not in condition
        ):
            lines.append(f"IF {condition}")
            depth += 1
    return "\n".join(lines + ["endif"] * depth).encode() + b"\n"


MAKERS = {"texthash": unique, "hash": indexed, "btree": indexed, "cidr": cidr, "regexp": regexp}


def a_request(chance):
    name = chance.choice([domain(chance), domain(chance), "unknown"])
    helo = chance.choice(
        [domain(chance), domain(chance), f"{domain(chance)}.", "192.0.2.1", "[192.0.2.1]", "a..org"]
    )
    sender = chance.choice([mail(chance), mail(chance), mail(chance), ""])
    return Request(
        client_name=name,
        client_address=chance.choice(ADDRESSES),
        helo_name=helo,
        sender=sender,
        recipient=mail(chance),
    )


# --- asking both ------------------------------------------------------------------------------------------


class Smtp:
    """One connection that says lines and hears replies."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), 10)
        self._file = self._socket.makefile("rwb")
        self.hear()

    def hear(self):
        while (line := self._file.readline().decode(errors="replace").rstrip("\r\n"))[3:4] == "-":
            pass
        return line

    def say(self, line):
        self._file.write(line.encode() + b"\r\n")
        self._file.flush()
        return self.hear()

    def close(self):
        self._file.close()
        self._socket.close()

    def ask(self, request):
        """The reply to RCPT from such a client."""
        name = "[UNAVAILABLE]" if request.client_name == "unknown" else request.client_name
        address = (
            f"IPV6:{request.client_address}" if ":" in request.client_address else request.client_address
        )
        assert self.say(f"XCLIENT NAME={name} ADDR={address}").startswith("220")
        assert self.say(f"EHLO {request.helo_name}").startswith("250")
        assert self.say(f"MAIL FROM:<{quoted(request.sender)}>").startswith("250")
        reply = self.say(f"RCPT TO:<{quoted(request.recipient)}>")
        self.say("RSET")
        return reply


def quoted(mail):
    """As the client writes it; the policy protocol, and so our Request, has it without quotes."""
    local, at, domain = mail.rpartition("@")
    if not re.search(r'[\s"]', local):
        return mail
    escaped = local.replace('"', '\\"')
    return f'"{escaped}"{at}{domain}'


def told(reply):
    """Code, enhanced code and text of a refusal; the code alone of anything else."""
    code, _, rest = reply.partition(" ")
    if code in {"250", UNDECIDED}:
        return (code,)
    enhanced, _, text = rest.partition(" ")
    return code, enhanced, text.partition(" rejected: ")[2]


def expected(found):
    """What Postfix should answer at both listeners when this entry of ours fits."""
    if found is None or found.kind == "note":
        return (UNDECIDED,), ("250",)
    if found.kind == "allow":
        return ("250",), ("250",)
    usual, code = ("5.7.1", 554) if found.kind == "deny" else ("4.7.1", 450)
    silence = "Service unavailable" if found.if_permit else "Access denied"
    if found.enhanced == "4.3.2" and not found.text:
        silence = "Try again later"  # the restriction `defer`
    refused = (str(found.code or code), found.enhanced or usual, found.text or silence)
    return ((UNDECIDED,), refused) if found.if_permit else (refused, refused)


def make_worlds():
    chance = random.Random(SEED)
    plan = [
        *(
            (looks_at, "texthash", parents)
            for looks_at in RESTRICTION
            for parents in (True, False)
            for _ in "12"
        ),
        *(("client", "hash", True), ("sender", "btree", False)),
        *(("client", "cidr", True), ("helo", "cidr", True)),
        *((looks_at, "regexp", True) for looks_at in RESTRICTION),
    ]
    ports = iter(free_ports(2 * len(plan)))
    return [World(n, *what, chance, (next(ports), next(ports))) for n, what in enumerate(plan)]


@pytest.fixture(scope="module")
def running():
    worlds = make_worlds()
    settings = {
        "smtpd_authorized_xclient_hosts": "static:all",
        # each recipient gets as far as the map; Postfix demands a `reject`
        "smtpd_relay_restrictions": "check_recipient_access static:OK, reject",
        "smtpd_reject_unlisted_recipient": "no",
        "mydestination": "",
        "default_process_limit": "200",
    }
    services = [line for world in worlds for line in world.services()]
    files = {world.name: world.source for world in worlds}
    with Postfix(settings=settings, files=files, services=services) as postfix:
        for world in worlds:
            if world.kind in ("hash", "btree"):
                postfix.run("postmap", f"{world.kind}:{postfix.home}/{world.name}")
        yield postfix, worlds


def test_the_same_map_decides_the_same_in_a_real_postfix(running):
    postfix, worlds = running
    chance = random.Random(SEED + 1)
    different, decisions = [], {}
    for world in worlds:
        ours = world.ours(postfix.home)
        strict, open_ = (Smtp(port) for port in world.ports)
        for _ in range(REQUESTS):
            request = a_request(chance)
            found = next(iter(ours.matches(request)), None)
            theirs = told(strict.ask(request)), told(open_.ask(request))
            kind = "none" if found is None else found.kind
            decisions[kind] = decisions.get(kind, 0) + 1
            if theirs != expected(found):
                different.append((world.name, world.looks_at, world.kind, request, found, theirs))
        strict.close()
        open_.close()
    assert different[:3] == []
    assert len(worlds) * REQUESTS == sum(decisions.values())
    assert min(decisions[kind] for kind in ("none", "allow", "deny", "defer", "note")) > 20, decisions
