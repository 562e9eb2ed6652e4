"""`gatepost reload`: the daemon reads its configuration anew."""

from gatepost.cli.arguments import ConfigFile, Json, configured
from gatepost.cli.show import say, say_json, warn
from gatepost.cli.trouble import CommandError
from gatepost.server.control_client import ControlError, NoDaemonError, call


def reload(config: ConfigFile = None, json: Json = False) -> None:
    """Let the daemon read its configuration anew; a file with errors changes nothing.

    Exit status 1 when no daemon answers.
    """
    socket = configured(config, alone=True).control.socket
    try:
        answer = call(socket, "reload")
    except NoDaemonError as error:
        raise CommandError(str(error), status=1) from None
    except ControlError as error:
        raise CommandError(str(error).splitlines()) from None
    if json:
        say_json(answer)
        return
    say("The configuration was read anew.")
    for need in answer.get("needs_restart", ()) if isinstance(answer, dict) else ():
        warn(str(need))
