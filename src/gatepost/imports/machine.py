"""What postgrey was told on this machine: the file of the distribution, or the running process.

Raises: OptionsError.
"""

from pathlib import Path

import msgspec

from gatepost.imports import options
from gatepost.imports.options import MAX_TEXT, NoOptionsError, Options, OptionsError

DEFAULTS = (Path("/etc/default/postgrey"), Path("/etc/sysconfig/postgrey"))
"""Where distributions keep POSTGREY_OPTS."""
PROC = Path("/proc")


class Said(msgspec.Struct, frozen=True):
    """Options, and where they were found."""

    options: Options
    where: str
    doubt: str = ""
    """Why it may not be what postgrey does now; empty when there is no reason."""


def said(given: str | None) -> Said:
    """The options in a file or text that was given, in a file of the distribution, or of the process."""
    if given is not None:
        return _given(given)
    running = _running()
    for file in DEFAULTS:
        if file.exists():
            try:
                return _compared(_in_file(file), running)
            except NoOptionsError:
                continue
    return running or Said(Options(), "postgrey's defaults, since no options were found")


def _compared(written: Said, running: Said | None) -> Said:
    """What was written, with a doubt when the process was told otherwise."""
    if running is None or _essence(written.options) == _essence(running.options):
        return written
    doubt = (
        f"{running.where} of postgrey runs with other options than {written.where} says, which were taken; "
        "to take others, give them with --options"
    )
    return msgspec.structs.replace(written, doubt=doubt)


def _essence(options: Options) -> set[tuple[str, str]]:
    """The options, without those that a service manager adds and without white space, which gets lost."""
    return {(one.name, " ".join(one.value.split())) for one in options.last_given if one.name not in _ADDED}


_ADDED = ("pidfile", "daemonize", "user", "group", "greylist-text")


def _given(given: str) -> Said:
    if given.lstrip().startswith("-") or not given.strip():
        return Said(options.from_text(given), "--options")
    return _in_file(Path(given))


def _in_file(file: Path) -> Said:
    try:
        with file.open("rb") as opened:
            text = opened.read(4 * MAX_TEXT + 1).decode("utf-8", "backslashreplace")
    except (OSError, ValueError) as error:
        raise OptionsError(f"{file}: {getattr(error, 'strerror', None) or error}") from None
    try:
        return Said(options.from_text(options.from_defaults(text)), str(file))
    except OptionsError as error:
        raise type(error)(f"{file}: {error}") from None


def _running() -> Said | None:
    """The options of a postgrey that runs; it writes its name and options where ps(1) looks."""
    for process in sorted(PROC.glob("[0-9]*")):
        try:
            with (process / "cmdline").open("rb") as opened:
                line = opened.read(MAX_TEXT)
        except OSError:  # ended meanwhile
            continue
        words = line.replace(b"\0", b" ").split()
        if any(word.rsplit(b"/")[-1] == b"postgrey" for word in words[:1] + _program(words)):
            return Said(options.from_command_line(line), f"process {process.name}")
    return None


def _program(words: list[bytes]) -> list[bytes]:
    """The script that perl runs, when these words start perl."""
    if not words or not words[0].rsplit(b"/")[-1].startswith(b"perl"):
        return []
    return next(([word] for word in words[1:] if not word.startswith(b"-")), [])
