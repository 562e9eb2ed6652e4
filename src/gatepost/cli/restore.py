"""`gatepost restore`: own lists and correspondents as an earlier snapshot has them."""

from typing import Annotated

import typer

from gatepost.cli.arguments import ConfigFile, configured
from gatepost.cli.desk import become_owner
from gatepost.cli.show import say
from gatepost.cli.trouble import CommandError
from gatepost.server.control_client import ControlError, NoDaemonError, call
from gatepost.store.base import StoreError
from gatepost.store.open import restore_snapshot

Number = Annotated[int, typer.Option("--snapshot", min=0, help="Which: 0 is the newest, 1 the one before.")]


def restore(snapshot: Number = 0, config: ConfigFile = None) -> None:
    """Put own lists and correspondents back as a snapshot has them; the daemon must be stopped."""
    options = configured(config, alone=True)
    try:
        call(options.control.socket, "status")
    except NoDaemonError:
        become_owner(options.store)
    except ControlError as error:
        raise CommandError(str(error)) from None
    else:
        raise CommandError("The daemon is running and would go on with what it has; stop it first.")
    try:
        say(restore_snapshot(options.store, snapshot))
    except StoreError as error:
        raise CommandError(str(error)) from None
