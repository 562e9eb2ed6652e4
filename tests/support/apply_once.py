"""One `apply` in a process of its own, that can be killed: `python -m support.apply_once ORDER.json`.

The order names the folder of main.cf, our configuration, the place where Gatepost answers, the folder of
backups, the port to probe, and for each file to be changed one that holds what it is to hold.
"""

import json
import sys
from pathlib import Path

from gatepost.cli.postfix_gate import Gate
from gatepost.config.load import load
from gatepost.postfix.applying.apply import Hands, Order, apply, recover_first
from gatepost.postfix.planning.change import FileChange


def silent(_text):
    pass


def main(order):
    told = json.loads(Path(order).read_text())
    config_dir, backups = told["config_dir"], Path(told["backups"])
    gate = Gate(load(Path(told["config"]), None, alone=True), None, told["place"])
    recover_first(config_dir, backups, silent)
    changes = []
    for name, wanted in told["changes"].items():
        path = Path(name)
        before = path.read_bytes() if path.exists() else None
        changes.append(FileChange(name, before, Path(wanted).read_bytes()))
    changes = tuple(change for change in changes if change.before != change.after)
    door = ("127.0.0.1", told["port"])
    apply(Order(config_dir, changes, backups, door, patience=5.0), Hands(gate.answers, gate.find, silent))


if __name__ == "__main__":
    main(sys.argv[1])
