"""Counts offences and says when it is enough. Pure: times come with the offences.

A window slides over each network's offences. IPv6 clients are counted by /64,
and all their neighbours together by /56 and /48, where more is needed, and from
several of them: who owns a /48 can use an address for each mail. What is
remembered is bounded: by time, for each network, and in all.
"""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from gatepost.ban.offence import Offence
from gatepost.network import group, parse_address

EVIDENCE = 3
"""Lines kept of what shows the offences of one network."""


class Level(msgspec.Struct, frozen=True):
    """How wide a network is counted, and what is enough for it."""

    bits: int
    factor: float = 1.0
    """So many times the points that are enough for the narrowest."""
    members: int = 1
    """So many networks of the level below must have offended."""


IPV4 = (Level(32),)
IPV4_WIDER = (Level(32), Level(24, 4.0, 4))
IPV6 = (Level(64),)
IPV6_WIDER = (Level(64), Level(56, 2.0, 3), Level(48, 4.0, 3))


class Sentence(msgspec.Struct, frozen=True):
    """It is enough: this network is to be banned."""

    network: str
    time: float
    """Of the offence that was one too many."""
    address: str
    """Of the client whose offence that was."""
    offences: int
    points: float
    rules: tuple[tuple[str, int], ...]
    """What was done, and how often; the most frequent first."""
    evidence: tuple[str, ...]
    wide: bool
    """Wider than one client: its neighbours are shut out, too."""


class _Window(msgspec.Struct):
    """The offences of one network that still count."""

    times: list[float]
    weights: list[float]
    rules: list[str]
    members: list[str]
    evidence: list[str]
    points: float = 0.0


