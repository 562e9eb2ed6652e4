"""The parts of the server that need no socket: places, caps, log rate."""

import logging

import pytest

from gatepost.clock import FakeClock
from gatepost.server.listen import ListenOptions, connection_cap
from gatepost.server.lograte import Seldom
from gatepost.server.notify import Notifier
from gatepost.server.place import Inet, Unix, place


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("inet:127.0.0.1:10023", Inet("127.0.0.1", 10023)),
        ("inet:[::1]:10023", Inet("::1", 10023)),
        ("inet:10023", Inet("127.0.0.1", 10023)),
        ("inet:localhost:10023", Inet("localhost", 10023)),
        ("inet:*:10023", Inet("*", 10023)),
        ("unix:/run/gatepost/policy", Unix("/run/gatepost/policy")),
    ],
)
def test_a_text_names_a_place(text, where):
    assert where == place(text)


@pytest.mark.parametrize("where", [Inet("127.0.0.1", 10023), Inet("::1", 1), Unix("/run/policy")])
def test_a_place_is_written_as_it_is_read(where):
    assert where == place(str(where))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10023",
        "inet:",
        "inet:localhost",
        "inet:127.0.0.1:99999",
        "inet:x:-1",
        "inet:x:²",
        "unix:relative",
        "tcp:x:1",
    ],
)
def test_what_names_no_place_is_refused_with_the_forms_there_are(text):
    with pytest.raises(ValueError, match=r"write inet:HOST:PORT, inet:\[::1\]:PORT or unix:/PATH"):
        place(text)


def test_the_path_of_a_unix_socket_has_a_limit():
    assert place("unix:/" + "a" * 106)
    with pytest.raises(ValueError, match="107 octets"):
        place("unix:/" + "a" * 107)


@pytest.mark.parametrize(("files", "cap"), [(1_000_000, 10_000), (1024, 824), (100, 50), (1, 1)])
def test_the_cap_leaves_descriptors_for_all_else(files, cap):
    assert cap == connection_cap(ListenOptions(), files)


def test_lines_beyond_the_rate_are_counted_and_told_later(caplog):
    clock = FakeClock()
    seldom = Seldom(logging.getLogger("test"), clock.monotonic, per_minute=2)
    for n in range(5):
        seldom.warning("line %d", n)
    clock.advance(61)
    seldom.warning("line %d", 5)

    assert ["line 0", "line 1", "3 more lines like the last were not logged", "line 5"] == caplog.messages


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "10000000"}, 0),
        ({"WATCHDOG_USEC": "10000000", "NOTIFY_SOCKET": "/run/x"}, 5),
        ({"WATCHDOG_USEC": "10000000", "NOTIFY_SOCKET": "/run/x", "WATCHDOG_PID": "1"}, 0),
        ({"WATCHDOG_USEC": "soon", "NOTIFY_SOCKET": "/run/x"}, 0),
    ],
)
def test_signs_of_life_come_twice_in_each_watchdog_time(environ, interval):
    notifier = Notifier(environ)
    notifier.close()

    assert interval == notifier.interval
