"""Who is banned, for how long, and who never is."""

import asyncio
from dataclasses import dataclass, field

import msgspec
import pytest

from gatepost.ban.court import Asked, Court
from gatepost.ban.jail import all_jails
from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Change, Keeper
from gatepost.ban.offence import Offence
from gatepost.ban.options import BanOptions, JailOptions
from gatepost.ban.table import BanTable
from gatepost.clock import FakeClock
from gatepost.network import NetworkSet, parse_address, parse_network
from gatepost.options import Duration
from gatepost.ours import Ours
from gatepost.store.base import Ban, StoreError, Trusted
from gatepost.store.memory import MemoryBans

GUESSER, ADMIN = "192.0.2.7", "192.0.2.8"


@dataclass
class World:
    """A court with its clock, and what it is told when it asks."""

    options: BanOptions = field(default_factory=BanOptions)
    jails: tuple[JailOptions, ...] = ()
    ours: tuple[str, ...] = ("10.0.0.0/8",)
    observe: bool = False
    trouble: str = ""
    senders: int = 0
    speaks: str = ""

    def __post_init__(self):
        self.clock = FakeClock()
        self.store = MemoryBans(self.clock)
        self.keeper = Keeper(self.store, self.clock)
        ours = Ours(networks=NetworkSet(parse_network(n) for n in self.ours), addresses=())
        own = [parse_address("172.17.0.1")]
        self.justice = Justice(ours, self.options.never, own, self.options.trust)
        asked = Asked(lambda: self.trouble, self._speaks_for, self._senders)
        jails = all_jails(self.options, self.jails)
        self.court = Court(
            self.keeper, self.clock, self.options, jails, self.justice, asked, observe=self.observe
        )

    async def _speaks_for(self, _address):
        return self.speaks

    async def _senders(self, _network):
        return self.senders

    def offend(self, address=GUESSER, times=5, *, jail="mail", rule="auth.failed", weight=1.0):
        """Let somebody offend, and the court judge; the networks in force afterwards."""

        async def play():
            work = asyncio.ensure_future(self.court.run())
            for n in range(times):
                seen = Offence(self.clock.now(), address, rule, weight, f"line {n}")
                self.court.accuse(self.court.jails[jail], seen)
            for _ in range(20):
                await asyncio.sleep(0)
            work.cancel()

        asyncio.run(play())
        return self.banned()

    def banned(self):
        self.keeper.table.forget_over(self.clock.now())
        return [ban.network for ban in self.keeper.table]

    def ban(self, network=GUESSER):
        return self.keeper.table.get(network)


def test_a_guesser_is_banned_and_that_is_kept():
    world = World()

    assert [] == world.offend(times=4)
    assert [GUESSER] == world.offend(times=1)
    ban = world.ban()
    assert (3600.0, 1, 5, "jail mail") == (ban.until - ban.since, ban.times, ban.offences, ban.origin)
    assert "auth.failed 5x" in ban.reason
    assert [ban] == asyncio.run(world.store.active(world.clock.now()))


def test_while_banned_nothing_more_is_counted():
    world = World()
    world.offend()

    world.offend(times=50)

    assert 5 == world.court.offences["auth.failed"]


def test_a_ban_ends_by_itself_and_the_next_is_longer():
    world = World()
    lengths = []
    for _ in range(10):
        world.offend()
        ban = world.ban()
        lengths.append((ban.until - ban.since) / 3600)
        world.clock.advance(ban.until - ban.since)
        assert [] == world.banned()

    assert [1, 2, 4, 8, 16, 32, 64, 128, 168, 168] == lengths


def test_who_behaves_for_a_month_is_a_stranger_again():
    world = World()
    world.offend()
    world.clock.advance(3600 + 30 * 86400 + 1)

    world.offend()

    assert 1 == world.ban().times


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "127.0.0.1", "::1", "fe80::1", "169.254.1.1", "172.17.0.1", "203.0.113.5"]
)
def test_some_are_never_banned(address):
    world = World(options=BanOptions(never=("203.0.113.0/24",)))

    assert [] == world.offend(address, times=50)
    assert 50 == len(world.court.spared)


@pytest.mark.parametrize("why", ["login", "correspondent", "allow list"])
def test_whom_somebody_speaks_for_is_spared_for_a_time(why):
    world = World(options=BanOptions(trust=Duration(100)))
    world.court.speak(ADMIN, why)

    assert [] == world.offend(ADMIN, times=50)
    world.clock.advance(101)
    assert [ADMIN] == world.offend(ADMIN)


