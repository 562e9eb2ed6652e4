"""What a check is: it looks at one thing, reports findings, and decides nothing.

A check is one module of this folder with one subclass of Check. Its section
in the configuration has the module's name; its options are the class's
`Options`; its rules are documented where they are declared. Its cases stand
in `tests/cases/checks/<name>.toml`.

A check has up to two parts, each asked only when due:

- `look`: what can be said at once, without waiting for anybody.
- `look_up`: what needs the DNS. Answers that are UNKNOWN are our trouble and
  are no finding against the sender.

Findings are reported as they are found, so that a deadline loses only what
came after it. What both parts find out about a client, a HELO name and a
sender domain is remembered for a while by the pipeline: they may look at
`client_*`, `reverse_client_name`, `helo_name` and `sender` only, unless
`remembered` is False.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from gatepost.context import Context
from gatepost.model import Finding, Report, Request, Rule, Stage
from gatepost.options import Options

CLIENT_KNOWN = frozenset(Stage) - {Stage.OTHER}
HELO_KNOWN = CLIENT_KNOWN - {Stage.CONNECT}
SENDER_KNOWN = frozenset({Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.END_OF_MESSAGE})
"""Stages at which each is known. `helo_name` is the new name at EHLO and HELO."""


class Check:
    """Base of all checks. Subclasses are created once, with their options, and hold no state of a mail."""

    Options: ClassVar[Any] = Options
    """Type of its options (a subclass of gatepost.options.Options); by default it has none."""
    name: ClassVar[str] = ""
    """The module's name; set when it is found."""
    stages: ClassVar[frozenset[Stage]] = CLIENT_KNOWN
    """Stages at which what it looks at is known."""
    remembered: ClassVar[bool] = True
    """Whether its findings depend only on client, HELO name and sender."""

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def problems(cls, options: Any) -> Iterable[tuple[tuple[str | int, ...], str]]:  # noqa: ARG003
        """What is wrong with options of which each can be meant: where, below the section, and a sentence.

        For what is seen outside of the configuration, or in several options together: a key file
        that cannot be read, two lists of one name. The check is not made then.
        """
        return ()

    def rules(self) -> Iterable[Rule]:
        """Every rule this check can find, with its options."""
        raise NotImplementedError

    def look(self, request: Request, context: Context, report: Report) -> None:
        """Report what can be said at once."""

    async def look_up(self, request: Request, context: Context, report: Report) -> None:
        """Report what the DNS knows."""

    async def after_verdict(self, request: Request, context: Context, finding: Finding) -> str:  # noqa: ARG002
        """More to tell the sender when `finding` decided a refusal, e.g. a list's TXT text; one line.

        Asked after the verdict, with the time that is left; nothing may depend on it.
        """
        return ""
