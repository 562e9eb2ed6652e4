"""Old logs are read whole, however they are packed, and in little memory."""

import bz2
import gzip
import io
import lzma
import os
import resource
import subprocess
import sys
import threading

import pytest

from gatepost.ban.blocks import BLOCK, MAX_LINE, MAX_LINES
from gatepost.ban.oldlog import OldLogError, read_old

TEXT = b"".join(b"%d \xff\0 text of a line %s\n" % (n, b"x" * (n % 300)) for n in range(20_000))
PACKERS = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip in two": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "gzip with blocks of a tape": lambda data: gzip.compress(data) + b"\0" * 5000,
    "xz": lzma.compress,
    "bzip2 in two": lambda data: bz2.compress(data[:999_999]) + bz2.compress(data[999_999:]),
}


def lines(name):
    """All lines; each block says rightly where it begins."""
    found = []
    for block in read_old(str(name)):
        assert block.first == len(found) + 1
        assert 0 < len(block.lines) <= MAX_LINES + 1
        found += block.lines
    return found


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("end", [b"", b"no newline at the end"])
def test_every_line_of_a_log_comes_once_however_it_is_packed(tmp_path, packer, end):
    log = tmp_path / "a name that says nothing"
    log.write_bytes(PACKERS[packer](TEXT + end))
    assert (TEXT + end).splitlines() == lines(log)


def test_an_empty_log_has_no_lines(tmp_path):
    for number, content in enumerate((b"", gzip.compress(b""), b"\0" * 1000)):
        log = tmp_path / str(number)
        log.write_bytes(content)
        assert lines(log) == []


def test_a_line_that_is_too_long_leaves_an_empty_one_in_its_place(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(
        b"one\n" + b"2" * MAX_LINE + b"\n" + b"3" * (MAX_LINE + 1) + b"\n" + b"4" * 10**6 + b"\nfive\n"
    )
    assert lines(log) == [b"one", b"2" * MAX_LINE, b"", b"", b"five"]


@pytest.mark.parametrize("packed", [gzip.compress, lzma.compress, bz2.compress])
def test_what_is_cut_off_is_read_as_far_as_it_goes_and_told(tmp_path, packed):
    log = tmp_path / "log"
    whole = packed(os.urandom(3 * BLOCK).hex().encode().replace(b"00", b"\n"))
    log.write_bytes(whole[: len(whole) * 2 // 3])
    read = []

    def read_all():
        for block in read_old(str(log)):
            read.extend(block.lines)

    with pytest.raises(
        OldLogError, match=r"log: cannot be read after line [0-9]+: the packed file ends too ear"
    ):
        read_all()
    assert len(read) > 1000


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x28\xb5\x2f\xfd1234", "it is packed by zstd; unpack it first, and give it as standard input"),
        (b"PK\x03\x041234", "it is packed by zip"),
        (b"\x1f\x8b not gzip at all", "cannot be read: Error -3"),
        (b"\xfd7zXZ\0 not xz at all", "cannot be read: "),
        (gzip.compress(b"line\n") + b"more", "cannot be read after line 1: Error -3"),
    ],
)
def test_what_cannot_be_unpacked_is_told(tmp_path, content, why):
    log = tmp_path / "log"
    log.write_bytes(content)
    with pytest.raises(OldLogError, match=why):
        lines(log)


def test_a_log_that_is_not_there_or_a_folder_is_told(tmp_path):
    for name, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(OldLogError, match=f"^{name}: cannot be read: {why}"):
            lines(name)


def test_a_pipe_that_gives_octet_by_octet_is_read(tmp_path):
    """As the shell makes one for `<(zcat mail.log.2.gz)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    packed = gzip.compress(b"one\ntwo\n")

    def write():
        with pipe.open("wb", buffering=0) as file:
            for octet in packed:
                file.write(bytes([octet]))

    writer = threading.Thread(target=write)
    writer.start()
    assert lines(pipe) == [b"one", b"two"]
    writer.join()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input_is_read(pack):
    program = "import gatepost.ban.oldlog as o; print([l for b in o.read_old('-') for l in b.lines])"
    ran = subprocess.run(
        [sys.executable, "-c", program], input=pack(b"one\ntwo"), capture_output=True, check=True
    )
    assert ran.stdout == b"[b'one', b'two']\n"


def test_a_bomb_is_never_in_memory(tmp_path):
    """400 MB of one line, and 200 MB of short ones, under a limit of 150 MB of address space."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as file:
        for piece in (b"\0" * (1 << 20), b"long" * (1 << 18), b"\n short" * (1 << 17)):
            for _ in range(200):
                file.write(piece)
    log = tmp_path / "bomb"
    log.write_bytes(made.getvalue())
    program = (
        "import sys, gatepost.ban.oldlog as o\nprint(sum(len(b.lines) for b in o.read_old(sys.argv[1])))"
    )

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20))

    ran = subprocess.run(
        [sys.executable, "-c", program, log], capture_output=True, check=True, preexec_fn=limit
    )
    assert int(ran.stdout) == 200 * (1 << 17) + 1