def test_who_mistypes_a_password_and_then_gets_it_right_starts_anew():
    world = World(options=BanOptions(trust=Duration(0)))
    world.offend(ADMIN, times=4)
    world.court.speak(ADMIN, "login")
    world.clock.advance(1)

    assert [] == world.offend(ADMIN, times=4)


def test_whom_a_list_speaks_for_is_asked_before_the_ban():
    world = World(speaks="allow list")

    assert [] == world.offend()
    assert "allow list speaks for it" == world.court.spared[-1].why
    assert [] == world.offend(times=50)


def test_nothing_is_counted_while_we_are_ill():
    world = World(trouble="the resolver is ill")

    assert [] == world.offend(times=50)
    assert 50 == world.court.suspended
    world.trouble = ""
    assert [] == world.offend(times=4)


def test_in_observe_mode_nobody_is_banned_and_who_would_have_been_is_told():
    world = World(observe=True)

    assert [] == world.offend()
    assert [GUESSER] == [ban.network for ban in world.court.observed]


def test_a_wide_ban_that_covers_senders_is_not_made():
    world = World(senders=3)
    many = {network for n in range(40) for network in world.offend(f"2001:db8:7:{n * 256:x}::1", times=1)}

    assert set() == many
    assert "3 senders in it delivered mail lately" == world.court.spared[-1].why


def test_a_wide_network_is_asked_about_once_in_a_while_however_it_hammers():
    world = World(senders=3)
    asked = []
    count = world.court._asked.senders

    async def senders(network):
        asked.append(network)
        return await count(network)

    world.court._asked = msgspec.structs.replace(world.court._asked, senders=senders)
    for n in range(200):
        world.offend(f"2001:db8:7:{n * 256:x}::1", times=1)

    assert ["2001:db8:7::/48"] == asked
    world.clock.advance(601)
    for n in range(40):
        world.offend(f"2001:db8:7:{n * 256:x}::1", times=1)
    assert 2 == len(asked)


def test_a_wide_ban_that_covers_nobody_is_made():
    world = World()

    for n in range(20):
        world.offend(f"2001:db8:7:{n * 256:x}::1", times=1)

    assert ["2001:db8:7::/48"] == world.banned()
    assert "neighbours" in world.ban("2001:db8:7::/48").origin


def test_a_wide_ban_that_covers_somebody_trusted_is_not_made():
    world = World()
    world.court.speak("2001:db8:7:9999::1", "login")

    for n in range(20):
        world.offend(f"2001:db8:7:{n * 256:x}::1", times=1)

    assert [] == world.banned()


def test_who_waits_for_the_court_makes_it_forget_no_sentence():
    world = World(options=BanOptions(tracked=100_000))

    async def play():
        work = asyncio.ensure_future(world.court.run())
        for n in range(12_000):
            seen = Offence(world.clock.now(), f"203.{n >> 16}.{n >> 8 & 255}.{n & 255}", "auth.failed", 5.0)
            world.court.accuse(world.court.jails["mail"], seen)
            if n % 1000 == 0:
                await world.court.caught_up()
        while len(world.keeper.table) < 12_000:
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(asyncio.wait_for(play(), 60))

    assert 12_000 == world.court.banned


def test_a_jail_has_its_own_terms_and_exceptions():
    guide = JailOptions(
        name="guide", filter="x <HOST>", maxretry=2, bantime=Duration(60), ignoreip="::1 192.0.2.8 x.y"
    )
    world = World(jails=(guide,))

    assert [] == world.offend(ADMIN, times=9, jail="guide")
    assert [GUESSER] == world.offend(times=2, jail="guide")
    assert (60.0, "jail guide") == (world.ban().until - world.ban().since, world.ban().origin)


@pytest.mark.parametrize("own", [600, 7200])
def test_of_several_jails_that_sentence_somebody_for_the_same_the_longest_ban_holds(own):
    world = World(jails=(JailOptions(name="own", bantime=Duration(own)),))

    async def play():
        work = asyncio.ensure_future(world.court.run())
        for _ in range(5):
            for jail in world.court.jails.values():
                world.court.accuse(jail, Offence(world.clock.now(), GUESSER, "auth.failed"))
        for _ in range(20):
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(play())

    assert (max(own, 3600), 1) == (world.ban().until - world.ban().since, world.ban().times)


