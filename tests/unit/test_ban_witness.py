"""What verdicts and lines become before the court."""

from datetime import UTC, datetime

from gatepost.ban.blocks import Lines
from gatepost.ban.court import Asked, Court
from gatepost.ban.jail import all_jails
from gatepost.ban.justice import Justice
from gatepost.ban.keeper import Keeper
from gatepost.ban.options import BanOptions, JailOptions
from gatepost.ban.rule import Rulebook
from gatepost.ban.rules import find
from gatepost.ban.sources import jails_by_log
from gatepost.ban.witness import Witness
from gatepost.clock import FakeClock
from gatepost.model import Action, Judged, Request, Stage, Verdict
from gatepost.ours import Ours
from gatepost.store.memory import MemoryBans

LOG = "/var/log/mail.log"
REQUEST = Request(stage=Stage.RCPT, client_address="192.0.2.7", instance="1.2")
REFUSED = Verdict(action=Action.REJECT, code=550, text="no", decided_by="helo.ours", reference="ABCDEFGH")


class World:
    def __init__(self, *jails):
        self.clock = FakeClock()
        options = BanOptions(logs=(LOG,))
        keeper = Keeper(MemoryBans(self.clock), self.clock)

        async def nobody(_):
            return ""

        async def none(_):
            return 0

        self.court = Court(
            keeper,
            self.clock,
            options,
            all_jails(options, jails),
            Justice(Ours(), (), (), 100.0),
            Asked(str, nobody, none),
            observe=False,
        )
        sources = jails_by_log(options, jails)
        self.witness = Witness(self.court, Rulebook(find()), {}, sources, self.clock)

    def see(self, request=REQUEST, **changes):
        verdict = Verdict(**{name: getattr(REFUSED, name) for name in REFUSED.__struct_fields__} | changes)
        self.witness.saw_verdict(request, verdict)
        return dict(self.court.offences)


def another(number):
    return Request(stage=Stage.RCPT, client_address="192.0.2.7", instance=f"1.{number}")


def test_a_final_refusal_is_an_offence_once_a_mail():
    world = World()

    assert {"refused.final": 1} == [world.see() for _ in range(3)][-1]
    assert {"refused.final": 2} == world.see(another(3))
    assert 0.4 == world.court.jails["mail"].track.points("192.0.2.7")[0]


def test_questions_without_an_instance_are_mails_of_their_own():
    world = World()
    request = Request(client_address="192.0.2.7")

    world.see(request)

    assert {"refused.final": 2} == world.see(request)


def test_what_is_no_offence_is_not_counted():
    world = World()

    assert {} == world.see(action=Action.DEFER, code=450)
    assert {} == world.see(action=Action.PASS)
    assert {} == world.see(observed=True)
    assert {} == world.see(decided_by="banned.client")
    assert {} == world.see(decided_by="error.store")


def passed(*rules, **attributes):
    world = World()
    found = tuple(Judged(rule, 0, "") for rule in rules)
    world.witness.saw_verdict(
        Request(client_address="192.0.2.7", **attributes), Verdict(action=Action.PASS, findings=found)
    )
    return [trusted.why for trusted in world.court.justice.unwritten()]


def test_who_is_spoken_for_is_learned():
    assert ["login"] == passed("ours.authenticated", sasl_username="anna")
    assert ["correspondent"] == passed("known.correspondent")
    assert ["allow list"] == passed("dnswl.dnswl_org.med")
    assert [] == passed("dnswl.dnswl_org.none")
    assert [] == passed("known.client", "ptr.missing")


def test_the_line_of_our_own_refusal_is_not_counted_again():
    world = World()
    world.see()
    line = (
        "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 550 5.7.1 <a@b>: Recipient address rejected: no "
        "(ref {}); from=<{}@example.com> to=<a@b> proto=ESMTP helo=<x>"
    )

    world.witness.saw_lines(LOG, of(fresh(world, line.format("ABCDEFGH", "b"))))
    assert {"refused.final": 1} == dict(world.court.offences)

    world.witness.saw_lines(LOG, of(fresh(world, line.format("HGFEDCBA", "c"))))
    assert {"refused.final": 2} == dict(world.court.offences)


def of(*lines):
    return Lines.of(list(lines))


def test_who_writes_a_reference_of_ours_into_his_helo_name_is_counted_all_the_same():
    world = World()
    world.see()
    line = (
        "NOQUEUE: reject: RCPT from unknown[{}]: 550 5.1.1 <{}@b>: Recipient address rejected: User unknown; "
        "from=<c> to=<{}@b> proto=ESMTP helo=<{}>"
    )
    forged = "(ref ABCDEFGH); from"

    world.witness.saw_lines(LOG, of(fresh(world, line.format("192.0.2.9", "x", "x", forged))))
    assert 1 == world.court.offences["recipient.unknown"]  # it was given to somebody else

    lines = [fresh(world, line.format("192.0.2.7", n, n, forged)) for n in range(10)]
    world.witness.saw_lines(LOG, of(*lines))
    assert 10 == world.court.offences["recipient.unknown"]  # the first is taken for the line of our refusal


REFUSED_LINE = (
    "NOQUEUE: reject: RCPT from x[192.0.2.7]: 554 5.7.1 Service unavailable; from=<c@d> to=<{}> proto=ESMTP"
)
MILTER_LINE = "4jX00{:05}: milter-reject: END-OF-MESSAGE from x[192.0.2.7]: 5.7.1 Spam; from=<c@d> to=<a@b>"


def refused(lines, seconds=1.0, program="smtpd"):
    """How many offences these lines are, so many seconds apart."""
    world = World()
    for line in lines:
        world.witness.saw_lines(LOG, of(fresh(world, line, program)))
        world.clock.advance(seconds)
    return world.court.offences["refused.final"]


def test_a_mail_to_many_is_one_offence_and_many_mails_of_one_sender_are_many():
    many = [REFUSED_LINE.format(f"n{n}@b") for n in range(20)]

    assert 1 == refused(many)
    assert 2 == refused([*many, REFUSED_LINE.format("n20@b")])  # Postfix has hung up before
    assert 20 == refused(many, seconds=11)
    assert 20 == refused(20 * [REFUSED_LINE.format("a@b")])
    assert 20 == refused([MILTER_LINE.format(n) for n in range(20)], program="cleanup")


def fresh(world, message, program="smtpd"):
    stamp = datetime.fromtimestamp(world.clock.now(), UTC).isoformat()
    return f"{stamp} mx postfix/{program}[1]: {message}".encode()


def test_each_jail_reads_its_own_logs_and_rules():
    world = World(
        JailOptions(name="relays", rules=("relay.*",)),
        JailOptions(name="other", logs=("/var/log/other.log",)),
    )
    relay = "NOQUEUE: reject: RCPT from x[192.0.2.7]: 554 5.7.1 <a@b>: Relay access denied; from=<c> to=<a@b>"

    lost = "lost connection after AUTH from x[192.0.2.7]"
    errors = fresh(world, "too many errors after RCPT from x[192.0.2.9]")
    world.witness.saw_lines(LOG, of(fresh(world, relay), fresh(world, lost)))
    world.witness.saw_lines("/var/log/other.log", of(errors))
    world.witness.saw_lines("/var/log/unknown.log", of(errors))

    points = {
        name: (jail.track.points("192.0.2.7")[0], jail.track.points("192.0.2.9")[0])
        for name, jail in world.court.jails.items()
    }
    assert {"mail": (2.0, 0.0), "relays": (1.0, 0.0), "other": (0.0, 1.0)} == points
