"""Failures told over several lines of one session (`<F-MLFID>`): gathered until the address is known. Pure.

As fail2ban does it: a line that is no failure by itself (`<F-NOFAIL>`) waits, a
success (`<F-MLFGAINED>`) takes back what waited unless somebody tried several
users, and a session ends with `<F-MLFFORGET>`.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from gatepost.ban.fail2ban.engine import Groups

MAX_SESSIONS = 1000
MAX_USERS = 100
MAX_SILENCE = 3600.0
"""Seconds after which a session that said nothing is over, whose name another one may have now."""


@dataclass(slots=True)
class Session:
    """What is known of one."""

    said: dict[str, bytes] = field(default_factory=dict)
    source: bytes = b""
    """The line that told the address."""
    users: set[bytes] = field(default_factory=set)
    pending: bool = False
    """A failure waits for the address."""
    last: float | None = None
    """When its last line was written, in seconds; None when that cannot be told."""


class Sessions:
    """Those that were seen lately."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Session] = OrderedDict()

    def take(self, name: bytes, found: Groups, source: bytes, time: float | None) -> Session | None:
        """What a line adds to a session; None when it is no failure, or not yet one of anybody.

        `source` is the line when it tells an address, else empty; `time` is the line's own, in seconds.
        """
        said = {key: value for key, value in found.items() if value is not None}
        gained = bool(said.get("mlfgained"))
        if gained:
            said.setdefault("nofail", said["mlfgained"])
        forget = bool(said.pop("mlfforget", b""))
        session = self._session(name, time, forget=forget)
        session.last = time
        if gained:
            session.pending = False
        self._merge(session, said, source)
        if session.pending or len(session.users) > 1:
            session.said.pop("nofail", None)
        session.pending = False
        if session.said.get("nofail"):
            return None
        if not any(session.said.get(key) is not None for key in ("ip4", "ip6", "dns", "fid")):
            session.pending = True
            return None
        return session

    def _session(self, name: bytes, time: float | None, *, forget: bool) -> Session:
        """The session; a new one is kept unless it ends with this line."""
        known = self._known.pop(name, None) if forget else self._known.get(name)
        if known is not None and not _is_over(known, time):
            return known
        session = Session()
        if not forget:
            self._known[name] = session
            if len(self._known) > MAX_SESSIONS:
                self._known.popitem(last=False)
        return session

    @staticmethod
    def _merge(session: Session, said: dict[str, bytes], source: bytes) -> None:
        session.said.pop("nofail", None)
        session.said.pop("mlfgained", None)
        session.said.update(said)
        if source:
            session.source = source
        user = said.get("user")
        if user and len(session.users) < MAX_USERS:
            session.users.add(user)

    def forget(self) -> None:
        """Begin anew."""
        self._known.clear()


def _is_over(session: Session, time: float | None) -> bool:
    return time is not None and session.last is not None and abs(time - session.last) > MAX_SILENCE
