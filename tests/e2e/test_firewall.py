"""`gatepost firewall` and a real kernel: who is banned is shut out, nobody else, and nothing else changes."""

import signal
import time

import pytest

from support.firewall import (
    CLIENTS4,
    CLIENTS6,
    INSIDE,
    NFT,
    SERVER4,
    SERVER6,
    Firewall,
    Street,
    wait_until,
)

BAD, GOOD = CLIENTS4[0], CLIENTS4[1]
HEALED = 2.0
"""Seconds."""


@pytest.fixture(scope="module")
def street():
    yield from furnished_street()


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """Another street with a firewall that goes on from test to test, with one ban."""
    for street in furnished_street():
        with Firewall(tmp_path_factory.mktemp("standing"), street.server) as wall:
            wall.control.put(BAD)
            wall.wait_for(BAD)
            yield street, wall


def furnished_street():
    with Street() as made:
        listeners = [made.server.listen(SERVER4, port) for port in (25, 80)]
        listeners.append(made.server.listen("::", 587))
        listeners.append(made.container.listen(INSIDE, 25))
        yield made
        for listener in listeners:
            listener.close()


@pytest.fixture
def wall(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server) as running:
        yield running


def drop_some(street, wall, source, port=25):
    """Let a banned client try; the packets that were dropped of it."""
    assert not street.reaches(source, port)
    return wall.kernel()[source]["counter"]["packets"]


# --- who is shut out --------------------------------------------------------------------------------------


def test_who_is_banned_is_shut_out_and_nobody_else(street, wall):
    before = street.reaches(BAD)
    wall.control.put(BAD, until=time.time() + 600)
    wall.wait_for(BAD)

    assert (True, False, True) == (before, street.reaches(BAD), street.reaches(GOOD))
    assert street.reaches(BAD, 80)
    wall.control.remove(BAD)
    wall.wait_for()
    assert street.reaches(BAD)


def test_ipv6_by_network(street, wall):
    wall.control.put("2001:db8:51:1::/64")
    wall.wait_for("2001:db8:51:1::/64")

    assert [False, False, True] == [street.reaches(one, 587) for one in CLIENTS6]


def test_a_connection_that_is_established_is_dropped_too_and_its_packets_are_counted(street, wall):
    listener = street.server.listen(SERVER4, 465)
    with street.connect(BAD, 465) as guesser:
        taken, _ = listener.accept()
        guesser.sendall(b"one\n")
        first = taken.recv(100)
        wall.control.put(BAD)
        wall.wait_for(BAD)
        guesser.sendall(b"two\n")
        taken.settimeout(0.5)
        with pytest.raises(TimeoutError):
            taken.recv(100)
        taken.close()
    listener.close()

    assert b"one\n" == first
    assert wall.kernel()[BAD]["counter"]["packets"] > 0


def test_a_port_that_goes_on_to_a_container_is_closed_too(street, wall):
    forward = f"""
        table ip nat {{
            chain prerouting {{
                type nat hook prerouting priority dstnat
                tcp dport 587 dnat to {INSIDE}:25
            }}
        }}
    """
    street.server.run("nft", "-f", "-", text=forward)
    before = street.reaches(BAD, 587)
    wall.control.put(BAD)
    wall.wait_for(BAD)

    assert (True, False, True) == (before, street.reaches(BAD, 587), street.reaches(GOOD, 587))


def test_all_ports(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server, ports="all", look="1s") as wall:
        wall.control.put(BAD)
        wall.wait_for(BAD)

        assert (False, True) == (street.reaches(BAD, 80), street.reaches(GOOD, 80))
        assert "all" == wall.control.wait_for_report()["ports"]


def test_ports_that_are_named(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server, ports="80,8080") as wall:
        wall.control.put(BAD)
        wall.wait_for(BAD)

        assert (True, False) == (street.reaches(BAD, 25), street.reaches(BAD, 80))


# --- ends -------------------------------------------------------------------------------------------------


def test_a_ban_ends_on_time_by_itself(street, wall):
    until = time.time() + 2.5
    wall.control.put(BAD, until=until)
    wall.wait_for(BAD)
    closed = street.reaches(BAD)
    wall.kill()  # nobody is left to take it out
    wait_until(lambda: street.reaches(BAD), 5)

    assert not closed
    assert 0 <= time.time() - until < 1.0


