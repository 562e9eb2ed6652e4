-- Who is shut out, and who was lately: a ban that is over is remembered, so that the next one is longer.
CREATE TABLE ban (
    network TEXT NOT NULL PRIMARY KEY,
    since REAL NOT NULL,
    until REAL,
    reason TEXT NOT NULL,
    origin TEXT NOT NULL,
    offences INTEGER NOT NULL,
    times INTEGER NOT NULL,
    evidence TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX ban_until ON ban (until);

CREATE TABLE ban_version (number INTEGER NOT NULL) STRICT;
INSERT INTO ban_version VALUES (1);

-- Clients that somebody spoke for.
CREATE TABLE trusted (
    address TEXT NOT NULL PRIMARY KEY,
    why TEXT NOT NULL,
    last REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX trusted_last ON trusted (last);

-- Where reading stands in each log.
CREATE TABLE log_place (
    log TEXT NOT NULL PRIMARY KEY,
    place TEXT NOT NULL
) STRICT, WITHOUT ROWID;
