"""Sockets that Postfix asks at: reached by Postfix, also from its chroot, and by nobody else."""

from collections.abc import Iterator

from gatepost.network import parse_address
from gatepost.postfix.audit.base import Fault, Finding, Severity
from gatepost.postfix.audit.restricted import milters, policies
from gatepost.postfix.audit.scene import Listener, Scene
from gatepost.postfix.conf.mastercf import Service
from gatepost.postfix.conf.words import inner_words
from gatepost.postfix.planning.ourline import port_of

WRITABLE = 0o002
"""Whoever may write to a unix socket may connect to it (unix(7))."""

OPEN = Fault(
    "sockets.open",
    Severity.WARNING,
    "A policy service or milter listens to the whole network",
    "Whoever reaches it can ask it anything: learn whom your users write to and who is greylisted, fill "
    "its tables, or keep it busy.",
    "Let it listen at 127.0.0.1 only.",
)
OURS = Fault(
    "sockets.gatepost",
    Severity.WARNING,
    "Gatepost is told to listen to the whole network",
    "The policy protocol knows no password: whoever reaches the port can fill the greylist, and learn from "
    "it.",
    "Let it listen at 127.0.0.1 or a unix socket, or keep others away by a firewall.",
)
LOCAL = Fault(
    "sockets.world",
    Severity.NOTE,
    "Every user of this machine can ask a policy service or milter",
    "Its unix socket can be written to by everybody; a broken-into web application can then ask it anything.",
    "Give the socket to the group of Postfix, mode 0660.",
)
CHROOT = Fault(
    "sockets.chroot",
    Severity.SERIOUS,
    "A socket cannot be reached from the chroot",
    "smtpd runs in a chroot and looks for the path below the queue directory, where there is no such "
    "socket: the service does not answer, and its default action decides about all mail.",
    "Let the service listen at a port, or put its socket below the queue directory.",
)
FAULTS = (OPEN, OURS, LOCAL, CHROOT)


def look(scene: Scene) -> Iterator[Finding]:
    """Every place where Postfix asks, and where Gatepost listens."""
    for where in scene.facts.listen:
        kind, _, rest = where.partition(":")
        host = rest.rpartition(":")[0]
        if kind == "inet" and host and not _is_local(host):
            port = rest.rpartition(":")[2]
            yield OURS.found(
                f"[listen] policy has {where}",
                f'In /etc/gatepost/gatepost.toml:\n[listen]\npolicy = ["inet:127.0.0.1:{port}"]',
            )
    for server, service, place in asked(scene):
        if server.startswith("unix:"):
            yield from _unix(scene, server.removeprefix("unix:"), service, place)
        else:
            yield from _inet(scene, server, place)


def asked(scene: Scene) -> Iterator[tuple[str, Service, str]]:
    """Server, the service that asks there, and where that is written; policy services and milters."""
    for one in policies(scene):
        yield one.server, one.service, f"{scene.where(one.parameter, one.service)}: {one.item.text}"
    for service in scene.instance.smtp_services:
        for text in milters(scene, "smtpd_milters", service):
            place = f"{scene.where('smtpd_milters', service)}: smtpd_milters has {text}"
            yield inner_words(text)[0].replace("local:", "unix:", 1), service, place


def candidates(scene: Scene, path: str) -> tuple[str, str]:
    """Where a socket lies outside of a chroot, and where it is looked for from inside."""
    queue = scene.instance.value("queue_directory")
    if not path.startswith("/"):
        return f"{queue}/{path}", f"{queue}/{path}"
    return path, f"{queue}{path}"


def _unix(scene: Scene, path: str, service: Service, place: str) -> Iterator[Finding]:
    outside, inside = candidates(scene, path)
    chrooted = scene.instance.is_chrooted(service) and outside != inside
    modes = scene.facts.sockets
    if chrooted and inside in modes and modes[inside] is None:
        seen = f"{place}; {service.key} runs in a chroot; there is no {inside}"
        yield CHROOT.found(
            seen, f"Let it listen at a port, for example:\ninet:127.0.0.1:10023\nor at {inside}"
        )
        return
    mode = modes.get(inside if chrooted else outside)
    if mode is not None and mode & WRITABLE:
        yield LOCAL.found(f"{place}; mode {mode:04o}", f"chgrp postfix {outside}; chmod 0660 {outside}")


def _inet(scene: Scene, server: str, place: str) -> Iterator[Finding]:
    port = port_of(server.partition("@")[0])
    for listener in scene.facts.listeners:
        if port.isdigit() and listener.port == int(port) and not _is_local(listener.address):
            yield OPEN.found(f"{place}; {_said(listener)}", f"Let it listen at 127.0.0.1:{port} only.")


def _said(listener: Listener) -> str:
    return f"{listener.program or 'somebody'} listens at {listener.address} port {listener.port}"


def _is_local(host: str) -> bool:
    address = parse_address(host.strip("[]"))
    return host == "localhost" or (address is not None and address.is_loopback)
