-- Format 6: what an agent asked for, whatever form the answer shall have: asked for once more, it is the same draft.

ALTER TABLE drafts ADD COLUMN asked_sha256 BLOB NOT NULL DEFAULT x'';
UPDATE drafts SET asked_sha256 = request_sha256;

-- What an earlier version kept does not say, sealed, since when it waits: it waits no more.
UPDATE drafts SET expires_ms = 0 WHERE state = 'held';

DROP INDEX drafts_waiting;
CREATE UNIQUE INDEX drafts_waiting ON drafts (workspace, connection, agent, asked_sha256)
    WHERE state IN ('held', 'releasing');
