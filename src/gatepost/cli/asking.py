"""Asks the pipeline of the daemon about hypothetical clients; remembers nothing and changes nothing."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import msgspec

from gatepost.assemble import Parts, assemble
from gatepost.cli.pretend import Pretending, names_of, pretend
from gatepost.cli.question import Question, request_of
from gatepost.cli.trouble import CommandError
from gatepost.clock import Clock, SystemClock
from gatepost.config.schema import Config
from gatepost.model import Action, Request, Stage, Verdict
from gatepost.options import Duration
from gatepost.store.base import Store, StoreError
from gatepost.store.blank import BlankStore
from gatepost.store.open import open_beside, sqlite_path
from gatepost.store.options import StoreOptions
from gatepost.wire.policy import encode, longest_name


@asynccontextmanager
async def asker(config: Config, *, with_store: bool) -> AsyncIterator["Asker"]:
    """Ready to ask, after a look at the lists and the resolver."""
    clock = SystemClock()
    store = _existing(config.store, clock) if with_store else BlankStore()
    await store.open()
    try:
        score = msgspec.structs.replace(config.score, remember=Duration(0))
        config = msgspec.structs.replace(config, score=score)
        parts = await assemble(config, clock, store, thorough=True)
        try:
            await parts.first_look()
            yield Asker(parts)
        finally:
            await parts.close()
    finally:
        await store.close()


def _existing(options: StoreOptions, clock: Clock) -> Store:
    """The store that is there, to look at only."""
    try:
        path = sqlite_path(options.url)
        if not path.exists():
            raise CommandError(f"--store: there is no store at {path}")
        return open_beside(options, clock)
    except StoreError as error:
        raise CommandError(f"--store: {error}") from None


class Asker:
    """Asks one pipeline."""

    def __init__(self, parts: Parts) -> None:
        """Let the checks of `parts` see pretended reverse names, too."""
        context = parts.pipeline.context
        self._dns = Pretending(context.dns)
        parts.pipeline.context = dataclasses.replace(context, dns=self._dns)
        self._parts = parts
        self._numbers = count(1)

    async def ask(self, question: Question) -> dict[str, Any]:
        """The answer, as `--json` prints it. To be called in a task of its own.

        Raises:
            QuestionError: it cannot be asked.
        """
        address = question.address
        if question.ptr is not None:
            pretend(address, question.ptr)
        client_name, reverse_name = await names_of(address, self._dns)
        request = request_of(question, client_name, reverse_name, f"ask.{next(self._numbers)}")
        verdict = await self._answer(request)
        if verdict.action is Action.PASS and request.stage is Stage.RCPT and not request.sender:
            request = msgspec.structs.replace(request, stage=Stage.DATA)
            verdict = await self._answer(request)  # null senders are greylisted there
        return self._told(request, verdict)

    async def _answer(self, request: Request) -> Verdict:
        answer = self._parts.pipeline.answer(request)
        return answer if isinstance(answer, Verdict) else await answer

    def _told(self, request: Request, verdict: Verdict) -> dict[str, Any]:
        reply = encode(verdict, request.stage, longest_name(request)).decode("ascii")
        return {
            "action": str(Action.PASS if verdict.observed else verdict.action),
            "reply": reply.strip().removeprefix("action="),
            "score": verdict.score,
            "findings": [msgspec.to_builtins(finding) for finding in verdict.findings],
            "decided_by": verdict.decided_by,
            "observed": str(verdict.action) if verdict.observed else "",
            "stage": str(request.stage),
            "client_name": request.client_name,
            "reverse_client_name": request.reverse_client_name,
            "notes": list(self._parts.notes()),
            "delay": float(verdict.delay),  # a Duration would be told with its unit
            "ms": round(verdict.ms, 3),
        }
