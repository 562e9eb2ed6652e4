"""What postgrey was told, as settings of ours; or why not. Pure; raises nothing."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from gatepost.imports.options import Given, Options
from gatepost.imports.report import Report
from gatepost.network import parse_address

DELAY, MAX_AGE, CLIENTS, V4, V6 = 300, 35, 5, 24, 64
"""postgrey's own defaults: seconds, days, mails, bits."""
MOST_DAYS = 36_000
"""About a hundred years, which no duration of ours exceeds."""
_NO_TIME = "is no time that anything could wait or be kept; postgrey's default counts"
_WINDOW = re.compile(r"(\d{1,5})(h?)", re.IGNORECASE)
_PORT = re.compile(r"(?:(?P<host>.*):)?(?P<port>\d{1,5})")
_SOCKET_MODE = re.compile(r"[0-7]{3,4}")


class Terms(msgspec.Struct, frozen=True):
    """How postgrey judged: what its databases mean depends on it."""

    delay: int = DELAY
    """Seconds."""
    clients_after: int = CLIENTS
    """0: it counted no clients."""
    v4: int = V4
    v6: int = V6
    by_host: bool = False
    """Its keys hold addresses, with their mask."""


def terms_of(options: Options) -> Terms:
    """What postgrey makes of its options."""
    by_host = options.value("lookup-by-host") is not None
    return Terms(
        delay=options.number("delay", DELAY),
        clients_after=_clients_after(options.value("auto-whitelist-clients")) or 0,
        v4=32 if by_host else _bits(options.number("ipv4cidr", V4), 32),
        v6=128 if by_host else _bits(options.number("ipv6cidr", V6), 128),
        by_host=by_host,
    )


def _bits(number: int, most: int) -> int:
    return min(max(number, 0), most)


