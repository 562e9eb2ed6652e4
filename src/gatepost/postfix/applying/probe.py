"""Probes by real SMTP on a live server. Nothing is delivered: no probe goes beyond RCPT.

Raises nothing about the server: what it did not say is in what was seen.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from gatepost.postfix.applying.observed import Asked, Form, Observation, Probed, Tried, Visit, judge_relay
from gatepost.postfix.applying.program_now import RunNow
from gatepost.postfix.applying.smtp import REPLY_SECONDS, SmtpClient, SmtpError
from gatepost.postfix.applying.smtp_reply import Reply
from gatepost.postfix.applying.stranger import Stranger, foreign_address, strangers
from gatepost.postfix.applying.targets import Target

USER = "gatepost-probe"
GREETING = 220
TLS_FIRST = 530
NOT_YET = "450 4.3.2"
"""How postscreen sends a client away that passed its tests just now (POSTSCREEN_README)."""


@contextmanager
def foreigners(targets: Sequence[Target], mynetworks: str, run: RunNow) -> Iterator[dict[Target, Stranger]]:
    """Whom to come as to each door, until the block ends."""
    versions = sorted({_version(target) for target in targets if not target.proxied})
    with strangers(versions, mynetworks, run) as found:
        yield {
            target: Stranger(_said_address(target, mynetworks)) if target.proxied else found[_version(target)]
            for target in targets
        }


def relay_probe(target: Target, run: RunNow, mynetworks: str = "") -> Probed:
    """Whether a stranger can have mail relayed by this server."""
    with foreigners([target], mynetworks, run) as found:
        return judge_relay(observe(target, found[target]))


def observe(target: Target, stranger: Stranger, patience: float = REPLY_SECONDS) -> Observation:
    """Look at one door: from here, and as a stranger. A reply may take `patience` seconds."""
    own, _ = _visit(target, _Caller("", f"probe-{secrets.token_hex(6)}.gatepost.invalid", patience), [])
    if not stranger.address:
        return Observation(target, own, no_stranger=stranger.why_not)
    caller = _Caller(stranger.address, _literal(stranger.address), patience)
    forms = relay_forms(target)
    addresses = [form.address for form in forms]
    visit, replies = _visit(target, caller, addresses)
    if target.postscreen and str(visit.recipient).startswith(NOT_YET):
        visit, replies = _visit(target, caller, addresses)
    tried = tuple(Tried(form, reply) for form, reply in zip(forms, replies, strict=True))
    doubtful = any(one.form.hidden and one.reply.accepts for one in tried)
    everybody = doubtful and _takes_everybody(target, caller)
    return Observation(target, own, visit, relay=tried, takes_everybody=everybody)


def relay_forms(target: Target) -> list[Form]:
    """Ways to write an outside address."""
    out, own = target.outside, f"@{target.domain}" if target.domain else ""
    forms = [
        Form("plain", f"{USER}@{out}"),
        Form("percent hack", f"{USER}%{out}{own}", hidden=True),
        Form("quoted", f'"{USER}@{out}"{own}', hidden=True),
        Form("bang path", f"{out}!{USER}{own}", hidden=True),
    ]
    if own:
        forms.append(Form("two domains", f"{USER}@{out}{own}", hidden=True))
        forms.append(Form("source route", f"{own}:{USER}@{out}"))
    return forms


class _Caller(msgspec.Struct, frozen=True):
    address: str
    helo: str
    patience: float


def _visit(target: Target, caller: _Caller, further: Sequence[str]) -> tuple[Visit, list[Reply]]:
    """Write to the local recipient, then, as another mail, to further addresses; the replies to those."""
    since = time.time()
    said: list[Reply] = []
    came_from = caller.address
    try:
        with SmtpClient(target, caller.address, caller.patience) as client:
            came_from = came_from or client.own_address
            for reply in _talk(client, caller.helo, target.recipient, further):
                said.append(reply)
                if len(said) == 1 and reply.code != GREETING:
                    break
    except SmtpError as error:
        said.append(Reply(0, str(error)))
    greeting, recipient = said[0], said[min(1, len(said) - 1)]
    asked = Asked(came_from, caller.helo, target.recipient, since)
    replies = said[2:] + said[-1:] * (len(further) - len(said[2:]))
    return Visit(asked, greeting, recipient, time.time() - since), replies[: len(further)]


def _talk(client: SmtpClient, helo: str, recipient: str, further: Sequence[str]) -> Iterator[Reply]:
    """The greeting, the reply about the recipient, and those about the further ones."""
    yield client.reply()
    yield _begin(client, helo) or client.say(f"RCPT TO:<{recipient}>")
    if not further:
        return
    client.say("RSET")
    refused = _mail(client)
    for address in further:
        yield refused or client.say(f"RCPT TO:<{address}>")


def _begin(client: SmtpClient, helo: str) -> Reply | None:
    """HELO and MAIL; the reply that ends it, None when all is well."""
    hello = client.say(f"EHLO {helo}")
    if not hello.accepts:
        hello = client.say(f"HELO {helo}")
    if not hello.accepts:
        return hello
    refused = _mail(client)
    if refused and refused.code == TLS_FIRST and client.say("STARTTLS").code == GREETING:
        client.start_tls()
        client.say(f"EHLO {helo}")
        refused = _mail(client)
    return refused


def _mail(client: SmtpClient) -> Reply | None:
    reply = client.say("MAIL FROM:<>")
    return None if reply.accepts else reply


def _takes_everybody(target: Target, caller: _Caller) -> bool:
    """Whether somebody with a random name is accepted like anybody else."""
    nobody = f"{USER}-{secrets.token_hex(6)}" + (f"@{target.domain}" if target.domain else "")
    _, (reply,) = _visit(target, caller, [nobody])
    return reply.accepts


def _literal(address: str) -> str:
    """A HELO name for a host that has none (RFC 5321, 4.1.3)."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _version(target: Target) -> int:
    return 6 if ":" in target.host else 4


def _said_address(target: Target, networks: str) -> str:
    """Where a proxy told to expect us says that we come from: nothing has to be lent for that."""
    return foreign_address(_version(target), networks)