def test_a_jail_does_not_shorten_what_somebody_entered_meanwhile():
    world = World()
    by_hand = Ban(network=GUESSER, since=world.clock.now(), until=None, origin="somebody anna")

    async def play():
        judging = asyncio.Event()
        entered = asyncio.Event()

        async def slowly(_):
            judging.set()
            await entered.wait()
            return ""

        world.court._asked = Asked(str, slowly, world._senders)
        work = asyncio.ensure_future(world.court.run())
        for _ in range(5):
            world.court.accuse(world.court.jails["mail"], Offence(world.clock.now(), GUESSER, "auth.failed"))
        await judging.wait()
        await world.keeper.put([by_hand])
        entered.set()
        for _ in range(20):
            await asyncio.sleep(0)
        work.cancel()

    asyncio.run(play())

    assert by_hand == world.ban()


def test_offences_of_long_ago_count_nothing():
    world = World()
    old = Offence(world.clock.now() - 700, GUESSER, "auth.failed")

    for _ in range(50):
        world.court.accuse(world.court.jails["mail"], old)

    assert (0, 50) == (world.court.offences["auth.failed"], world.court.late)


def test_a_stamp_of_the_future_does_not_keep_offences_for_ever():
    world = World()
    ahead = Offence(world.clock.now() + 40 * 86400, GUESSER, "auth.failed")
    world.court.accuse(world.court.jails["mail"], ahead)

    for _ in range(10):
        world.clock.advance(700)
        assert [] == world.offend(times=1)


class Broken(MemoryBans):
    """A store that cannot be written."""

    async def put(self, bans):
        raise StoreError("the disk is full")


def test_a_store_that_cannot_keep_a_ban_bans_nobody_and_stops_counting():
    world = World()
    broken = Broken(world.clock)
    world.keeper._store = broken

    assert [] == world.offend()
    assert "the disk is full" == world.keeper.trouble
    asyncio.run(world.keeper.refresh())  # it can be read: that says nothing of writing
    assert "the disk is full" == world.keeper.trouble
    world.clock.advance(61)
    assert "" == world.keeper.trouble


def test_trust_is_written_once_in_a_while_and_recalled():
    world = World()
    now = world.clock.now()
    world.court.speak(ADMIN, "login")
    world.court.speak(ADMIN, "login")

    written = world.justice.unwritten()

    assert [Trusted(ADMIN, "login", now)] == written
    assert [] == world.justice.unwritten()
    again = World()
    again.justice.recall(written)
    assert [] == again.offend(ADMIN, times=9)


def test_a_reload_forgets_nothing_of_what_was_counted_or_of_whom_somebody_spoke_for():
    world, after = World(), World()
    world.offend(times=4)
    world.court.speak(ADMIN, "login")
    world.offend(ADMIN, times=1)

    after.court.take_over(world.court)

    assert [] == after.offend(ADMIN, times=50)
    assert [GUESSER] == after.offend(times=1)
    assert [ADMIN] == [trusted.address for trusted in after.justice.unwritten()]
    assert (5, 51) == (after.court.offences["auth.failed"], len(after.court.spared))


def test_what_could_not_be_written_is_still_owed():
    world = World()
    world.court.speak(ADMIN, "login")
    failed = world.justice.unwritten()
    world.court.speak(GUESSER, "login")

    world.justice.owe(failed)

    assert [ADMIN, GUESSER] == [trusted.address for trusted in world.justice.unwritten()]


@pytest.mark.parametrize("network", ["0.0.0.0/0", "10.0.0.0/7", "127.0.0.0/8", "172.16.0.0/12", "::/0"])
def test_what_covers_us_must_not_be_banned_by_anybody(network):
    assert World().justice.forbids(parse_network(network), 0.0)


# --- the keeper ---------------------------------------------------------------------------------------


def ban(clock, network, seconds=600.0):
    return Ban(network=network, since=clock.now(), until=clock.now() + seconds)