class Track:
    """The offences of one jail."""

    def __init__(
        self,
        findtime: float,
        enough: float,
        *,
        ipv4: tuple[Level, ...] = IPV4,
        ipv6: tuple[Level, ...] = IPV6_WIDER,
        most: int = 50_000,
    ) -> None:
        """Count offences within `findtime` seconds; `enough` points are enough; `most` windows are kept."""
        self._findtime = findtime
        self._enough = enough
        self._levels = {4: ipv4, 6: ipv6}
        self._most = most
        self._windows: dict[str, _Window | Offence] = {}
        """By network; of one that offended once the offence itself, which takes a third of the room."""
        self._networks = lru_cache(16384)(self._find_networks)

    def __len__(self) -> int:
        return len(self._windows)

    def offend(self, offence: Offence) -> list[Sentence]:
        """Count one offence; the networks that it is one too many for, the narrowest first."""
        if offence.weight <= 0:
            return []
        found: list[Sentence] = []
        member = offence.address
        for network, level in self._networks(offence.address):
            sentence = self._count(network, level, member, offence)
            if sentence:
                found.append(sentence)
            member = network
        return found

    def points(self, address: str) -> tuple[float, tuple[tuple[str, int], ...], tuple[str, ...]]:
        """What is counted against this client now: points, what was done how often, and evidence."""
        networks = self._networks(address)
        found = self._windows.get(networks[0][0]) if networks else None
        if found is None:
            return 0.0, (), ()
        window = _opened(found, address)
        return window.points, tuple(Counter(window.rules).most_common()), tuple(window.evidence)

    def forgive(self, address: str) -> None:
        """Forget what is counted against this client, or this network."""
        self._windows.pop(address, None)
        for network, level in self._networks(address):
            if level.members == 1:
                self._windows.pop(network, None)

    def forget(self, before: float) -> None:
        """Let go of what cannot count any more."""
        over = [network for network, window in self._windows.items() if _last(window) < before]
        for network in over:
            del self._windows[network]

    def _find_networks(self, address: str) -> tuple[tuple[str, Level], ...]:
        if len(self._levels[4]) == 1 and address.replace(".", "").isdigit():  # as nearly all are
            return ((address, self._levels[4][0]),)
        parsed = parse_address(address)
        if parsed is None:
            return ()
        levels = self._levels[parsed.version]
        return tuple((group(parsed, level.bits, level.bits), level) for level in levels)

    def _count(self, network: str, level: Level, member: str, offence: Offence) -> Sentence | None:
        known, enough = self._windows.get(network), self._enough * level.factor
        if known is None:
            self._make_room(offence.time)
            if offence.weight < enough or level.members > 1:
                self._windows[network] = offence
                return None
        window = self._window(network, known, offence)
        if level.members > 1:  # one member alone is judged by itself, and takes no room from the others
            _make_room(window, member, enough / level.members)
        _add(window, member, offence)
        if window.points + 1e-9 < enough or len(set(window.members)) < level.members:
            return None
        del self._windows[network]
        return _sentence(network, window, offence, wide=level.members > 1)

    def _window(self, network: str, known: _Window | Offence | None, offence: Offence) -> _Window:
        """What is counted of a network, without what is too long ago."""
        window = (
            _Window([], [], [], [], []) if known is None else _opened(known, self._member(network, known))
        )
        self._windows[network] = window
        if window.times and offence.time - window.times[0] > self._findtime:
            _prune(window, offence.time - self._findtime)
        return window

    def _member(self, network: str, known: _Window | Offence | None) -> str:
        """Of which network of the level below the one offence is that is all that is known."""
        if not isinstance(known, Offence):
            return ""
        member = known.address
        for name, _ in self._networks(known.address):
            if name == network:
                break
            member = name
        return member

    def _make_room(self, now: float) -> None:
        if len(self._windows) >= self._most:
            self.forget(now - self._findtime)
            for oldest in list(self._windows)[: max(0, len(self._windows) - self._most * 9 // 10)]:
                del self._windows[oldest]


def _opened(known: _Window | Offence, member: str) -> _Window:
    if isinstance(known, _Window):
        return known
    window = _Window([], [], [], [], [])
    _add(window, member, known)
    return window


def _last(known: _Window | Offence) -> float:
    return known.times[-1] if isinstance(known, _Window) else known.time


def _add(window: _Window, member: str, offence: Offence) -> None:
    window.times.append(offence.time)
    window.weights.append(offence.weight)
    window.rules.append(offence.rule)
    window.members.append(member)
    window.points += offence.weight
    if len(window.evidence) >= EVIDENCE:
        del window.evidence[1]  # the first is kept, and the latest
    window.evidence.append(offence.evidence)


def _make_room(window: _Window, member: str, most: float) -> None:
    """Let go of the oldest offences of one member when it has so many points already."""
    own = [at for at, name in enumerate(window.members) if name == member]
    points = sum(window.weights[at] for at in own)
    for gone, at in enumerate(own):
        if points < most:
            break
        points -= window.weights[at - gone]
        _drop(window, at - gone, at - gone + 1)


def _prune(window: _Window, before: float) -> None:
    """Let go of offences before that time. They stand in the order in which they were met."""
    gone = next((at for at, time in enumerate(window.times) if time >= before), len(window.times))
    _drop(window, 0, gone)
    if not window.times:
        window.evidence.clear()


def _drop(window: _Window, first: int, end: int) -> None:
    """Let go of some offences."""
    gone = slice(first, end)
    window.points -= sum(window.weights[gone])
    del window.times[gone], window.weights[gone], window.rules[gone], window.members[gone]
    if not window.times:
        window.points = 0.0  # what adding and taking away left over


def _sentence(network: str, window: _Window, last: Offence, *, wide: bool) -> Sentence:
    return Sentence(
        network=network,
        time=last.time,
        address=last.address,
        offences=len(window.times),
        points=round(window.points, 3),
        rules=tuple(Counter(window.rules).most_common()),
        evidence=tuple(window.evidence),
        wide=wide,
    )


def reason(sentence: Sentence, findtime: float) -> str:
    """Why, in words."""
    done: Iterable[str] = (f"{rule} {count}x" for rule, count in sentence.rules)
    return f"{', '.join(done)} within {findtime:.0f} s"
