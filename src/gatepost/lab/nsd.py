"""The lab's name server: a real NSD that serves the root zone, in the namespace.

Raises: LabError when it does not start; its log is quoted.
"""

import contextlib
from collections.abc import Iterable, Iterator

from gatepost.lab.cast import NAME_SERVER, Record
from gatepost.lab.internet import Internet
from gatepost.lab.processes import stop, wait_until_up
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
    # Else two name servers beside each other would share one file in /var/lib/nsd, and lose answers.
    database: ""
    xfrdfile: ""
    xfrdir: "{folder}"
    hide-version: yes
    # Else it drops answers from some 200 a second on, and who asked waits for seconds.
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
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
        wait_until_up("NSD", process, log, lambda: internet.answers(NAME_SERVER, 53))
        yield
    finally:
        stop(process)
