-- What people entered, and whom they write to: kept apart from triplets, with snapshots.
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list TEXT NOT NULL,
    what TEXT NOT NULL,
    looks_at TEXT NOT NULL,
    scope TEXT NOT NULL,
    comment TEXT NOT NULL,
    added REAL NOT NULL,
    added_by TEXT NOT NULL,
    expires REAL,
    UNIQUE (list, what, looks_at)
) STRICT;

-- One row: a number that only grows, so that every process notices what another one changed.
CREATE TABLE version (number INTEGER NOT NULL) STRICT;
INSERT INTO version VALUES (1);

CREATE TABLE correspondent (
    mail TEXT NOT NULL PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX correspondent_last ON correspondent (last);
