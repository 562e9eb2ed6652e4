-- Verdicts. `number` grows with time, so that the oldest need no index of their own.
-- Client, sender and recipient are the keys of gatepost.store.search: networks and domains are ranges of them.
CREATE TABLE verdict (
    number INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    reference TEXT NOT NULL,
    client TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    queue_id TEXT NOT NULL,
    instance TEXT NOT NULL,
    entry TEXT NOT NULL
) STRICT;

CREATE INDEX verdict_reference ON verdict (reference);
CREATE INDEX verdict_client ON verdict (client);
CREATE INDEX verdict_sender ON verdict (sender);
CREATE INDEX verdict_recipient ON verdict (recipient);
CREATE INDEX verdict_queue_id ON verdict (queue_id) WHERE queue_id <> '';
CREATE INDEX verdict_instance ON verdict (instance) WHERE instance <> '';
