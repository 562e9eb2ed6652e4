"""Following real files, one deed after another; tests/property/test_follow_any.py has all orders of them."""

import os
import socket
import time
from pathlib import Path

import pytest

from gatepost.ban.blocks import BLOCK, MAX_LINE
from gatepost.ban.follow import LINGER, PATIENCE, Follower
from gatepost.ban.place import Place
from gatepost.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mail.log"


@pytest.fixture
def follow(path, clock):
    """Makes followers of `path` that are closed in the end."""
    made = []

    def make(place=None, at=path):
        made.append(Follower(at, place, clock))
        return made[-1]

    yield make
    for follower in made:
        follower.close()


def add(path, data):
    with path.open("ab") as file:
        file.write(data)


def rest(follower):
    """All that is there now."""
    found = []
    while lines := follower.read():
        found += lines
    return found


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


# --- where it begins ---


def test_a_log_is_read_from_its_end(path, follow):
    add(path, b"old\n")
    follower = follow()
    assert rest(follower) == []
    add(path, b"new\n")
    assert rest(follower) == [b"new"]


def test_a_line_that_is_half_written_at_the_start_is_left_out(path, follow):
    add(path, b"old\nhalf")
    follower = follow()
    assert rest(follower) == []
    add(path, b" line\nnew\n")
    assert rest(follower) == [b"new"]
    assert follower.lost.too_long == 0


def test_a_log_that_appears_later_is_read_from_its_start(path, follow):
    follower = follow()
    assert rest(follower) == []
    assert follower.trouble == f"{path}: is not there; it is read as soon as it is"
    add(path, b"first\n")
    assert rest(follower) == [b"first"]
    assert follower.trouble == ""


def test_one_that_appeared_while_we_were_stopped_as_well(path, follow):
    first = follow()
    assert rest(first) == []
    assert first.place == Place()
    add(path, b"first\n")
    assert rest(follow(first.place)) == [b"first"]


def test_nothing_is_remembered_of_a_log_that_could_not_be_read_yet(path, follow):
    path.mkdir()
    follower = follow()
    assert rest(follower) == []
    assert follower.place is None


def test_a_place_that_is_gone_is_counted_and_the_log_read_from_its_start(path, follow):
    add(path, b"old\n")
    first = follow()
    rest(first)
    path.write_bytes(b"another content\n")
    second = follow(first.place)
    assert rest(second) == [b"another content"]
    assert second.lost.gone == 1


# --- what is no log ---


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkdir, "a folder"),
        (os.mkfifo, "a named pipe"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (make_socket, "a socket"),
    ],
)
def test_what_is_no_file_is_refused_and_read_when_it_is_one(path, follow, make, what):
    make(path)
    follower = follow()
    assert rest(follower) == []
    assert follower.trouble == f"{path}: is {what}, not a file; name the file that the lines are written to"
    path.rename(f"{path}.aside")
    rest(follower)
    add(path, b"first\n")
    assert (rest(follower), follower.trouble) == ([b"first"], "")


def test_a_loop_of_links_is_told(path, follow):
    path.symlink_to(path)
    follower = follow()
    assert rest(follower) == []
    assert follower.trouble == f"{path}: cannot be read: Too many levels of symbolic links"


def test_a_name_that_no_file_can_have_is_told(tmp_path, follow):
    follower = follow(at=tmp_path / "mail\0log")
    assert rest(follower) == []
    assert follower.trouble == f"{tmp_path}/mail\0log: cannot be read: embedded null byte"


# --- rotation ---


def test_a_writer_who_is_late_to_reopen_loses_nothing(path, clock, follow):
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    with path.open("ab", buffering=0) as late:
        path.rename(f"{path}.1")
        add(path, b"1\n")
        assert rest(follower) == [b"1"]
        clock.advance(LINGER - 1)
        late.write(b"2\n")
        assert rest(follower) == [b"2"]
        clock.advance(LINGER - 1)
        late.write(b"3\n")
        assert rest(follower) == [b"3"]


