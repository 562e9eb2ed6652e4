"""Mail that flows while something else is done: servers that come back, users, bots, and long sessions.

Every connection is recorded whole. Threads are few, and each ends by itself
after LIMIT mails or SECONDS.
"""

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import msgspec

from gatepost.lab import cast
from gatepost.lab.cast import Actor
from gatepost.lab.client import Dialogue, Reply, SmtpDoor, Try, greet, offer, visit
from gatepost.lab.compare import Session
from gatepost.lab.dialogues import letters
from gatepost.lab.internet import Internet
from gatepost.lab.processes import wait_for

SENDERS = ("honest", "honest6", "literal", "trio", "user", "printer", "bot", "relayer", "zen-sbl", "no-ptr")
"""Actors that connect anew for each mail, and come back when told to wait."""
LONG = ("carol", "user")
"""Actors that keep one connection and send mail after mail in it."""
LIMIT = 500
SECONDS = 90.0
PAUSE = 0.1
"""Between two mails of a sender."""
PATIENCE = 30.0


class Flow:
    """What was seen of the traffic."""

    def __init__(self) -> None:
        self._sessions: list[Session] = []
        self._lock = threading.Lock()

    @property
    def sessions(self) -> list[Session]:
        """So far; one that is under way is not there yet."""
        with self._lock:
            return list(self._sessions)

    def add(self, session: Session) -> None:
        """Another connection that has ended."""
        with self._lock:
            self._sessions.append(session)

    def settle(self, seconds: float, rounds: int = 3) -> None:
        """Return after so many seconds, when each that connects anew has been served so often since.

        Raises:
            LabError: it does not come to that.
        """
        start = time.monotonic()
        time.sleep(seconds)

        def served() -> bool:
            counts = Counter(one.who for one in self.sessions if one.began > start)
            return all(counts[who] >= rounds for who in SENDERS)

        wait_for("mail that flows", served, PATIENCE)


@contextlib.contextmanager
def flowing(net: Internet, pause: float, turn: str) -> Iterator[Flow]:
    """Let mail flow while the block runs.

    Servers come back after `pause` seconds; `turn` goes into the senders' names.
    """
    actors = {actor.key: actor for actor in cast.everybody()}
    flow, done = Flow(), threading.Event()
    senders = [_Sender(actors[key], flow, done, turn) for key in SENDERS]
    longs = [_Sender(actors[key], flow, done, turn) for key in LONG]
    jobs = [*((one.come_and_go, pause) for one in senders), *((one.stay, pause) for one in longs)]
    threads = [threading.Thread(target=_inside, args=(net, work, pause)) for work, pause in jobs]
    for thread in threads:
        thread.start()
    try:
        yield flow
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _inside(net: Internet, work: Callable[[float], None], pause: float) -> None:
    net.enter()
    work(pause)


class _Sender:
    """One actor of the traffic, in its thread."""

    def __init__(self, actor: Actor, flow: Flow, done: threading.Event, turn: str) -> None:
        self.actor = actor
        self.flow = flow
        self.done = done
        self.turn = turn
        self.until = time.monotonic() + SECONDS
        self.server = cast.OUR_ADDRESS_V6 if ":" in actor.address else cast.OUR_ADDRESS

    def _goes_on(self) -> bool:
        return not self.done.is_set() and time.monotonic() < self.until

    def _mails(self) -> Iterator[Actor]:
        """The actor, as another sender for each mail where it is a stranger."""
        for number in itertools.islice(itertools.count(), LIMIT):
            if not self._goes_on():
                return
            name, _, domain = self.actor.sender.partition("@")
            own = domain == cast.OUR_DOMAIN
            sender = self.actor.sender if own else f"{name}.{self.turn}.{letters(number)}@{domain}"
            yield msgspec.structs.replace(self.actor, sender=sender)
            self.done.wait(PAUSE)

    def come_and_go(self, pause: float) -> None:
        """Connect for each mail."""
        for actor in self._mails():
            visit(actor, self, (self.server, self.server), pause, self._wait)

    def knock(self, actor: Actor, recipients: tuple[str, ...], server: str) -> Try:
        """Offer a mail once, and record the connection."""
        began = time.monotonic()
        found = SmtpDoor().knock(actor, recipients, server)
        self.flow.add(Session(actor.key, began, time.monotonic(), found.replies))
        return found

    def stay(self, pause: float) -> None:
        """Send mail after mail in one connection."""
        began, who = time.monotonic(), f"{self.actor.key}, in one session"
        try:
            dialogue = Dialogue(self.actor.address, self.server, self.actor.port)
        except OSError as error:
            broken = Reply("(connected)", 0, str(error))
            self.flow.add(Session(who, began, time.monotonic(), (broken,)))
            return
        with contextlib.closing(dialogue):
            greet(dialogue, self.actor)
            while self._goes_on() and dialogue.replies[-1].code:
                settled = offer(dialogue, self.actor, self.actor.recipients).values()
                if all(reply.code >= 400 for reply in settled):
                    dialogue.say("RSET")
                    self.done.wait(pause)
                self.done.wait(PAUSE)
            dialogue.say("QUIT")
        self.flow.add(Session(who, began, time.monotonic(), tuple(dialogue.replies)))

    def _wait(self, seconds: float) -> None:
        self.done.wait(seconds)
