-- Format 1 of the state.

-- Agents. A token is kept as its SHA-256 only: it has 256 random bits, so no slow hash is needed.
-- A revoked agent stays, so that its name in the audit keeps its meaning; its name may be given anew.
CREATE TABLE agents (
    token_id     TEXT PRIMARY KEY,   -- the public part of the token
    token_sha256 BLOB NOT NULL,
    name         TEXT NOT NULL,
    workspace    TEXT NOT NULL,
    created_ms   INTEGER NOT NULL,
    revoked_ms   INTEGER,
    last_used_ms INTEGER,
    note         TEXT
) STRICT;

CREATE UNIQUE INDEX agents_by_name ON agents (name) WHERE revoked_ms IS NULL;

-- Small facts, by name.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
