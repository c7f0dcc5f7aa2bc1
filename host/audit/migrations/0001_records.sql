-- Format 1 of the audit log.
--
-- Rows are only ever added. The triggers stop accidents; the chain (src/chain.rs) finds intent.
-- Columns beside `detail` are those by which rows are looked for; `hash` covers every one of them.
CREATE TABLE records (
    sequence   INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    request_id TEXT,
    workspace  TEXT,
    connection TEXT,
    agent      TEXT,
    operation  TEXT,
    effect     TEXT,
    decision   TEXT,
    outcome    TEXT,
    closes     INTEGER,          -- the intent that an outcome ends
    detail     TEXT NOT NULL,    -- JSON with its own version (src/detail.rs)
    prev       BLOB NOT NULL,
    hash       BLOB NOT NULL
) STRICT;

CREATE INDEX records_by_request ON records (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX records_by_place ON records (workspace, connection);
CREATE INDEX records_by_agent ON records (agent);
CREATE INDEX records_by_time ON records (at_ms);

-- Intents without an outcome, so that a start after a crash finds them without reading the whole log.
CREATE TABLE open_intents (
    sequence INTEGER PRIMARY KEY
) STRICT;

CREATE TRIGGER records_are_not_changed BEFORE UPDATE ON records
BEGIN SELECT RAISE(ABORT, 'audit records are only ever added'); END;

CREATE TRIGGER records_are_not_removed BEFORE DELETE ON records
BEGIN SELECT RAISE(ABORT, 'audit records are only ever added'); END;
