-- Format 1 of the recordings: what plugins were asked and said, sealed by a key of the vault.
-- What stands beside a sealed record is what finds it and bounds it; the audit names all of that, too.

CREATE TABLE recordings (
    number     INTEGER PRIMARY KEY,  -- in the order in which they came
    workspace  TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,     -- the length of `sealed`
    sealed     BLOB NOT NULL,
    UNIQUE (workspace, request_id)
) STRICT;

CREATE INDEX recordings_by_workspace ON recordings (workspace, number, bytes);
