-- The vault's first format. Names stand in the clear; everything else about a record is inside `sealed`.

-- `lock`: how to come by the key. `head`: a sealed digest of all records, and the counters.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Every column but `sealed` is authenticated with it, so that rows cannot be swapped or renamed.
CREATE TABLE records (
    kind       TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    sealed     BLOB    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- When a grant's token endpoint was called: the provider's budget, which must survive a restart.
CREATE TABLE token_calls (
    grant_name TEXT    NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX token_calls_of_a_grant ON token_calls (grant_name, at_ms);
