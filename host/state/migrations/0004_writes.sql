-- Format 4: proofs, the write levels that stand on them, and drafts.

-- The newest proof of each connection, passed or not.
CREATE TABLE proofs (
    workspace  TEXT NOT NULL,
    connection TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    generation INTEGER NOT NULL, -- of the grant that it was made with
    rules      BLOB NOT NULL,    -- digest of the service, place, rules and chain that it was made with
    passed     INTEGER NOT NULL,
    who        TEXT NOT NULL,
    report     TEXT NOT NULL,    -- JSON: each criterion; no value of the account
    mac        BLOB NOT NULL,    -- by the vault, so that editing this file proves nothing
    PRIMARY KEY (workspace, connection)
) STRICT, WITHOUT ROWID;

-- How far writes are enabled; no row: off.
CREATE TABLE write_levels (
    workspace  TEXT NOT NULL,
    connection TEXT NOT NULL,
    level      TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    generation INTEGER NOT NULL, -- it holds for this grant
    rules      BLOB NOT NULL,    -- and these rules only
    who        TEXT NOT NULL,
    mac        BLOB NOT NULL,
    PRIMARY KEY (workspace, connection)
) STRICT, WITHOUT ROWID;

-- Held requests.
CREATE TABLE drafts (
    id             TEXT PRIMARY KEY,
    workspace      TEXT NOT NULL,
    connection     TEXT NOT NULL,
    agent          TEXT NOT NULL,
    request_sha256 BLOB NOT NULL,    -- of all that would be sent
    operation      TEXT NOT NULL,
    effect         TEXT NOT NULL,
    state          TEXT NOT NULL,
    created_ms     INTEGER NOT NULL,
    expires_ms     INTEGER NOT NULL, -- while it is held; afterwards, when what is left of it goes
    decided_ms     INTEGER,
    decided_by     TEXT,
    release_id     TEXT,             -- the request by which it was released
    code           TEXT,             -- why nothing was sent
    outcome        TEXT,
    sealed         BLOB,             -- the request, by the vault
    answer         BLOB              -- its answer, by the vault, until it is fetched or expires
) STRICT;

-- The same request again is the same draft, also while it is being sent: it may come back to be held.
CREATE UNIQUE INDEX drafts_waiting ON drafts (workspace, connection, agent, request_sha256)
    WHERE state IN ('held', 'releasing');
CREATE INDEX drafts_by_state ON drafts (state, expires_ms);
