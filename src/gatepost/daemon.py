"""The daemon: joins the parts, answers until it is told to stop, and takes a new configuration without a gap.

Start: sockets first (a port that is taken ends it with status 2, and says
whose it is), then the parts, one look at lists and resolver, then it answers.
SIGTERM and SIGINT drain and end it; SIGHUP and `gatepost reload` read the
configuration anew: new parts are made beside the old ones and swapped in; a
file with errors changes nothing and is reported.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvloop

from gatepost import __version__
from gatepost.assemble import Parts, assemble
from gatepost.clock import Clock, SystemClock
from gatepost.config.problem import ConfigError
from gatepost.config.schema import Config
from gatepost.control import Commands
from gatepost.guard import Guard
from gatepost.model import Request, Verdict
from gatepost.observe.background import begin
from gatepost.observe.log import LineWriter, set_up
from gatepost.observe.record import Recorder
from gatepost.server.activation import inherited
from gatepost.server.control import ControlServer
from gatepost.server.listen import open_listeners, raise_file_limit
from gatepost.server.notify import Notifier
from gatepost.server.place import Listener, ListenError, TakenError
from gatepost.server.policy import PolicyServer
from gatepost.store.base import Store, StoreError
from gatepost.store.open import open_store

log = logging.getLogger("gatepost")

FOLLOW_SECONDS = 2.0
"""How soon a change in a followed file or in the own lists counts."""
EXPIRE_SECONDS = 60.0
SWITCH_SECONDS = 0.0005
"""How long Python lets one thread run while another waits. With the default of 5 ms the store's writer would
wait behind the event loop after every system call."""

Load = Callable[[], Config]
"""Reads the configuration anew; raises ConfigError."""


def run(config: Config, load: Load) -> int:
    """Run the daemon in the foreground; its exit status. `load` reads the configuration for a reload."""
    set_up(config.log)
    raise_file_limit()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        return uvloop.run(Daemon(config, load, SystemClock()).run())
    except (ListenError, StoreError) as error:
        log.error("%s", error)  # noqa: TRY400 - a sentence for people, not a traceback
        return 2


class Daemon:
    """One running daemon."""

    def __init__(self, config: Config, load: Load, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.started = time.time()
        self._load = load
        self._stop = asyncio.Event()
        self._notifier = Notifier()
        self._reloading = asyncio.Lock()
        self._looking_after: asyncio.Task[None] | None = None
        self.parts: Parts
        self.store: Store
        self.guard: Guard
        self.recorder: Recorder
        self.server: PolicyServer

    async def run(self) -> int:
        """Answer until a signal comes."""
        policy, control = self._open_sockets()
        self.store = open_store(self.config.store, self.clock)
        await self.store.open()
        if control is None and (troubles := self.store.troubles()):
            raise StoreError(troubles[0])  # the other daemon's store too, it seems
        self.guard = Guard(self.store, self.clock)
        self.parts = await assemble(self.config, self.clock, self.store, bans=self.guard.keeper)
        await self.guard.set_up(self.config, self.parts)
        await self.parts.first_look()
        lines = LineWriter(sys.stderr)
        lines.start()
        self.recorder = Recorder(self.store.journal, self.clock, lines, self.config.log.verdicts)
        self.server = PolicyServer(self.answer, self.config.listen)
        commands = ControlServer(Commands(self).table())
        self._catch_signals()
        await self.server.start(policy)
        if control:
            await commands.start(control)
        self._say_ready(policy)
        await self._until_stopped()
        self._notifier.stopping()
        log.info("stopping")
        await commands.stop()
        await self.server.stop()
        await self._close(lines)
        return 0

    def answer(self, request: Request) -> Verdict | Awaitable[Verdict]:
        """The handler of every policy request: the verdict, kept once."""
        answer = self.parts.pipeline.answer(request)
        if isinstance(answer, Verdict):
            self.recorder.record(request, answer)
            self.guard.saw(request, answer)
            return answer
        return self._answer_later(request, answer)

    async def _answer_later(self, request: Request, answer: Awaitable[Verdict]) -> Verdict:
        verdict = await answer
        self.recorder.record(request, verdict)
        self.guard.saw(request, verdict)
        return verdict

    async def reload(self) -> list[str]:
        """Take the configuration anew; what a restart would be needed for, as sentences.

        Raises:
            ConfigError: it cannot be used; the old one goes on.
        """
        async with self._reloading:
            log.info("reload: reading the configuration")
            self._notifier.reloading()
            try:
                config = self._load()
                parts = await assemble(config, self.clock, self.store, bans=self.guard.keeper)
            except ConfigError as error:
                log.error("reload: the configuration has errors, the old one goes on:\n%s", error)  # noqa: TRY400
                raise
            finally:
                self._notifier.ready()
            parts.watch.take_over(self.parts.watch)
            await parts.first_look()
            old, self.parts = self.parts, parts
            await parts.refresh_lists()  # what was entered meanwhile went to the old ones
            parts.pipeline.mails = old.pipeline.mails
            needs = _needs_restart(self.config, config)
            self.config = config
            self._look_after()
            await self.guard.set_up(config, parts)
            await old.close()
        for need in needs:
            log.warning("reload: %s", need)
        log.info("reloaded: profile=%s mode=%s", config.profile, config.mode)
        return needs

    def stop(self) -> None:
        """Begin to end."""
        self._stop.set()

    # --- the way up and down --------------------------------------------------------------------------

    def _open_sockets(self) -> tuple[list[Listener], Listener | None]:
        passed = inherited(os.environ)
        options = self.config.listen
        policy = passed["policy"] or open_listeners(options.policy, options.socket_mode, options.socket_group)
        if passed["control"]:
            return policy, passed["control"][0]
        return policy, self._open_control()

    def _open_control(self) -> Listener | None:
        """The control socket; none when another daemon has it, since mail matters more than commands."""
        where = self.config.control
        _make_folder(os.path.dirname(where.socket))  # noqa: PTH120
        try:
            return open_listeners([f"unix:{where.socket}"], "0660", where.group)[0]
        except TakenError:
            log.warning(
                "another daemon has the control socket %s, so commands reach that one; set [control] socket",
                where.socket,
            )
            return None

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload_by_signal)

    def _reload_by_signal(self) -> None:
        async def reload() -> None:
            with suppress(ConfigError):  # reload has said so
                await self.reload()

        self._reload_task = asyncio.ensure_future(reload())

    def _say_ready(self, policy: list[Listener]) -> None:
        where = " ".join(listener.place for listener in policy)
        for note in (*self.config.warnings, *self.parts.notes(), *self.guard.notes()):
            log.warning("%s", note)
        log.info(
            "gatepost %s ready to answer on %s profile=%s mode=%s",
            __version__,
            where,
            self.config.profile,
            self.config.mode,
        )
        self._notifier.ready(f"answering on {where}")

    async def _until_stopped(self) -> None:
        self._look_after()
        background = [
            begin(work) for work in (self._follow(), self._expire(), self.guard.run(), self._notifier.watch())
        ]
        await self._stop.wait()
        if self._looking_after:
            background.append(self._looking_after)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)

    def _look_after(self) -> None:
        if self._looking_after:
            self._looking_after.cancel()
        self._looking_after = begin(self.parts.look_after())

    async def _close(self, lines: LineWriter) -> None:
        await self.guard.close()
        await self.parts.close()
        await self.store.close()
        lines.stop()
        self._notifier.close()

    # --- in the background ----------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Take over what changes in followed files and in the own lists."""
        seen = -1
        while True:
            parts = self.parts
            await asyncio.to_thread(parts.access.refresh)
            with suppress(StoreError):
                version = await self.store.lists.version()
                if version != seen:
                    seen = version
                    await parts.refresh_lists()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def _expire(self) -> None:
        """Forget what is over."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            now = self.clock.now()
            with suppress(StoreError):  # trouble of one file must not keep the other from being tidied
                await self.store.greylist.expire(now, self.parts.greylist.terms)
            with suppress(StoreError):
                await self.store.journal.expire(now)


def _needs_restart(old: Config, new: Config) -> list[str]:
    """What a reload cannot change, in words."""
    return [
        f"[{name}] changed; that needs a restart"
        for name in ("listen", "store", "control", "log")
        if getattr(old, name) != getattr(new, name)
    ]


def _make_folder(path: str) -> None:
    """Make the folder of the control socket; only we and our group may enter."""
    try:
        os.makedirs(path, mode=0o750, exist_ok=True)  # noqa: PTH103
    except OSError as error:
        raise ListenError(
            f"the folder {path} of the control socket cannot be made: {error.strerror}"
        ) from None
