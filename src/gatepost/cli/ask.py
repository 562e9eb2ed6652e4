"""`gatepost ask`: what would happen to this client, and why; changes nothing."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import typer
import uvloop

from gatepost.cli.arguments import ConfigFile, Json, Store, configured
from gatepost.cli.asking import Asker, asker
from gatepost.cli.findings import say_findings
from gatepost.cli.question import Question, QuestionError, id_of, read_question
from gatepost.cli.show import say, say_json
from gatepost.cli.trouble import CommandError
from gatepost.config.load import Overrides, Said
from gatepost.config.schema import Config

AT_ONCE = 64
"""Questions of `--json-lines` under way at once; answers still come in order."""

Client = Annotated[str | None, typer.Option("--client", metavar="IP", help="The client's address.")]
Ptr = Annotated[
    str | None,
    typer.Option("--ptr", metavar="NAME", help='Its reverse name, "" for none; else it is looked up.'),
]
Helo = Annotated[str | None, typer.Option("--helo", metavar="NAME", help="What it says at HELO or EHLO.")]
Sender = Annotated[
    str | None, typer.Option("--sender", metavar="MAIL", help='Envelope sender; "" for the null sender.')
]
Recipient = Annotated[str | None, typer.Option("--recipient", metavar="MAIL", help="Envelope recipient.")]
Dns = Annotated[str | None, typer.Option("--dns", metavar="HOST:PORT", help="Name server to ask.")]
JsonLines = Annotated[
    bool,
    typer.Option("--json-lines", help="Read questions from standard input, one JSON object a line."),
]


def ask(
    *,
    client: Client = None,
    ptr: Ptr = None,
    helo: Helo = None,
    sender: Sender = None,
    recipient: Recipient = None,
    dns: Dns = None,
    config: ConfigFile = None,
    store: Store = None,
    json: Json = False,
    json_lines: JsonLines = False,
) -> None:
    """Put a hypothetical client through every check, and tell what was found and what would be answered.

    Nothing is remembered, and nothing of what the daemon remembers is used unless --store is given.
    Exit status 0 when its mail would pass, else 1; with --json-lines always 0.
    """
    options = configured(config, _overrides(dns, store))
    if json_lines:
        if (client, ptr, helo, sender, recipient) != (None,) * 5:
            raise CommandError("With --json-lines, the clients are read from standard input.")
        uvloop.run(_ask_lines(options, with_store=store is not None))
        return
    if client is None:
        raise CommandError("Which client? Give its address: --client 192.0.2.1")
    question = Question(client, ptr, helo, sender, recipient)
    try:
        answer = uvloop.run(_ask_one(options, question, with_store=store is not None))
    except QuestionError as error:
        raise CommandError(f"--{error}") from None
    if json:
        say_json(answer)
    else:
        _say(question, answer)
    if answer["action"] != "pass":
        raise typer.Exit(1)


def _overrides(dns: str | None, store: str | None) -> Overrides:
    said = {
        ("dns", "servers"): Said("--dns", [dns] if dns else None),
        ("store", "url"): Said("--store", store),
    }
    return {path: one for path, one in said.items() if one.value}


async def _ask_one(config: Config, question: Question, *, with_store: bool) -> dict[str, Any]:
    _ = question.address  # before anything is opened or asked
    async with asker(config, with_store=with_store) as ready:
        return await ready.ask(question)


# --- many at once --------------------------------------------------------------------------------------


async def _ask_lines(config: Config, *, with_store: bool) -> None:
    async with asker(config, with_store=with_store) as ready:
        under_way: asyncio.Queue[asyncio.Task[dict[str, Any]] | None] = asyncio.Queue(AT_ONCE)

        async def begin() -> None:
            async for line in _lines():
                await under_way.put(asyncio.create_task(_ask_line(ready, line)))
            await under_way.put(None)

        beginning = asyncio.create_task(begin())
        while (task := await under_way.get()) is not None:
            say_json(await task)
            if under_way.empty():
                sys.stdout.flush()
        await beginning


async def _lines() -> AsyncIterator[bytes]:
    """Standard input, line by line, whatever it is: a terminal, a pipe or a file."""
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        if line.strip():
            yield line


async def _ask_line(ready: Asker, line: bytes) -> dict[str, Any]:
    try:
        question = read_question(line)
    except QuestionError as error:
        return {"id": id_of(line), "error": str(error)}
    try:
        return {"id": question.id, **await ready.ask(question)}
    except QuestionError as error:
        return {"id": question.id, "error": str(error)}


# --- for people ----------------------------------------------------------------------------------------


def _say(question: Question, answer: Mapping[str, Any]) -> None:
    say(f"client     {question.client} ({_names(answer)})")
    for name, value in (
        ("HELO", question.helo),
        ("sender", question.sender),
        ("recipient", question.recipient),
    ):
        if value is not None:
            say(f"{name:<10} {value or '<>'}")
    say()
    if answer["findings"]:
        say_findings(answer["findings"])
    else:
        say("Nothing was found against it.")
    say()
    by = f", decided by {answer['decided_by']}" if answer["decided_by"] else ""
    say(f"score      {answer['score']:g}{by}")
    say(f"answer     {_MEANS[answer['action']]}, after {answer['ms']:.0f} ms at {answer['stage']}")
    say(f"to Postfix {answer['reply']}")
    if answer["observed"]:
        say(f'observed   without mode = "observe" this would have been: {answer["observed"]}')
    for note in answer["notes"]:
        say(f"! {note}")


def _names(answer: Mapping[str, Any]) -> str:
    verified, said = answer["client_name"], answer["reverse_client_name"]
    if verified != "unknown":
        return str(verified)
    return "no reverse name known" if said == "unknown" else f"{said}, not verified"


_MEANS = {"pass": "the mail passes", "defer": "come back later", "reject": "refused"}
