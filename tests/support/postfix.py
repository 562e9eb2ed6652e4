"""A real Postfix of our own for a test: own configuration, queue, data and log; nothing of the machine's.

    with Postfix(settings={"mynetworks": "127.0.0.0/8"}) as postfix:
        connect(postfix.host, postfix.port)

Needs root (Postfix refuses to start otherwise). Services run unchrooted, so that
sockets and files are found where the test put them. `netns` runs it in a network
namespace; so does being called inside one. Raises PostfixError when it does not start.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

SERVICES = """\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
proxywrite unix -       -       n       -       1       proxymap
smtp      unix  -       -       n       -       -       smtp
relay     unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
local     unix  -       n       n       -       -       local
virtual   unix  -       n       n       -       -       virtual
lmtp      unix  -       -       n       -       -       lmtp
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
"""

SETTINGS = {
    "compatibility_level": "3.6",
    "myhostname": "mx.example.net",
    "mydestination": "example.net",
    "mynetworks": "127.0.0.2/32",  # loopback clients of a test are strangers
    "inet_interfaces": "all",
    "local_recipient_maps": "",
    "local_transport": "discard:",
    "default_transport": "discard:",
    "alias_maps": "",
    "alias_database": "",
    "biff": "no",
    "append_dot_mydomain": "no",
    "recipient_delimiter": "+",
    "smtpd_tls_security_level": "none",
    "smtpd_soft_error_limit": "10000",  # no pauses, no hanging up on a test that earns refusals
    "smtpd_hard_error_limit": "10000",
    "smtpd_error_sleep_time": "0",
    "in_flow_delay": "0",  # a session that ends after an accepted RCPT would cost the next one a second
    "smtpd_junk_command_limit": "10000",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_event_limit_exceptions": "static:all",
    "smtpd_recipient_limit": "10000",
    "smtpd_recipient_overshoot_limit": "10000",
}


# As `postfix start` would make them, which takes two seconds of shell.
QUEUE_OF_POSTFIX = tuple(
    f"queue/{name}"
    for name in (
        *("active", "bounce", "corrupt", "defer", "deferred", "flush"),
        *("hold", "incoming", "private", "saved", "trace"),
    )
)
QUEUE_OF_POSTDROP = {"queue/maildrop": 0o1730, "queue/public": 0o2710}


class PostfixError(RuntimeError):
    """It did not start, or one of its programs failed; the text holds what it said and its log."""


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])


def free_ports(count: int) -> list[int]:
    """So many different TCP ports of 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as held:
        found = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in found]


