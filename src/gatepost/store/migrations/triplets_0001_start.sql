-- Triplets and the networks that proved themselves. Times are milliseconds since 1970.
-- Keys are plain text, so that people can look; the rows of one network stand together.
CREATE TABLE triplet (
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    PRIMARY KEY (network, sender, recipient)
) STRICT, WITHOUT ROWID;

-- For expiry; each triplet stands in one of the two.
CREATE INDEX triplet_waiting ON triplet (first) WHERE passed = 0;
CREATE INDEX triplet_passed ON triplet (last) WHERE passed > 0;

CREATE TABLE client (
    network TEXT NOT NULL PRIMARY KEY,
    successes INTEGER NOT NULL,
    counted INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX client_last ON client (last);