def _clients_after(value: str | None) -> int | None:
    """After how many mails a client passes; None when the value is no number."""
    if not value:
        return CLIENTS
    return int(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


def settings_of(options: Options, report: Report) -> None:
    """Put what the options say into `report`, each as a wish or with the reason why not."""
    report.wish("every stranger waits", "greylist", "when", value="stranger")
    if options.value("delay") is None:
        report.leave(
            f"the delay of {DELAY} s, postgrey's default",
            "our own default is shorter and stops the same senders; set delay in [greylist] if you want it",
        )
    for one in options.last_given:
        handler = _HANDLERS.get(one.name)
        if handler is not None:
            handler(one, options, report)
        elif one.name not in _FILES:
            report.leave(str(one), _REASONS[one.name])
    for text in options.ignored:
        report.leave(text.partition(": ")[0].strip('"'), text.partition(": ")[2])


_FILES = ("whitelist-clients", "whitelist-recipients", "dbdir")
"""Taken with the files themselves."""


def _delay(one: Given, options: Options, report: Report) -> None:
    delay = options.number("delay", DELAY)
    if delay < 0:
        report.leave(str(one), _NO_TIME)
    else:
        report.wish(str(one), "greylist", "delay", value=f"{delay}s")


def _max_age(one: Given, options: Options, report: Report) -> None:
    days = options.number("max-age", MAX_AGE)
    if not 0 <= days <= MOST_DAYS:
        report.leave(str(one), _NO_TIME)
    else:
        report.wish(str(one), "greylist", "keep", value=f"{days}d")


def _retry_window(one: Given, _options: Options, report: Report) -> None:
    found = _WINDOW.fullmatch(one.value)
    if found is None:
        report.leave(str(one), "is neither a number of days nor of hours with an h behind it")
    elif int(found[1]) > MOST_DAYS:
        report.leave(str(one), _NO_TIME)
    else:
        report.wish(str(one), "greylist", "retry_window", value=f"{int(found[1])}{'h' if found[2] else 'd'}")


def _auto_whitelist(one: Given, _options: Options, report: Report) -> None:
    after = _clients_after(one.value)
    if after is None:
        report.leave(str(one), "is no number of mails")
    else:
        report.wish(str(one), "greylist", "clients_after", value=after)


def _prefix(family: str, most: int) -> Callable[[Given, Options, Report], None]:
    def handler(one: Given, options: Options, report: Report) -> None:
        bits = int(one.value)
        if options.value("lookup-by-host") is not None:
            report.leave(str(one), "has no effect beside --lookup-by-host")
        elif 0 < bits <= most:
            report.wish(str(one), "greylist", f"{family}_prefix", value=bits)
        else:
            report.leave(str(one), f"is no number of bits from 1 to {most}; postgrey's default counts")

    return handler


def _by_host(one: Given, _options: Options, report: Report) -> None:
    report.wish(str(one), "greylist", "ipv4_prefix", value=32)
    report.wish(str(one), "greylist", "ipv6_prefix", value=128)


def _inet(one: Given, _options: Options, report: Report) -> None:
    found = _PORT.fullmatch(one.value)
    if found is None or not 0 < int(found["port"]) < 65536:
        report.leave(str(one), "is no port, and no host with a port")
        return
    host = (found["host"] or "localhost").strip("[]")
    host = {"localhost": "127.0.0.1", "*": "0.0.0.0"}.get(host, host)
    address = parse_address(host)
    if address is None:
        report.leave(str(one), f"{host} is a name; write the address into policy in [listen]")
        return
    shown = f"[{address}]" if address.version == 6 else str(address)
    report.wish(str(one), "listen", "policy", value=[f"inet:{shown}:{int(found['port'])}"])


def _unix(one: Given, options: Options, report: Report) -> None:
    if options.value("inet") is not None:
        report.leave(str(one), "postgrey listens at --inet only when both are given")
    elif not one.value.startswith("/") or len(one.value.encode()) > 107 or not one.value.isprintable():
        report.leave(str(one), "is no absolute path that a socket can have")
    else:
        report.wish(str(one), "listen", "policy", value=[f"unix:{one.value}"])


def _socket_mode(one: Given, options: Options, report: Report) -> None:
    if options.value("unix") is None or options.value("inet") is not None:
        report.leave(str(one), "has no effect without a unix socket")
    elif not _SOCKET_MODE.fullmatch(one.value):
        report.leave(str(one), "is no octal mode")
    else:
        report.wish(str(one), "listen", "socket_mode", value=one.value.rjust(4, "0"))


def _subnet(one: Given, _options: Options, report: Report) -> None:
    report.take(str(one), "so it is with us: see ipv4_prefix and ipv6_prefix in [greylist]")


_HANDLERS: dict[str, Any] = {
    "delay": _delay,
    "max-age": _max_age,
    "retry-window": _retry_window,
    "auto-whitelist-clients": _auto_whitelist,
    "ipv4cidr": _prefix("ipv4", 32),
    "ipv6cidr": _prefix("ipv6", 128),
    "lookup-by-host": _by_host,
    "lookup-by-subnet": _subnet,
    "inet": _inet,
    "unix": _unix,
    "socketmode": _socket_mode,
}
_SERVICE = "is the business of the service manager (gatepost.service)"
_REASONS = {
    "help": "only prints help",
    "man": "only prints help",
    "version": "only prints the version",
    "noaction": "postgrey does not know what to do with it either",
    "verbose": "how much is logged is level in [log]",
    "quiet": "how much is logged is level in [log]",
    "daemonize": _SERVICE,
    "pidfile": _SERVICE,
    "user": _SERVICE,
    "group": _SERVICE,
    "syslog-facility": "Gatepost logs to standard error, which the service manager keeps",
    "privacy": "Gatepost must know addresses to explain a refusal; journal_keep in [store] limits how long",
    "hostname": "was only for the header of postgrey",
    "exim": "was for Exim; Gatepost stands in front of Postfix",
    "listen-queue-size": "Gatepost lets as many wait as the system does; see max_connections in [listen]",
    "greylist-action": "Gatepost answers DEFER_IF_PERMIT, which is postgrey's default, too",
    "greylist-text": "every reply of Gatepost has its own text, with a reference for gatepost explain",
    "x-greylist-header": "the text of the header is fixed; header in [greylist] switches it on or off",
}