def test_a_writer_who_never_reopens_is_followed_while_nothing_is_in_the_new_file(path, clock, follow):
    """As when the daemon that writes is not told of the rotation."""
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    with path.open("ab", buffering=0) as writer:
        path.rename(f"{path}.1")
        path.touch()
        for number in range(5):
            clock.advance(10 * LINGER)
            assert rest(follower) == []
            writer.write(b"%d\n" % number)
            assert rest(follower) == [b"%d" % number]


def test_files_that_are_done_with_are_closed(path, clock, follow):
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    before = open_files()
    for number in range(1, 20):
        path.rename(f"{path}-202611{number:02}")
        add(path, b"%d\n" % number)
        assert rest(follower) == [b"%d" % number]
        clock.advance(LINGER + 1)
        rest(follower)
        assert open_files() == before
    follower.close()
    assert open_files() == before - 1


def test_an_end_without_newline_is_counted_when_another_file_follows(path, clock, follow):
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    add(path, b"half a li")
    path.rename(f"{path}.1")
    add(path, b"1\n")
    assert rest(follower) == [b"1"]
    clock.advance(LINGER + 1)
    assert rest(follower) == []
    assert follower.lost.unfinished == 1


def test_a_log_that_is_away_is_told_only_when_it_stays_away(path, clock, follow):
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    path.rename(f"{path}.1")
    rest(follower)
    assert follower.trouble == ""
    clock.advance(PATIENCE + 1)
    rest(follower)
    assert follower.trouble == f"{path}: is not there; it is read as soon as it is"


def test_a_link_to_a_log_is_followed_to_where_it_is_rotated(tmp_path, path, follow):
    real = tmp_path / "elsewhere" / "real.log"
    real.parent.mkdir()
    add(real, b"0\n")
    path.symlink_to(real)
    first = follow()
    rest(first)
    add(real, b"1\n")
    real.rename(f"{real}.1")
    add(real, b"2\n")
    assert rest(follow(first.place)) == [b"1", b"2"]
    assert rest(first) == [b"1", b"2"]


@pytest.mark.parametrize(
    "names",
    [
        ("mail.log.12", "mail.log.2", "mail.log.1"),
        ("mail.log-20261127", "mail.log-20261128", "mail.log-20261129"),
        ("mail.log-20261127-1795856100", "mail.log-20261127-1795856101", "mail.log-20261128-1795856100"),
        ("mail-20261127.log", "mail-20261128.log", "mail-20261129.log"),
    ],
)
def test_all_that_was_rotated_meanwhile_is_read_in_order(path, follow, names):
    add(path, b"0\n")
    first = follow()
    rest(first)
    add(path, b"1\n")
    path.rename(path.with_name(names[0]))
    add(path.with_name(names[1]), b"2\n")
    add(path.with_name(names[2]), b"3\n")
    for name in ("mail.log.3.gz", "mail.log.bak", "mail.log-", "mail.err.1", "mail.log.1.swp"):
        add(path.with_name(name), b"nothing to do with it\n")
    add(path, b"4\n")
    assert rest(follow(first.place)) == [b"1", b"2", b"3", b"4"]


def test_older_parts_with_odd_numbers_are_not_read_again(path, clock, follow):
    """Numbers that grow with time, as some scripts give them."""
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    for number in range(1, 5):
        path.rename(f"{path}.{number}")
        add(path, b"%d\n" % number)
        os.utime(path, (2e9 + number, 2e9 + number))
        assert rest(follower) == [b"%d" % number]
        clock.advance(LINGER + 1)
        rest(follower)


def test_a_copy_of_what_was_read_is_not_read_again(path, follow):
    """Somebody keeps copies beside the log, under names that look younger."""
    add(path, b"0\n")
    first = follow()
    rest(first)
    path.rename(f"{path}-20261127")
    path.with_name("mail.log-20261128").write_bytes(b"0\nthe copy goes on\n")
    add(path, b"1\n")
    assert rest(follow(first.place)) == [b"1"]


