"""A case of the collection as a real, running Postfix, in a network namespace of its own.

    with Live(case) as postfix:
        codes = postfix.rcpt("bob@example.net")

The files are as the case has them. Only what lets it run beside others is added at the end of main.cf, where
the last setting counts: queue, data and log, and own addresses, to which those of strangers, though they are
on the same machine, must not belong (mynetworks). Needs root, and Linux.
"""

import shutil
from types import TracebackType
from typing import Self

from support.dialogues import Dialogue, play_one
from support.namespace import Namespace
from support.postfix import Postfix
from support.postfix_cases import Case, settle

ADDRESSES = ("192.0.2.25", "192.0.2.26", "192.0.2.27", "2001:db8::25")
"""Those that a case may listen at."""
STRANGERS = ("198.51.100.7", "203.0.113.9")


class Live(Postfix):
    """One case, running; a context manager."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.there = Namespace(*ADDRESSES, *STRANGERS)
        super().__init__(netns=self.there.name)

    def __enter__(self) -> Self:
        self.there.__enter__()
        try:
            return super().__enter__()
        except BaseException:
            self.there.__exit__(None, None, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self.there.__exit__(kind, error, trace)

    def write(self) -> None:
        """The folders that it runs in, and the files of the case."""
        super().write()
        etc = self.home / "etc"
        shutil.rmtree(etc)
        etc.mkdir()
        self.case.put(etc)
        with (etc / "main.cf").open("ab") as main:
            main.write(
                f"\nqueue_directory = {self.home}/queue\ndata_directory = {self.home}/data\n"
                f"maillog_file = {self.home}/maillog\nmaillog_file_prefixes = {self.home}\n"
                f"inet_interfaces = 127.0.0.1, [::1], {', '.join(ADDRESSES)}\n".encode()
            )
        settle(etc / "main.cf")

    def knock(self) -> None:
        """Connect, so that a process is started for us, and go."""
        self.there.connect(self.host, self.port, STRANGERS[0]).close()

    def rcpt(self, *recipients: str) -> list[int]:
        """The codes that a stranger's mail for each of them is answered with."""
        steps = ("EHLO mail.example.org", "MAIL FROM:<alice@example.org>")
        said = play_one(
            Dialogue(0, STRANGERS[0], (*steps, *(f"RCPT TO:<{r}>" for r in recipients), "QUIT")),
            lambda client: self.there.connect("192.0.2.25", self.port, client),
        )
        return [int(code) for code in said[3:-1]]

    def _listens(self) -> bool:
        return any(map(self._answers, (self.host, ADDRESSES[0])))

    def _answers(self, host: str) -> bool:
        try:
            self.there.connect(host, self.port, seconds=1).close()
        except OSError:
            return False
        return True
