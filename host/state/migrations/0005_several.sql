-- Format 5: several people's words on one draft, and what writes have touched in a day.

-- A person's word on a draft that waits for more of them.
CREATE TABLE draft_approvals (
    draft    TEXT NOT NULL,
    operator TEXT NOT NULL,
    sealed   BLOB NOT NULL,    -- what was approved, and when, by the vault: a row that is made here counts for nothing
    PRIMARY KEY (draft, operator)
) STRICT, WITHOUT ROWID;

-- Words are used up when the draft is released, and gone when it ends.
CREATE TRIGGER draft_decided AFTER UPDATE OF state ON drafts WHEN NEW.state <> 'releasing' BEGIN
    DELETE FROM draft_approvals WHERE draft = NEW.id;
END;

-- How many records the writes of a connection have touched in the newest day in which there was one.
CREATE TABLE touched (
    workspace  TEXT NOT NULL,
    connection TEXT NOT NULL,
    what       TEXT NOT NULL,    -- an operation, a resource, or empty: all of them
    day        INTEGER NOT NULL, -- days since 1970-01-01, UTC
    records    INTEGER NOT NULL,
    PRIMARY KEY (workspace, connection, what)
) STRICT, WITHOUT ROWID;
