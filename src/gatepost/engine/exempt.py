"""Who is never checked, and what is learned from them."""

from functools import lru_cache

from gatepost.address import normal_mail
from gatepost.context import Context
from gatepost.model import Action, Finding, Judged, Request, Stage, Verdict
from gatepost.network import parse_address
from gatepost.ours import Ours

LEARN = "learn"
"""`policy_context` of the line before the permits: there only correspondents are recorded."""

ASKED = "asked"
"""`policy_context` of the line at DATA where something before our line at RCPT lets strangers in: only
mail that was asked about at RCPT is judged."""

BAN = "ban"
"""`policy_context` of the line that asks before the greeting: only whether the client is banned."""

_PASS = Verdict(action=Action.PASS)


def exempt(request: Request, context: Context) -> Verdict | None:
    """The verdict on those who are not checked; None for everybody else.

    Authenticated users and clients of our own networks pass, and whom they
    write to is remembered. Questions with `policy_context=learn` always pass.
    """
    ours = _ours(request, context)
    if ours is None:
        if (
            request.policy_context == BAN
        ):  # also at a stage of its own: a proxy named another client (XCLIENT)
            return None
        return _PASS if request.policy_context == LEARN or request.stage is Stage.OTHER else None
    if request.stage is Stage.RCPT and request.sender and request.recipient:
        context.store.correspondents.learn(normal_mail(request.recipient), context.clock.now())
    return Verdict(
        action=Action.PASS,
        decided_by=ours.rule,
        findings=(Judged(ours.rule, "pass", ours.text, ours.detail),),
    )


def _ours(request: Request, context: Context) -> Finding | None:
    if request.sasl_username:
        return Finding("ours.authenticated", "", request.sasl_username)
    if _is_ours(request.client_address, context.ours):
        return Finding("ours.network", "", request.client_address)
    return None


@lru_cache(16384)
def _is_ours(client_address: str, ours: Ours) -> bool:
    """Asked for every request; what is ours does not change, a reload makes another `Ours`."""
    address = parse_address(client_address)
    return address is not None and ours.is_client(address)
