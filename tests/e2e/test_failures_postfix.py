"""Postfix goes on whatever happens to the daemon: sessions that are open, and sessions that begin."""

from concurrent.futures import ThreadPoolExecutor

from support.door import Door

TOP = 'profile = "balanced"'
TABLES = '[greylist]\nwhen = "never"\n[[dnsbl]]\nzone = "zen.spamhaus.org"\n'


def test_a_restart_under_fifty_open_sessions(tmp_path):
    with Door(tmp_path, TOP, TABLES) as door:
        sessions = [door.session(client=f"192.0.2.{n}") for n in range(1, 51)]
        for session in sessions:
            assert session.rcpt("alice@example.org", "bob@example.net")[0].startswith("250")
            session.smtp.docmd("RSET")
        door.gatepost.stop()
        door.gatepost.start()

        def go_on(session):
            """Postfix pays a second for each connection that was closed, so all go on at once."""
            (reply,) = session.rcpt("alice@example.org", "carol@example.net")
            session.close()
            return reply

        with ThreadPoolExecutor(50) as pool:
            replies = list(pool.map(go_on, sessions))

        assert [True] * 50 == [reply.startswith("250") for reply in replies]
        assert len(door.gatepost.journal("carol@example.net")) == 50


def test_a_daemon_that_is_gone(tmp_path):
    with Door(tmp_path, TOP, TABLES) as door:
        session = door.session()
        assert session.rcpt("alice@example.org", "bob@example.net")[0].startswith("250")
        session.smtp.docmd("RSET")
        door.gatepost.stop()

        assert session.rcpt("alice@example.org", "bob@example.net")[0].startswith("250")
        session.close()
        assert door.mail().startswith("250")
