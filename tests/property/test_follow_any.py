"""Whatever is done to a log in whatever order, whenever its reader ends and starts: each line comes once."""

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gatepost.ban.follow import LINGER, Follower
from gatepost.ban.place import Place
from gatepost.clock import FakeClock

TEXTS = st.one_of(
    st.binary(max_size=30).map(lambda text: text.replace(b"\n", b" ")),
    st.sampled_from([(b"\0", 1), (b"\xff", 300), (b"long ", 12_000)]).map(lambda text: text[0] * text[1]),
)


class Log(RuleBasedStateMachine):
    """A writer who is rotated in every way, and a reader who remembers his place."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "mail.log"
        self.clock = FakeClock()
        self.written: list[bytes] = []
        self.seen: list[bytes] = []
        self.half = b""
        self.now = 1_700_000_000_000_000_000
        self.writer = self.reader = None

    @initialize(dated=st.booleans(), copies=st.booleans())
    def begin(self, dated: bool, copies: bool) -> None:
        self.dated, self.copies, self.rotations = dated, copies, 0
        self.writer = self.open()
        self.reader = Follower(self.path, None, self.clock)
        self.read_all()

    def open(self) -> int:
        new = not self.path.exists()
        writer = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if new:
            self.tick(writer)
        return writer

    def teardown(self) -> None:
        if self.writer is not None:
            self.end_of_line()
            self.reopen()
            self.start()
            self.read_all()
            self.reader.close()
            os.close(self.writer)
        self.folder.cleanup()
        assert self.written == self.seen

    def put(self, data: bytes) -> None:
        assert os.write(self.writer, data) == len(data)
        self.tick(self.writer)

    def tick(self, *files: Path | int) -> None:
        """Time goes on between any two deeds; file systems note it in steps of some milliseconds only."""
        for file in files:
            self.now += 10_000_000
            os.utime(file, ns=(self.now, self.now))

    def older(self) -> Path:
        """The name for what is put aside now; those before move up, as logrotate does it."""
        self.rotations += 1
        if self.dated:
            return self.path.with_name(f"mail.log-{20261128_00000 + self.rotations}")
        for number in range(self.rotations - 1, 0, -1):
            self.path.with_name(f"mail.log.{number}").rename(f"{self.path}.{number + 1}")
        return self.path.with_name("mail.log.1")

    # --- writing ---

    @rule(texts=st.lists(TEXTS, min_size=1, max_size=8))
    def lines(self, texts: list[bytes]) -> None:
        self.end_of_line()
        fresh = [b"%d %s" % (len(self.written) + number, text) for number, text in enumerate(texts)]
        self.written += fresh
        self.put(b"".join(line + b"\n" for line in fresh))

    @precondition(lambda self: not self.half)
    @rule()
    def half_a_line(self) -> None:
        self.half = b"%d half" % len(self.written)
        self.put(self.half)

    @precondition(lambda self: self.half)
    @rule()
    def end_of_line(self) -> None:
        if self.half:
            self.put(b" line\n")
            self.written.append(self.half + b" line")
            self.half = b""

    # --- rotating ---

    @precondition(lambda self: not self.copies and self.path.exists())
    @rule(create=st.booleans())
    def rename(self, create: bool) -> None:
        """The writer goes on in the old file until he is told to reopen."""
        self.reopen()
        self.path.rename(self.older())
        if create:
            os.close(self.open())

    @rule()
    def reopen(self) -> None:
        self.end_of_line()
        os.close(self.writer)
        self.writer = self.open()

    @precondition(lambda self: self.copies)
    @rule()
    def copy_and_truncate(self) -> None:
        self.reopen()
        copy = self.older()
        shutil.copyfile(self.path, copy)
        os.truncate(self.path, 0)
        self.tick(copy, self.path)

    @precondition(lambda self: self.running() and self.path.exists())
    @rule()
    def empty(self) -> None:
        """Nothing is lost only where all was read."""
        self.reopen()
        self.read_all()
        os.truncate(self.path, 0)
        self.tick(self.path)

    @precondition(lambda self: self.running() and self.path.exists())
    @rule()
    def remove(self) -> None:
        self.reopen()
        self.read_all()
        self.path.unlink()
        self.reopen()
        self.read_all()

    @precondition(lambda self: self.running() and self.path.exists())
    @rule()
    def edit_in_place(self) -> None:
        """As `sed -i` does: another file with the same content."""
        self.reopen()
        copy = self.path.with_name("sedX12")
        shutil.copyfile(self.path, copy)
        self.tick(copy)
        copy.rename(self.path)
        self.reopen()
        self.read_all()

    # --- reading ---

    def running(self) -> bool:
        return self.reader is not None

    @precondition(running)
    @rule()
    def read_a_block(self) -> None:
        self.seen += [line for line in self.reader.read() if line]

    @precondition(running)
    @rule()
    def read_all(self) -> None:
        while lines := self.reader.read():
            self.seen += [line for line in lines if line]

    @precondition(running)
    @rule()
    def stop(self) -> None:
        self.place = msgspec.json.decode(msgspec.json.encode(self.reader.place), type=Place)
        self.reader.close()
        self.reader = None

    @precondition(lambda self: not self.running())
    @rule()
    def start(self) -> None:
        if self.reader is None:
            self.reader = Follower(self.path, self.place, self.clock)

    @precondition(running)
    @rule()
    def time_goes_by(self) -> None:
        """Whoever is told to reopen does so in time."""
        self.reopen()
        self.read_all()
        self.clock.advance(LINGER + 1)


TestFollow = Log.TestCase
TestFollow.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
