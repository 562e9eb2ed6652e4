"""When a line was written, whatever the form of its stamp."""

from datetime import UTC, datetime

import pytest

from gatepost.wire.syslog import Stamps, service_of, split_head


def local(*parts):
    return datetime(*parts).timestamp()  # noqa: DTZ001 - syslog writes local time


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (b"2026-11-22T06:25:01Z", datetime(2026, 11, 22, 6, 25, 1, tzinfo=UTC).timestamp()),
        (b"2026-11-22T06:25:01+01:00", datetime(2026, 11, 22, 5, 25, 1, tzinfo=UTC).timestamp()),
        (
            b"2026-11-22T06:25:01.500000-05:00",
            datetime(2026, 11, 22, 11, 25, 1, 500000, tzinfo=UTC).timestamp(),
        ),
        (b"2026-11-22T06:25:01", local(2026, 11, 22, 6, 25, 1)),
        (b"Nov 22 06:25:01", local(2026, 11, 22, 6, 25, 1)),
        (b"Nov  2 06:25:01", local(2026, 11, 2, 6, 25, 1)),
        (b"Dec 31 23:59:59", local(2025, 12, 31, 23, 59, 59)),
        (b"Feb 29 12:00:00", local(2024, 2, 29, 12, 0, 0)),
        (b"Nov 22 06:25:60", local(2026, 11, 22, 6, 25, 59)),
        (b"Nov 31 06:25:01", None),
        (b"Nov xx 06:25:01", None),
        (b"2026-13-22T06:25:01Z", None),
        (b"2026-11-22T06:25:01\xff", None),
        (b"9999999999999999999", None),
    ],
)
def test_a_stamp_is_read(stamp, expected):
    assert expected == Stamps(local(2026, 11, 25, 12, 0, 0)).seconds(stamp)


def test_a_line_a_little_ahead_is_of_this_year():
    now = local(2026, 12, 31, 23, 59, 0)

    assert local(2027, 1, 1, 0, 30, 0) == Stamps(now).seconds(b"Jan  1 00:30:00")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"Nov 22 06:25:01 mx postfix/smtpd[21]: connect: x",
            (b"Nov 22 06:25:01", b"postfix/smtpd[21]", b"connect: x"),
        ),
        (
            b"2026-11-22T06:25:01+01:00 mx dovecot: imap-login: x",
            (b"2026-11-22T06:25:01+01:00", b"dovecot", b"imap-login: x"),
        ),
        (b"", None),
        (b"Nov 22 06:25:01", None),
        (b"Nov 22 06:25:01 mx", None),
        (b"Nov 22 06:25:01 mx last message repeated 3 times", None),
        (b"Nov 22 06:25:01 mx two words: x", None),
        (b"x" * 100_000, None),
        (b"2026 x y: z", None),
    ],
)
def test_a_head_is_split(line, expected):
    assert expected == split_head(line)


def test_a_service_is_its_tag_without_the_process():
    assert [b"postfix/smtpd", b"dovecot"] == [service_of(b"postfix/smtpd[21]"), service_of(b"dovecot")]
