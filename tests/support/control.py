"""The daemon's side of the control socket as the firewall sees it: tells bans, takes reports.

with Control(tmp_path / "control.sock") as control:
    control.put("192.0.2.1", until=time.time() + 60)
    control.reports[-1]["in_kernel"]
"""

import contextlib
import json
import socket
import socketserver
import threading
import time
from pathlib import Path


class Control:
    """A control socket that knows `ban.watch` and `firewall.report`."""

    def __init__(self, path, bans=None, never=(), alive=2.0):
        self.path = Path(path)
        self.bans = dict(bans or {})
        self.never = list(never)
        self.reports = []
        self.watched = 0
        self._alive = alive
        self._watchers = []
        self._lock = threading.Lock()
        self._server = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.path.unlink(missing_ok=True)
        control = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    control.serve(self)

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                raise AssertionError(client_address)

        self._server = Server(str(self.path), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        """As a daemon that ends: the socket goes, connections are closed."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.path.unlink(missing_ok=True)
        self.hang_up()

    def hang_up(self):
        """Close what is open."""
        with self._lock:
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            with contextlib.suppress(OSError):
                watcher.shutdown(socket.SHUT_RDWR)

    def serve(self, handler):
        request = json.loads(handler.rfile.readline() or "{}")
        if request.get("command") == "firewall.report":
            self.reports.append(request)
            handler.wfile.write(b'{"ok":{}}\n')
        elif request.get("command") == "ban.watch":
            with self._lock:
                told = {"kind": "all", "bans": self._rows(self.bans), "never": self.never}
                _say(handler.connection, told)
                self._watchers.append(handler.connection)
                self.watched += 1
            while handler.connection in self._watchers:
                time.sleep(0.02)
                self._keep_alive(handler.connection)

    def _keep_alive(self, connection):
        if time.monotonic() % self._alive < 0.03:
            with self._lock:
                _say(connection, {"kind": "alive"})

    # --- what an administrator or an offender causes ---

    def put(self, *networks, until=None):
        self.change(dict.fromkeys(networks, until))

    def remove(self, *networks):
        self.change({}, networks)

    def change(self, put, removed=()):
        """Several bans (and their ends) and removals in one line."""
        with self._lock:
            for network in removed:
                self.bans.pop(network, None)
            self.bans.update(put)
            self._tell({"kind": "change", "put": self._rows(put), "removed": list(removed)})

    def say(self, octets):
        """Any octets, to all who watch."""
        with self._lock:
            for watcher in self._watchers:
                with contextlib.suppress(OSError):  # one that has left
                    watcher.sendall(octets)

    def wait_for_report(self, true=None, seconds=15.0):
        """The last report, or the first after it, of which this is true; without a condition the next one."""
        seen, end = len(self.reports) - bool(true and self.reports), time.monotonic() + seconds
        true = true or (lambda _report: True)
        while time.monotonic() < end:
            for report in self.reports[seen:]:
                if true(report):
                    return report
            time.sleep(0.02)
        raise AssertionError(f"no such report in {self.reports[-3:]}")

    def _tell(self, told):
        for watcher in self._watchers:
            with contextlib.suppress(OSError):
                _say(watcher, told)

    @staticmethod
    def _rows(bans):
        return [{"network": network, "until": until} for network, until in bans.items()]


def _say(connection, told):
    connection.sendall(json.dumps({"ok": told}).encode() + b"\n")
