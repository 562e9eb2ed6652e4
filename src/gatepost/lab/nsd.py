"""The lab's name server: a real NSD that serves the root zone, in the namespace.

Raises: LabError when it does not start; its log is quoted.
"""

import contextlib
from collections.abc import Iterable, Iterator

from gatepost.lab.cast import NAME_SERVER, Record
from gatepost.lab.internet import Internet, LabError, stop, wait_for
from gatepost.lab.zones import zone_text

_CONFIG = """\
server:
    ip-address: {address}
    port: 53
    server-count: 1
    username: ""
    chroot: ""
    pidfile: ""
    zonesdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    xfrdfile: ""
    xfrdir: "{folder}"
    hide-version: yes
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "root.zone"
"""


@contextlib.contextmanager
def nsd(internet: Internet, records: Iterable[Record]) -> Iterator[None]:
    """Serve `records` at the namespace's resolver address while the block runs."""
    folder = internet.folder / "nsd"
    folder.mkdir()
    (folder / "root.zone").write_text(zone_text(records))
    config = folder / "nsd.conf"
    config.write_text(_CONFIG.format(address=NAME_SERVER, folder=folder))
    log = folder / "nsd.log"
    process = internet.start(log, "nsd", "-d", "-c", config)
    try:
        try:
            wait_for("NSD", lambda: process.poll() is not None or internet.answers(NAME_SERVER, 53))
        except LabError as error:
            raise LabError(f"{error}\n{log.read_text()}") from error
        if process.poll() is not None:
            raise LabError(f"NSD does not start:\n{log.read_text()}")
        yield
    finally:
        stop(process)
