-- Verdicts, in pages: what was written at one time, a line of JSON each (gatepost.store.base.JournalEntry).
-- There is no index on what is in them. Seven would cost ten times what writing costs, at every verdict,
-- to save a second when somebody searches. `number` grows with time. Times are seconds since 1970.
CREATE TABLE page (
    number INTEGER PRIMARY KEY,
    first REAL NOT NULL,
    last REAL NOT NULL,
    verdicts INTEGER NOT NULL,
    entries TEXT NOT NULL
) STRICT;
