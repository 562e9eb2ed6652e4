"""Whatever a server sends, in whatever pieces: a reply, or the one error; never more than may be."""

import socket
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.postfix.applying.smtp import SmtpClient, SmtpError
from gatepost.postfix.applying.smtp_reply import Reply
from gatepost.postfix.applying.targets import Target

LINES = st.sampled_from(
    [b"220 ready\r\n", b"250-one\r\n", b"250 two\n", b"\r\n", b"999 x\r\n", b"25", b"x" * 3000, b"\xff\0\n"]
)


class Server:
    """Sends these pieces to whoever connects, and hangs up."""

    def __init__(self, pieces):
        self.pieces = pieces
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)

    def __enter__(self):
        self.thread.start()
        return Target(*self.socket.getsockname())

    def __exit__(self, *error):
        self.thread.join()
        self.socket.close()

    def serve(self):
        with self.socket.accept()[0] as client:
            try:
                for piece in self.pieces:
                    client.sendall(piece)
            except OSError:
                return


@given(st.lists(LINES | st.binary(max_size=40), max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_reply_or_the_one_error(pieces):
    with Server(pieces) as target:
        try:
            with SmtpClient(target, seconds=5.0) as client:
                reply = client.reply()
        except SmtpError:
            return
    assert isinstance(reply, Reply)
    assert 200 <= reply.code < 600
    assert reply.text.isascii()
    assert "\n" not in reply.text