def test_a_ban_that_lies_in_another_outlives_it_and_is_outlived_by_it(wall):
    now = time.time()
    wall.control.change({"192.0.2.0/24": now + 600, "192.0.2.7": now + 900, "192.0.2.9": now + 300})
    wall.wait_for("192.0.2.0-192.0.2.6", "192.0.2.7", "192.0.2.8-192.0.2.255")
    lasts = {address: told["timeout"] for address, told in wall.kernel().items()}

    assert {"192.0.2.0-192.0.2.6": 6, "192.0.2.7": 9, "192.0.2.8-192.0.2.255": 6} == {
        address: round(seconds / 100) for address, seconds in lasts.items()
    }


def test_neighbours_keep_their_own_ends(wall):
    now = time.time()
    wall.control.change({"192.0.2.0/25": now + 600, "192.0.2.128/25": now + 3600})
    wall.wait_for("192.0.2.0/25", "192.0.2.128/25")

    assert 3000 == wall.kernel()["192.0.2.128/25"]["timeout"] - wall.kernel()["192.0.2.0/25"]["timeout"]


def test_counts_are_kept_when_a_ban_lasts_longer(street, wall):
    wall.control.put(BAD, until=time.time() + 60)
    wall.wait_for(BAD)
    before = drop_some(street, wall, BAD)
    wall.control.put(BAD, until=time.time() + 6000)
    wait_until(lambda: wall.kernel()[BAD]["timeout"] > 5000)

    assert before > 0
    assert wall.kernel()[BAD]["counter"]["packets"] >= before


