"""A real name server (NSD) on a free port of the loopback, with zones given as text.

    with nsd({"example.org": ZONE_TEXT}) as server:
        ... ask 127.0.0.1, server.port ...

    with nsd({".": root_zone({"example.org A": "192.0.2.1"})}) as server: ...

`root_zone` turns a table as `gatepost.dns.zone.Zone` takes it into the text
of a root zone. To count packets put a `support.dns_liar.Liar` with `relay_to`
in front.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

_CONFIG = """\
server:
  ip-address: {address}@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  pidfile: "{folder}/nsd.pid"
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
remote-control:
  control-enable: no
"""
_ZONE = 'zone:\n  name: "{name}"\n  zonefile: "{file}"\n'
_START = 15.0


@dataclass
class Nsd:
    port: int
    process: subprocess.Popen
    address: str = "127.0.0.1"

    @property
    def server(self) -> str:
        return f"{self.address}:{self.port}"

    def stop(self) -> None:
        """End it, as a dead name server is."""
        self.process.terminate()
        self.process.wait(10)


@contextlib.contextmanager
def nsd(zones: Mapping[str, str], address: str = "127.0.0.1", port: int = 0) -> Iterator[Nsd]:
    folder = Path(tempfile.mkdtemp(prefix="gatepost-nsd-"))
    port = port or _free_port(address)
    try:
        config = _CONFIG.format(address=address, port=port, folder=folder)
        for number, (name, text) in enumerate(zones.items()):
            (folder / f"{number}.zone").write_text(text)
            config += _ZONE.format(name=name, file=f"{number}.zone")
        (folder / "nsd.conf").write_text(config)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["nsd", "-d", "-c", str(folder / "nsd.conf")], stdout=log, stderr=subprocess.STDOUT
            )
        server = Nsd(port, process, address)
        try:
            _wait_until_it_answers(server, folder / "log")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def root_zone(
    table: Mapping[str, str | Iterable[str]], *, ttl: int = 300, soa_ttl: int = 60, minimum: int = 60
) -> str:
    """The text of a root zone with the records of `table` (keys `name TYPE`)."""
    lines = [
        f". {soa_ttl} IN SOA ns.test. hostmaster.test. 1 3600 600 86400 {minimum}",
        f". {ttl} IN NS ns.test.",
        f"ns.test. {ttl} IN A 127.0.0.1",
    ]
    for key, value in table.items():
        name, kind = key.split()
        texts = [value] if isinstance(value, str) else value
        lines += [f"{name.removesuffix('.')}. {ttl} IN {kind} {_data(kind, text)}" for text in texts]
    return "\n".join(lines) + "\n"


def _data(kind: str, text: str) -> str:
    if kind == "TXT":
        octets = re.sub(
            r'(?<!\\)"', r"\"", re.sub(r"\\x([0-9a-f]{2})", lambda m: f"\\{int(m[1], 16):03d}", text)
        )
        return " ".join(f'"{octets[i : i + 200]}"' for i in range(0, len(octets), 200)) or '""'
    if kind in ("MX", "CNAME", "PTR", "NS"):
        return text.removesuffix(".") + "."
    return text


def _free_port(address: str) -> int:
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind((address, 0))
            port = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind((address, port))
                return port


def _wait_until_it_answers(server: Nsd, log: Path) -> None:
    question = dns.message.make_query(".", "SOA")
    end = time.monotonic() + _START
    while time.monotonic() < end:
        if server.process.poll() is not None:
            raise RuntimeError(f"NSD ended: {log.read_text()}")
        with contextlib.suppress(dns.exception.Timeout, OSError):
            dns.query.udp(question, server.address, timeout=0.3, port=server.port)
            return
        time.sleep(0.02)
    raise RuntimeError(f"NSD does not answer: {log.read_text()}")
