"""The work of `gatepost import postfix-map`."""

import shlex
from pathlib import Path
from typing import Any

import msgspec

from gatepost.access.files import INDEXED, MAX_BYTES, PATTERNS, Wanted, wanted_files
from gatepost.access.options import AccessOptions
from gatepost.cli.rewriting import ALREADY, Rewriting
from gatepost.cli.trouble import CommandError
from gatepost.imports.lists import content_of
from gatepost.setting import Setting

ABOUT = (
    "helo_access",
    "rbl_override",
    "client_access",
    "sender_access",
    "recipient_access",
    "client_override",
)
COMPILED = (".db", ".lmdb", ".cdb", ".dir")
"""What postmap(1) adds to the name of the text for the database that it makes."""


class FromMap:
    """One access map, and our configuration with it."""

    def __init__(self, file: str, about: str, config: Path | None) -> None:
        """Read both; nothing is written.

        Raises:
            CommandError: the map cannot be read, or nobody can tell what it is about.
        """
        self.name = _absolute(file)
        self.about = about or _guess(self.name)
        if self.about not in ABOUT:
            raise CommandError(f'--as: there is no "{self.about}"; there are {", ".join(ABOUT)}')
        self.wanted = wanted(self.about, self.name)
        self.content = content_of(self.wanted, _read(self.wanted))
        self.rewriting = Rewriting(config)
        self.sentence = self._decide()

    def _decide(self) -> str:
        """Say it in our configuration; a sentence for people."""
        if not self.content.taken:
            return f"Nothing of {self.wanted.path} could be taken."
        self.rewriting.follow(Path(self.wanted.path))
        if self._is_followed():
            return f"{self.wanted.path} is followed already: [access] {self.about}"
        follow = self.name
        copied = ""
        if not self.content.whole:
            follow = str(self.rewriting.copy(self.wanted.path, self.content.copy or b""))
            if self.wanted.kind in PATTERNS:
                follow = f"{self.wanted.kind}:{follow}"
            copied = f", a copy without what is not possible here; changes in {self.wanted.path} do not count"
        comment = f"taken over from {self.name}"
        (outcome,) = self.rewriting.say([Setting(("access", self.about), follow, comment, "append")])
        if outcome.text == ALREADY:
            return f"{follow} is followed already: [access] {self.about}{copied}"
        return f"To be followed as [access] {self.about}: {follow}{copied}"

    def _is_followed(self) -> bool:
        options = self.rewriting.config.checks["access"]
        kinds = dict.fromkeys(INDEXED, "text")
        mine = (self.wanted.path, kinds.get(self.wanted.kind, self.wanted.kind))
        others = (wanted(self.about, name) for name in getattr(options, self.about))
        return any((one.path, kinds.get(one.kind, one.kind)) == mine for one in others)

    def change(self) -> None:
        """Write our configuration, when there is anything to write."""
        if self.content.taken:
            self.rewriting.write()
            self.rewriting.reload()

    def as_json(self) -> dict[str, Any]:
        """What became of it, for programs."""
        lines = [msgspec.to_builtins(line) | {"file": self.wanted.path} for line in self.content.lines]
        return {
            "file": self.wanted.path,
            "as": self.about,
            "taken": [line for line in lines if line["taken"]],
            "not_taken": [line for line in lines if not line["taken"]],
            "done": self.sentence,
            **self.rewriting.as_json(),
        }


def wanted(option: str, name: str) -> Wanted:
    """The file that a name under an option of `[access]` means."""
    (one,) = wanted_files(msgspec.structs.replace(AccessOptions(), **{option: (name,)}))
    return one


def _absolute(file: str) -> str:
    """The name, with a path that does not depend on where we are; proxy: says only who reads it."""
    kind, colon, path = file.removeprefix("proxy:").partition(":")
    if not colon or "/" in kind:
        return str(Path(file).absolute())
    if kind not in (*INDEXED, *PATTERNS):
        raise CommandError(
            f'a table of type "{kind}" cannot be followed; there are {", ".join((*INDEXED, *PATTERNS))}. '
            "Keep it in a check_*_access of main.cf."
        )
    return f"{kind}:{Path(path.strip()).absolute()}"


def _guess(name: str) -> str:
    called = name.rpartition("/")[2].lower()
    for beginning in (*reversed(ABOUT), *(about.partition("_")[0] for about in ABOUT)):
        if called.startswith(beginning):
            return next(about for about in ABOUT if about.startswith(beginning))
    raise CommandError(
        f"{name}: its name does not tell what it is about; say it with --as "
        f"({', '.join(ABOUT)}): which check_*_access of main.cf names it?"
    )


def _read(one: Wanted) -> bytes:
    try:
        with Path(one.path).open("rb") as opened:
            return opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise CommandError(_missing(one)) from None
    except (OSError, ValueError) as error:
        raise CommandError(f"{one.path}: {getattr(error, 'strerror', None) or error}") from None


def _missing(one: Wanted) -> list[str]:
    """What to say of a file that is not there; its database may be."""
    compiled = [ending for ending in COMPILED if Path(one.path + ending).exists()]
    if not compiled:
        return [f"{one.path}: there is no such file"]
    kind = {".lmdb": "lmdb", ".cdb": "cdb", ".dir": "dbm"}.get(compiled[0], "hash")
    command = f"postmap -s {shlex.quote(f'{kind}:{one.path}')} > {shlex.quote(one.path)}"
    return [
        f"{one.path}: only the database {one.path}{compiled[0]} is there, not the text it was made from",
        f"Get the text back, look at it, and import again: {command}",
    ]