def test_what_others_change_in_the_store_is_noticed_and_told():
    async def play():
        clock = FakeClock()
        store = MemoryBans(clock)
        keeper = Keeper(store, clock)
        await keeper.put([ban(clock, "192.0.2.1"), ban(clock, "192.0.2.2")])
        watcher = keeper.watch()
        await store.put([ban(clock, "192.0.2.3")])
        await store.remove(["192.0.2.1"])
        await keeper.refresh()
        change = await watcher.next(1)
        assert (["192.0.2.3"], ("192.0.2.1",)) == ([b.network for b in change.put], change.removed)
        assert keeper.covering("192.0.2.3")
        assert keeper.covering("::ffff:192.0.2.3")
        assert keeper.covering("192.0.2.1") is None

    asyncio.run(play())


def test_a_ban_made_before_does_not_hold_for_whom_the_configuration_excepts_now():
    async def play():
        clock = FakeClock()
        keeper = Keeper(MemoryBans(clock), clock)
        await keeper.put([ban(clock, "192.0.2.1"), ban(clock, "2001:db8::/48")])

        keeper.spare(("192.0.2.0/30", "2001:db8::5/128"))

        assert keeper.covering("192.0.2.1") is None
        assert keeper.covering("2001:db8::5") is None
        assert not keeper.covers(parse_address("2001:db8::5"))
        assert keeper.covering("2001:db8::6")

    asyncio.run(play())


def test_bans_that_are_not_enforced_are_kept_and_hold_again_later():
    async def play():
        clock = FakeClock()
        keeper = Keeper(MemoryBans(clock), clock)
        await keeper.put([ban(clock, "192.0.2.1")])
        watcher = keeper.watch()

        keeper.enforce(packets=False, mail=False)
        await keeper.put([ban(clock, "192.0.2.2")])
        assert (None, ()) == (keeper.covering("192.0.2.1"), keeper.for_the_firewall)
        assert Change(removed=("192.0.2.1",)) == await watcher.next(0.01)

        keeper.enforce(packets=False, mail=True)
        assert keeper.covering("192.0.2.2")
        assert await watcher.next(0.01) is None

        keeper.enforce(packets=True, mail=True)
        both = ["192.0.2.1", "192.0.2.2"]
        change = await watcher.next(0.01)
        assert (both, both) == tuple(
            [b.network for b in some] for some in (change.put, keeper.for_the_firewall)
        )

    asyncio.run(play())


def test_a_watcher_that_is_too_slow_knows_that():
    async def play():
        keeper = Keeper(MemoryBans(), FakeClock())
        watcher = keeper.watch()
        for n in range(2000):
            await keeper.put([ban(FakeClock(), f"10.0.{n // 256}.{n % 256}")])
        assert watcher.lost

    asyncio.run(play())


def test_the_bans_in_a_network_are_found():
    clock = FakeClock()
    names = ["192.0.2.1", "192.0.2.128/25", "192.0.0.0/16", "198.51.100.1", "2001:db8:7:1::/64", "::1"]
    table = BanTable(ban(clock, name) for name in names)

    def within(text):
        return sorted(one.network for one in table.within(parse_network(text)))

    assert ["192.0.2.1", "192.0.2.128/25"] == within("192.0.2.0/24")
    assert ["192.0.2.1"] == within("192.0.2.1")
    assert [] == within("192.0.2.129")
    assert ["2001:db8:7:1::/64"] == within("2001:db8:7::/48")
    assert sorted(names[:4]) == within("0.0.0.0/0")
    assert sorted(names[4:]) == within("::/0")


def test_of_several_bans_the_longest_covers():
    async def play():
        clock = FakeClock()
        keeper = Keeper(MemoryBans(clock), clock)
        await keeper.put([ban(clock, "192.0.2.0/24", 100), ban(clock, "192.0.2.1", 50)])
        assert "192.0.2.0/24" == keeper.covering("192.0.2.1").network
        clock.advance(60)
        assert "192.0.2.0/24" == keeper.covering("192.0.2.1").network
        clock.advance(60)
        assert keeper.covering("192.0.2.1") is None

    asyncio.run(play())


def test_a_clock_that_is_set_forward_and_back_loses_no_ban():
    async def play():
        clock = FakeClock()
        store = MemoryBans(clock)
        keeper = Keeper(store, clock)
        await keeper.put([ban(clock, "192.0.2.1", 600)])
        await keeper.refresh()
        clock.advance(86400)
        await keeper.refresh()
        assert keeper.covering("192.0.2.1") is None
        clock.set_back(86400)
        await keeper.refresh()
        assert keeper.covering("192.0.2.1")

    asyncio.run(play())
