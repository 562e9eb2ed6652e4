"""Options of the store: where it is, and how much it remembers."""

from gatepost.options import Duration, Options


class StoreOptions(Options, frozen=True, kw_only=True):
    """Where and how long Gatepost remembers."""

    url: str = "sqlite:/var/lib/gatepost/gatepost.db"
    """Where state is kept: `sqlite:` and a path, or `memory:` to forget everything at the end.
    Beside the file named here, with `-kept` and `-journal` in their names, stand two more: what people
    entered with the correspondents, and the journal, so that trouble with one never costs the others."""
    triplets: int = 1_000_000
    """Triplets remembered at most, about 200 bytes of disk each; beyond, the oldest waiting ones go
    first. A million is far more than a busy server meets in the five weeks that passed triplets are kept."""
    cached_triplets: int = 50_000
    """Triplets held in memory too, so that known mail is answered without the disk; about 25 MB when full."""
    cached_clients: int = 50_000
    """Networks held in memory too; about 10 MB when full."""
    waiting_questions: int = 5_000
    """Questions that may wait for the disk at once; beyond, mail passes unasked. The default is more than
    Postfix has processes to ask with."""
    busy_timeout: Duration = Duration(0.5)
    """How long a lock held by another program is waited for before mail passes unasked. Well below the
    deadline of a request."""
    correspondents: int = 200_000
    """Remote addresses remembered at most because one of us wrote to them; beyond, those written to longest
    ago are forgotten."""
    snapshots: int = 24
    """Snapshots kept of what people entered; 0 makes none."""
    snapshot_every: Duration = Duration(3600)
    """How often a further snapshot is begun. The newest one is made anew soon after an entry changes."""
    journal_keep: Duration = Duration(30 * 86400)
    """How long verdicts are kept for `gatepost explain`."""
    journal_size: int = 512
    """Megabytes of journal kept at most; beyond, the oldest verdicts are forgotten. A verdict takes about
    0.7 kilobytes. `gatepost explain` reads the journal from its end until it has found enough: for a
    gigabyte, about a second, or as fast as the disk reads."""
    journal_queue: int = 20_000
    """Verdicts that may wait to be written; beyond, they are dropped and counted. The default holds about a
    second of the fastest traffic."""