class Postfix:
    """One instance; a context manager. Accepted mail goes to `discard` unless settings say otherwise."""

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        files: Mapping[str, str | bytes] | None = None,
        services: Sequence[str] = (),
        host: str = "127.0.0.1",
        port: int | None = None,
        netns: str | None = None,
    ) -> None:
        """Write nothing yet.

        Args:
            settings: main.cf, over SETTINGS; `{home}` in a value is the instance's folder.
            files: further files under `home` (maps), by relative name; give them as `texthash:{home}/name`.
            services: further master.cf lines; one that defines `HOST:PORT inet` adds a listener.
            host: address that smtpd listens on.
            port: its port; a free one when not given (25 in a network namespace).
            netns: name of the network namespace to run in.
        """
        self.settings = SETTINGS | dict(settings or {})
        self.files = dict(files or {})
        self.services = tuple(services)
        self.host = host
        self.netns = netns
        self.port = port or (25 if netns else free_port(host))
        self.home = Path()
        self._master: subprocess.Popen[bytes] | None = None

    # --- life ---

    def __enter__(self) -> Self:
        # Not below pytest's tmp_path: that is closed to the user postfix.
        self.home = Path(tempfile.mkdtemp(prefix="gatepost-postfix-"))
        try:
            self.write()
            self.start()
        except BaseException:
            self._clean()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clean()

    def _clean(self) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Start it, and return when smtpd listens."""
        with (self.home / "stderr").open("ab") as said:
            self._master = subprocess.Popen(
                self._command(f"{self._daemons()}/master", "-s"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while not self._listens():
            if self._master.poll() is not None or time.monotonic() > deadline:
                raise PostfixError(f"Postfix did not start\n{self._said()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it at once; what is queued stays in the queue. Harmless when it does not run."""
        if self._master is None:
            return
        self._master.terminate()  # master passes it on to all its children, which are of its process group
        deadline = time.monotonic() + 0.5  # postlogd would take its time
        while self._group_lives() and time.monotonic() < deadline:
            self._master.poll()
            time.sleep(0.01)
        if self._group_lives():
            os.killpg(self._master.pid, signal.SIGKILL)
        self._master.wait()
        self._master = None

    def reload(self) -> None:
        """Let it read its configuration anew; processes at work finish their client first.

        Those that are idle would take one more as before: they are waited for.
        """
        old = self._smtpds()
        self.run("postfix", "reload")
        deadline = time.monotonic() + 1
        while any(process.exists() for process in old) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _smtpds(self) -> list[Path]:
        """The processes of smtpd that run now."""
        found = []
        if self._master is not None:
            children = Path(f"/proc/{self._master.pid}/task/{self._master.pid}/children").read_text()
            for process in (Path("/proc", pid) for pid in children.split()):
                with contextlib.suppress(OSError):  # it ended meanwhile
                    if (process / "comm").read_text().strip() == "smtpd":
                        found.append(process)
        return found

    # --- files ---

    def write(self) -> None:
        """Write main.cf, master.cf and the files; again after `settings` changed, then `reload`."""
        self.home.chmod(0o755)
        for name in ("etc", "queue", "queue/pid", "data", *QUEUE_OF_POSTFIX, *QUEUE_OF_POSTDROP):
            (self.home / name).mkdir(exist_ok=True)
        for name in ("data", *QUEUE_OF_POSTFIX):
            shutil.chown(self.home / name, "postfix")
        for name, mode in QUEUE_OF_POSTDROP.items():
            shutil.chown(self.home / name, "postfix", "postdrop")
            (self.home / name).chmod(mode)
        for name, text in self.files.items():
            self.write_file(name, text)
        own = {
            "queue_directory": "{home}/queue",
            "data_directory": "{home}/data",
            "maillog_file": "{home}/maillog",
            "maillog_file_prefixes": "{home}",
            "multi_instance_name": "",
        }
        lines = (f"{k} = {v.replace('{home}', str(self.home))}\n" for k, v in (self.settings | own).items())
        self.write_file("etc/main.cf", "".join(lines))
        listener = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        master = f"{listener} inet n - n - - smtpd\n{SERVICES}" + "".join(
            line.replace("{home}", str(self.home)) + "\n" for line in self.services
        )
        self.write_file("etc/master.cf", master)

    def write_file(self, name: str, content: str | bytes) -> Path:
        """Write a file under `home`; returns its path."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        old = time.time() - 10  # each program waits until a file it reads is more than a second old
        os.utime(path, (old, old))
        return path

    # --- asking ---

    def run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """What one of Postfix's own programs (`postconf`, `postmap`) prints for this instance."""
        done = subprocess.run(
            self._command(program, *arguments), input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PostfixError(f"{program} {arguments} failed: {done.stdout}{done.stderr}\n{self._said()}")
        return done.stdout

    def log(self) -> str:
        """The mail log so far."""
        path = self.home / "maillog"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for_log(self, text: str, seconds: float = 10) -> str:
        """The first log line that holds `text`, as soon as it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in self.log().splitlines():
                if text in line:
                    return line
            time.sleep(0.02)
        raise PostfixError(f"{text!r} does not come in the log\n{self._said()}")

    # --- inside ---

    def _command(self, program: str, *arguments: str) -> list[str]:
        inside = ["ip", "netns", "exec", self.netns] if self.netns else []
        return [*inside, program, "-c", str(self.home / "etc"), *arguments]

    def _daemons(self) -> str:
        return self.run("postconf", "-h", "daemon_directory").strip()

    def _group_lives(self) -> bool:
        try:
            os.killpg(self._master.pid, 0) if self._master else None
        except ProcessLookupError:
            return False
        return True

    def _listens(self) -> bool:
        probe = f"import socket; socket.create_connection(({self.host!r}, {self.port}), 1).recv(1)"
        if self.netns:
            inside = ["ip", "netns", "exec", self.netns, "python3", "-c", probe]
            return subprocess.run(inside, capture_output=True, check=False).returncode == 0
        try:
            with socket.create_connection((self.host, self.port), 1):
                return True
        except OSError:
            return False

    def _said(self) -> str:
        stderr = self.home / "stderr"
        return (stderr.read_text(errors="replace") if stderr.exists() else "") + self.log()