def test_counts_of_an_address_go_on_in_the_network_that_takes_its_place(street, wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    before = drop_some(street, wall, BAD)
    wall.control.put("198.51.100.4/30")
    wall.wait_for("198.51.100.4/30")

    assert before > 0
    assert wall.kernel()["198.51.100.4/30"]["counter"]["packets"] >= before


def test_what_was_dropped_is_reported_ban_by_ban(street, wall):
    wall.control.put(BAD, GOOD)
    wall.wait_for(BAD, GOOD)
    drop_some(street, wall, BAD)
    wall.control.put("203.0.113.9")
    report = wall.control.wait_for_report(lambda report: report["in_kernel"] == 3)

    assert {BAD} == set(report["networks"])
    assert report["networks"][BAD] == report["packets"] > 0
    assert report["bytes"] > report["packets"]
    assert ("", "25, 465, 587, 110, 143, 993, 995, 4190") == (report["trouble"], report["ports"])


# --- what others change -----------------------------------------------------------------------------------

CHANGES = {
    "the ruleset is flushed": ["flush ruleset"],
    "our table is deleted": ["delete table inet gatepost"],
    "our table is emptied of rules": ["flush table inet gatepost"],
    "a set is flushed": ["flush set inet gatepost banned4"],
    "a ban is deleted": [f"delete element inet gatepost banned4 {{ {BAD} }}"],
    "an honest client is added": [f"add element inet gatepost banned4 {{ {GOOD} }}"],
    "an honest network is added": ["add element inet gatepost banned6 { 2001:db8:51:2::/64 timeout 1h }"],
    "a commented element is added": [f'add element inet gatepost banned4 {{ {GOOD} comment "x" }}'],
    "the chain's rules are flushed": ["flush chain inet gatepost banned"],
    "a rule is put before": ["insert rule inet gatepost banned tcp dport 25 accept"],
    "a chain is added": ["add chain inet gatepost other { type filter hook input priority 0; }"],
    "a set is added": ["add set inet gatepost other { type ipv4_addr; }"],
    "the policy is changed": [
        "add chain inet gatepost banned { type filter hook prerouting priority -310; policy drop; }"
    ],
    "the chain is deleted": ["flush chain inet gatepost banned", "delete chain inet gatepost banned"],
    "the table is asleep": ["add table inet gatepost { flags dormant; }"],
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_others_change_is_healed_in_time(standing, change):
    street, wall = standing
    wall.wait_for(BAD)
    right = wall.table()
    wall.process.send_signal(signal.SIGSTOP)  # else it may be healed before it is seen
    wall.nft("-f", "-", text="\n".join(CHANGES[change]) + "\n")
    changed = wall.table()
    wall.process.send_signal(signal.SIGCONT)
    took = wait_until(lambda: wall.table() == right)

    assert changed != right
    assert took < HEALED
    assert (False, True) == (street.reaches(BAD), street.reaches(GOOD))


def test_a_rule_that_was_deleted_comes_back_and_what_it_counted_with_it(street, wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    before = drop_some(street, wall, BAD)
    wall.nft("insert", "rule", "inet", "gatepost", "banned", "tcp", "dport", "26", "accept")
    wait_until(lambda: len(wall.rules()) == 2 and "26" not in wall.nft("list", "table", "inet", "gatepost"))
    report = wall.control.wait_for_report()

    assert wall.kernel()[BAD]["counter"]["packets"] >= before > 0
    assert report["packets"] >= before


def test_what_others_do_all_the_time_to_our_table_costs_no_more_than_a_look_a_second(wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    time.sleep(1.5)
    before, end = wall.runs(), time.monotonic() + 4
    while time.monotonic() < end:
        wall.nft("add", "element", "inet", "gatepost", "banned4", "{ 203.0.113.1 }")
    runs = wall.runs() - before
    took = wait_until(lambda: set(wall.kernel()) == {BAD})

    assert took < HEALED
    assert 4 < runs < 16  # a round that mends runs nft twice


def test_what_others_do_to_their_tables_is_not_even_looked_at(wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    time.sleep(1.5)
    before = wall.runs()
    wall.nft("add", "table", "inet", "f2b")
    wall.nft("add", "set", "inet", "f2b", "banned4", "{ type ipv4_addr; }")
    for number in range(50):
        wall.nft("add", "element", "inet", "f2b", "banned4", f"{{ 203.0.113.{number} }}")

    assert before == wall.runs()


OTHERS = """
table inet filter {
    set banned4 { type ipv4_addr; flags interval; elements = { 203.0.113.0/25 } }
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @banned4 tcp dport 2525 drop comment "gatepost"
    }
}
table ip gatepost {
    chain banned {
        type filter hook prerouting priority -310; policy accept;
        tcp dport 2626 counter packets 5 bytes 7 drop
    }
}
"""


def test_tables_of_others_stay_as_they_are_to_the_byte(street, tmp_path):
    server = street.server
    server.run("nft", "flush", "ruleset")
    server.run("nft", "-f", "-", text=OTHERS)
    before = server.run("nft", "-a", "list", "ruleset")
    with Firewall(tmp_path, server) as wall:
        wall.control.put(BAD, "203.0.113.9")
        wall.wait_for(BAD, "203.0.113.9")
        wall.nft("delete", "table", "inet", "gatepost")
        wall.wait_for(BAD, "203.0.113.9")
        wall.control.remove(BAD)
        wall.wait_for("203.0.113.9")
        during = server.run("nft", "-a", "list", "ruleset")
        ours = server.run("nft", "-a", "list", "table", "inet", "gatepost")
    wall.command("--remove")

    assert before == during.replace(ours, "")
    assert before == server.run("nft", "-a", "list", "ruleset")


# --- away, and back ---------------------------------------------------------------------------------------


def test_while_the_daemon_is_away_the_kernel_holds_the_bans(street, wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    wall.control.stop()
    wall.wait_logged("the bans stay as they are")
    wall.nft("flush", "ruleset")
    wall.wait_for(BAD)
    wall.control.bans = {GOOD: None}
    wall.control.start()
    wall.wait_for(GOOD)

    assert street.reaches(BAD)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_kernel_holds_the_bans_over_a_restart_of_both(street, wall, end):
    wall.control.put(BAD, until=time.time() + 600)
    wall.wait_for(BAD)
    drop_some(street, wall, BAD)
    wall.control.stop()
    wall.process.send_signal(end)
    wall.process.wait(15)
    between = wall.where.run("nft", "-a", "list", "table", "inet", "gatepost")
    closed = street.reaches(BAD)
    wall.start()
    after = wall.where.run("nft", "-a", "list", "table", "inet", "gatepost")

    assert not closed
    assert {BAD} == set(wall.kernel())
    assert handles(between) == handles(after)  # nothing was made anew
    assert wall.kernel()[BAD]["counter"]["packets"] > 0


def handles(text):
    return [line.split("# handle")[1] for line in text.splitlines() if "# handle" in line]


def test_after_a_boot_the_bans_are_there_before_the_daemon_is(street, wall):
    wall.control.change({BAD: time.time() + 600, "192.0.2.0/24": None, "203.0.113.5": time.time() + 0.5})
    wall.wait_for(BAD, "192.0.2.0/24", "203.0.113.5")
    wall.control.stop()
    wall.kill()
    wall.nft("flush", "ruleset")
    time.sleep(0.5)
    wall.start()

    assert {BAD, "192.0.2.0/24"} == set(wall.kernel())
    assert 590 <= wall.kernel()[BAD]["timeout"] <= 600


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b"\xff\xfe", b"[1]", b'{"version": 2}', b'{"version": 1, "bans": [7]}', b"[" * 100_000],
)
def test_a_state_that_is_damaged_is_told_and_what_the_kernel_holds_stays(wall, octets):
    wall.control.change({BAD: time.time() + 600, "192.0.2.0/24": None})
    wall.wait_for(BAD, "192.0.2.0/24")
    wall.control.stop()
    wall.stop()
    (wall.state / "bans.json").write_bytes(octets)
    wall.start()

    assert {BAD, "192.0.2.0/24"} == set(wall.kernel())
    assert "bans.json" in wall.logged()
    assert "Traceback" not in wall.logged()
    wall.control.bans = {GOOD: None}
    wall.control.start()
    wall.wait_for(GOOD)


def test_a_state_that_leads_elsewhere_is_not_followed(wall, tmp_path):
    wall.stop()
    file = wall.state / "bans.json"
    file.unlink()
    file.symlink_to("/etc/passwd")
    wall.start()

    assert "cannot be read" in wall.logged()
    assert not file.is_symlink()


def test_without_a_daemon_it_starts_and_shuts_nobody_out(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    wall = Firewall(tmp_path, street.server)
    wall.start()
    wall.wait_for()

    assert 2 == len(wall.rules())
    assert 0 == wall.stop()


# --- who is never shut out --------------------------------------------------------------------------------

NEVER = {
    SERVER4: "it is an address of this machine",
    SERVER6: "it is an address of this machine",
    "10.99.0.1": "it is an address of this machine",
    "127.0.0.1": "it is this machine itself",
    "::1": "it is this machine itself",
    "fe80::1": "it is of the local link only",
    "224.0.0.1": "nobody sends from it: multicast",
    "0.0.0.0": "it stands for no address",
    "203.0.113.20": "the configuration or the daemon spares it",
    "203.0.113.130": "the configuration or the daemon spares it",
    "198.51.100.0/30": f"it holds {SERVER4}: it is an address of this machine",
    "192.0.0.0/16": "it is wider than /24, see widest_ipv4 in [firewall]",
    "0.0.0.0/0": "it is wider than /24, see widest_ipv4 in [firewall]",
    "2001:db8::/32": "it is wider than /48, see widest_ipv6 in [firewall]",
}


def test_whatever_the_daemon_says_some_are_never_shut_out(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    ours = '[ours]\nnetworks = ["203.0.113.16/28"]\n'
    with Firewall(tmp_path, street.server, top=ours, look="1s") as wall:
        wall.control.never = ["203.0.113.128/25"]
        wall.control.hang_up()
        wait_until(lambda: wall.control.watched == 2)
        wall.control.put(BAD, *NEVER)
        wall.wait_for(BAD)
        report = wall.control.wait_for_report(lambda report: report["in_kernel"] == 1)

        wall.control.stop()
        wall.stop()
        wall.start()
        wall.wait_for(BAD)  # without the daemon, too

        assert NEVER == report["refused"]
        logged = wall.logged()
        assert [] == [one for one, why in NEVER.items() if f"not shut out: {one}: {why}" not in logged]


def test_an_address_that_becomes_ours_is_let_in(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server, look="1s") as wall:
        wall.control.put("192.0.2.77")
        wall.wait_for("192.0.2.77")
        street.server.run("ip", "address", "add", "192.0.2.77/32", "dev", "lo")
        try:
            wall.wait_for(seconds=4)
        finally:
            street.server.run("ip", "address", "delete", "192.0.2.77/32", "dev", "lo")


def test_a_daemon_that_talks_nonsense_is_left_and_asked_again(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server, look="1s") as wall:
        _talk_nonsense(wall)


def _talk_nonsense(wall):
    wall.control.put(BAD)
    wall.wait_for(BAD)
    for nonsense in (b"what\n", b'{"ok": {"kind": "all", "bans": [{"network": 7}]}}\n', b'{"error": "no"}\n'):
        watched = wall.control.watched
        wall.control.say(nonsense)
        wait_until(lambda watched=watched: wall.control.watched > watched)
    wall.control.put("no network", "192.0.2.1/8", GOOD)
    wall.wait_for(BAD, GOOD)

    assert "Traceback" not in wall.logged()
    assert "the daemon refuses: no" in wall.logged()
    assert "no network" in wall.control.wait_for_report()["trouble"]


# --- trouble ----------------------------------------------------------------------------------------------

WITHOUT_NFT = ["unshare", "-m", "sh", "-c", f'mount --bind /dev/null {NFT}; exec "$@"', "sh"]


def test_without_nft_it_says_so_and_ends_with_status_2(street, tmp_path):
    wall = Firewall(tmp_path, street.server, prefix=WITHOUT_NFT, counted=False)
    wall.start(wait=False)

    assert 2 == wall.process.wait(15)
    assert "the program nft is not installed" in wall.logged()


def test_without_permission_it_says_so_and_ends_with_status_2(street, tmp_path):
    wall = Firewall(tmp_path, street.server, prefix=["setpriv", "--bounding-set", "-net_admin"])
    wall.start(wait=False)

    assert 2 == wall.process.wait(15)
    assert "it needs root, or CAP_NET_ADMIN" in wall.logged()


def test_a_second_one_is_refused(wall):
    assert "another gatepost firewall is running" in wall.command(check=2)
    assert "another gatepost firewall is running" in wall.command("--remove", check=2)


def test_when_nft_goes_away_that_is_reported_and_when_it_is_back_all_is_well(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    with Firewall(tmp_path, street.server, prefix=["unshare", "-m"], counted=False, look="1s") as wall:
        wall.control.put(BAD)
        wall.wait_for(BAD)
        there = ["nsenter", "-t", str(wall.process.pid), "-m"]
        street.server.run(*there, "mount", "--bind", "/dev/null", NFT)
        wall.control.put(GOOD)
        report = wall.control.wait_for_report(lambda report: report["trouble"])
        street.server.run(*there, "umount", NFT)
        wall.wait_for(BAD, GOOD)

        assert "the program nft is not installed" in report["trouble"]
        assert 1 == report["in_kernel"]
        wall.control.wait_for_report(lambda report: not report["trouble"] and report["in_kernel"] == 2)


def test_a_state_that_cannot_be_written_is_reported_and_the_bans_are_in_force(street, tmp_path):
    street.server.run("nft", "flush", "ruleset")
    full = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=8k state "$0"; exec "$@"']
    (tmp_path / "state").mkdir()
    with Firewall(tmp_path, street.server, prefix=[*full, tmp_path / "state"]) as wall:
        wall.control.put(*(f"203.0.113.{number}" for number in range(200)))
        report = wall.control.wait_for_report(lambda report: report["in_kernel"] == 200)

        assert "cannot be written: No space left on device" in report["trouble"]


# --- the commands -----------------------------------------------------------------------------------------


def test_show_and_remove(street, wall):
    wall.control.put(BAD, until=time.time() + 600)
    wall.wait_for(BAD)
    shown = wall.command("--show")
    wall.stop()
    removed = wall.command("--remove")

    assert BAD in shown
    assert "out of the kernel" in removed
    assert "nobody is shut out" in wall.command("--show", check=1)
    assert street.reaches(BAD)
    assert "out of the kernel" in wall.command("--remove")
