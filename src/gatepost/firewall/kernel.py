"""The kernel's nftables: told and asked by nft(8), one process for any number of bans.

Raises KernelError, with a sentence for people.
"""

import asyncio
import os
import shutil
from contextlib import suppress

import msgspec

from gatepost.firewall import netlink
from gatepost.firewall.listing import Listing, ListingError, parse_listing

SECONDS = 60.0
"""A run of nft that takes longer is ended."""
MAX_SAID = 300
_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_GONE = "No such file or directory"
_TOO_MUCH = "Message too long"


class KernelError(Exception):
    """The kernel cannot be told or asked."""


class TooMuchError(KernelError):
    """More than the kernel takes at once of who has no CAP_NET_ADMIN outside of containers."""


class _Ran(msgspec.Struct, frozen=True):
    """A run of nft: its number, its exit status, and what it said."""

    process: int
    code: int
    out: bytes
    err: str


class Kernel:
    """Our table in the kernel."""

    def __init__(self, table: str) -> None:
        self.table = table
        self._program = ""

    async def look(self, *, elements: bool = True) -> Listing | None:
        """Our table as it is, with the elements of its sets or without; None when it is not there.

        Raises:
            KernelError: it cannot be known.
        """
        ran = await self._run("-j" if elements else "-jt", "list", "table", "inet", self.table)
        if ran.code:
            if _GONE in ran.err:
                return None
            raise KernelError(_sentence(ran.err))
        try:
            found, flags = parse_listing(ran.out), netlink.table_flags(self.table)
        except ListingError as error:
            raise KernelError(str(error)) from None
        except OSError as error:
            raise KernelError(f"nftables cannot be asked: {error.strerror or error}") from None
        # nft 1.0.6 says nothing of a table that sleeps in its JSON.
        return msgspec.structs.replace(found, shape=f"flags {flags} {found.shape}") if flags else found

    async def tell(self, script: str) -> int:
        """Do what `script` says, all of it or nothing; the number of the process that did it.

        Raises:
            TooMuchError: nothing was done; it has to be told in parts.
            KernelError: nothing was done.
        """
        ran = await self._run("-f", "-", text=script)
        if ran.code and _TOO_MUCH in ran.err:
            raise TooMuchError(_sentence(ran.err))
        if ran.code:
            raise KernelError(_sentence(ran.err))
        return ran.process

    def generation(self) -> int:
        """See `netlink.generation`.

        Raises:
            KernelError: it cannot be known.
        """
        try:
            return netlink.generation()
        except OSError as error:
            raise KernelError(f"nftables cannot be asked: {error.strerror or error}") from None

    async def _run(self, *arguments: str, text: str = "") -> _Ran:
        try:
            process = await asyncio.create_subprocess_exec(
                self._find(),
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"LC_ALL": "C", "PATH": _PATH},
            )
        except OSError as error:
            raise KernelError(f"nft cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(SECONDS):
                out, err = await process.communicate(text.encode())
        except TimeoutError:
            raise KernelError(f"nft did not end within {SECONDS:g} s") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        code = -1 if process.returncode is None else process.returncode
        return _Ran(process.pid, code, out, err.decode(errors="backslashreplace"))

    def _find(self) -> str:
        if not self._program or not os.access(self._program, os.X_OK):
            self._program = shutil.which("nft", path=f"{os.environ.get('PATH', '')}:{_PATH}") or ""
        if not self._program:
            raise KernelError("the program nft is not installed (Debian: apt install nftables)")
        return self._program


def _sentence(said: str) -> str:
    """What nft said, in one line, with what to do where that is known."""
    lines = [line for line in said.splitlines() if line.strip() and set(line.strip()) - set("^~")]
    short = next((line for line in lines if "rror" in line), lines[0] if lines else "nothing was said")
    short = short.strip()[:MAX_SAID]
    if "Operation not permitted" in said or "must be root" in said:
        return f"nft may not change the firewall ({short}): it needs root, or CAP_NET_ADMIN"
    if "Protocol not supported" in said or "cache initialization failed: Invalid" in said:
        return f"this kernel has no nftables ({short}): it needs the module nf_tables"
    return f"nft refused: {short}"
