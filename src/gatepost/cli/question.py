"""One hypothetical client, as `gatepost ask` is told of it. Pure."""

from typing import Any

import msgspec

from gatepost.model import Request, Stage
from gatepost.network import Address, parse_address

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class QuestionError(Exception):
    """This cannot be asked; the text says why."""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of the client; the names are those of the options. None: not said."""

    client: str
    ptr: str | None = None
    """Its reverse name; empty when it has none; None: look it up."""
    helo: str | None = None
    sender: str | None = None
    """Empty for the null sender."""
    recipient: str | None = None
    id: Any = None
    """Given back with the answer; a number or a text, or whatever else is not nested deeply."""

    @property
    def address(self) -> Address:
        """The client's address.

        Raises:
            QuestionError: it is none.
        """
        address = parse_address(self.client)
        if address is None:
            raise QuestionError(f'client: "{self.client}" is no IP address')
        return address

    @property
    def stage(self) -> Stage:
        """Where Postfix would ask, with what is known: at RCPT as soon as there is a mail."""
        if self.sender is not None or self.recipient is not None:
            return Stage.RCPT
        return Stage.CONNECT if self.helo is None else Stage.EHLO


def read_question(line: bytes | str) -> Question:
    """The question in a line of JSON.

    Raises:
        QuestionError: there is none; the text says why.
    """
    try:
        question = msgspec.json.decode(line, type=Question)
    except _NOT_JSON as error:
        raise QuestionError(str(error)) from None
    if not _shallow(question.id):
        raise QuestionError("id: nested too deeply")
    return question


def id_of(line: bytes | str) -> Any:
    """The `id` in a line that holds no question, when it can be made out."""
    try:
        found = msgspec.json.decode(line)
    except _NOT_JSON:
        return None
    told = found.get("id") if isinstance(found, dict) else None
    return told if _shallow(told) else None


def _shallow(value: Any, levels: int = 20) -> bool:
    """Whether lists and objects in `value` go no deeper than what can be printed again without trouble."""
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_shallow(one, levels - 1) for one in value))


def request_of(question: Question, client_name: str, reverse_name: str, instance: str) -> Request:
    """What Postfix would ask about this client, whose names it has looked up."""
    return Request(
        stage=question.stage,
        client_address=str(question.address),
        client_name=client_name,
        reverse_client_name=reverse_name,
        helo_name=question.helo or "",
        sender=_bare(question.sender),
        recipient=_bare(question.recipient),
        instance=instance,
    )


def _bare(mail: str | None) -> str:
    """A mail address without the brackets of SMTP, in which people write it too."""
    mail = (mail or "").strip()
    return mail[1:-1] if mail.startswith("<") and mail.endswith(">") else mail
