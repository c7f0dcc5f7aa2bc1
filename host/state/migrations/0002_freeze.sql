-- Format 2: tokens that end, tokens that another one replaced, frozen workspaces.

ALTER TABLE agents ADD COLUMN expires_ms INTEGER;
-- A token that `agent rotate` replaced; it works until it expires, and its agent's name is the new one's, too.
ALTER TABLE agents ADD COLUMN replaced INTEGER NOT NULL DEFAULT 0;

DROP INDEX agents_by_name;
CREATE UNIQUE INDEX agents_by_name ON agents (name) WHERE revoked_ms IS NULL AND replaced = 0;

-- `*` stands for every workspace.
CREATE TABLE frozen (
    workspace TEXT PRIMARY KEY,
    since_ms  INTEGER NOT NULL
) STRICT;