def test_what_was_read_before_the_place_is_not_read_again(path, follow):
    for name in ("mail.log.3", "mail.log.2", "mail.log.1"):
        add(path.with_name(name), b"long ago\n")
    add(path, b"0\n")
    first = follow()
    rest(first)
    add(path, b"1\n")
    assert rest(follow(first.place)) == [b"1"]


def test_the_first_line_of_an_empty_log_brings_back_nothing_old(path, follow):
    path.touch()
    add(path.with_name("mail.log.1"), b"written to after the new file was made\n")
    follower = follow()
    assert rest(follower) == []
    add(path, b"1\n")
    assert rest(follower) == [b"1"]


# --- emptying ---


def test_a_writer_who_keeps_his_place_in_an_emptied_file_leaves_a_hole_that_is_passed_over(path, follow):
    with path.open("wb", buffering=0) as writer:
        writer.write(b"x" * 100_000 + b"\n" + b"0\n" * 500_000)
        follower = follow()
        rest(follower)
        os.truncate(path, 0)
        writer.write(b"1\n")
        assert rest(follower) == [b"1"]
    assert follower.lost.too_long == 0


def test_a_log_that_was_emptied_and_grew_beyond_our_place_is_read_from_its_start(path, follow):
    add(path, b"0\n")
    follower = follow()
    rest(follower)
    path.write_bytes(b"another\n")
    add(path, b"content\n")
    assert rest(follower) == [b"another", b"content"]


def test_a_log_that_looks_alike_around_our_place_is_told_apart_by_its_first_line(path, follow):
    add(path, b"00:00:01\n" + b"the same\n" * 100)
    follower = follow()
    rest(follower)
    path.write_bytes(b"00:00:02\n" + b"the same\n" * 101)
    assert rest(follower) == [b"00:00:02", *([b"the same"] * 101)]


# --- odd content ---


def test_lines_may_hold_any_octets(path, follow):
    path.touch()
    follower = follow()
    lines = [
        bytes(octet for octet in range(255, -1, -1) if octet != 10),
        b"\xff\xfe",
        b"a\0b",
        b"caf\xe9\r",
        b"",
    ]
    add(path, b"\n".join(lines) + b"\n")
    rest(follower)
    add(path, b"\n".join(lines) + b"\n")
    assert rest(follower) == lines


def test_a_line_that_is_too_long_is_left_out_also_when_it_comes_bit_by_bit(path, follow):
    path.touch()
    follower = follow()
    rest(follower)
    for _ in range(10):
        add(path, b"x" * 10_000)
        assert [line for line in rest(follower) if line] == []
    add(path, b"\nnext\n" + b"y" * MAX_LINE + b"\n")
    assert [line for line in rest(follower) if line] == [b"next", b"y" * MAX_LINE]
    assert follower.lost.too_long == 1


def test_a_place_within_a_line_that_is_too_long_is_remembered(path, follow):
    path.touch()
    first = follow()
    rest(first)
    add(path, b"x" * 100_000)
    rest(first)
    add(path, b"forged\nnext\n")
    assert rest(follow(first.place)) == [b"next"]


def test_a_burst_comes_in_blocks(path, follow):
    path.touch()
    follower = follow()
    rest(follower)
    line = b"x" * 133
    add(path, (line + b"\n") * 100_000)
    sizes = []
    while lines := follower.read():
        assert set(lines) == {line}
        sizes.append(len(lines))
    assert sum(sizes) == 100_000
    assert max(sizes) * 134 <= BLOCK


def test_ten_million_empty_lines_take_little_time(path, follow):
    path.touch()
    follower = follow()
    rest(follower)
    add(path, b"\n" * 10_000_000)
    started, count = time.process_time(), 0
    while lines := follower.read():
        count += len(lines)
    assert count == 10_000_000
    assert time.process_time() - started < 5


def test_much_without_a_newline_takes_little_time(path, follow):
    """A hole of it, so that the disk is spared."""
    path.touch()
    follower = follow()
    rest(follower)
    add(path, b"x")
    os.truncate(path, 200 << 20)
    add(path, b"\nnext\n")
    started = time.process_time()
    assert [line for _ in range(100) for line in follower.read() if line] == [b"next"]
    assert time.process_time() - started < 5
