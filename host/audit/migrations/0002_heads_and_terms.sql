-- Format 2: signed heads, an index of everything that a row names, and more than one file.
--
-- Each says what the chain was at its end (src/head.rs). They are numbered without a gap, so that a missing one shows.
CREATE TABLE heads (
    number    INTEGER PRIMARY KEY,
    sequence  INTEGER NOT NULL,  -- the row that was the last
    hash      BLOB NOT NULL,     -- its hash
    at_ms     INTEGER NOT NULL,
    key       BLOB NOT NULL,     -- the public key
    signature BLOB NOT NULL
) STRICT;

-- What rows are looked for by (src/terms.rs): one entry a word and row, in chunks of 1,024 rows. A chunk is indexed
-- when it is full, in order, so that the table only ever grows at its end; younger rows are read one by one.
CREATE TABLE terms (
    chunk    INTEGER NOT NULL,
    word     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (chunk, word, sequence)
) STRICT, WITHOUT ROWID;

-- The last row that is indexed.
CREATE TABLE indexed (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    sequence INTEGER NOT NULL
) STRICT;

INSERT INTO indexed (id, sequence) VALUES (1, 0);

DROP INDEX records_by_place;
DROP INDEX records_by_agent;

-- A log may go on in another file (src/files.rs), which begins with a copy of the last one's newest head.
-- Intents of earlier files that had no outcome when this file began.
CREATE TABLE carried (
    sequence   INTEGER PRIMARY KEY,
    request_id TEXT,
    workspace  TEXT,
    connection TEXT,
    agent      TEXT,
    operation  TEXT,
    effect     TEXT
) STRICT;

-- Files that were removed because their time was over: what each held, signed (src/removed.rs).
CREATE TABLE removed (
    first     INTEGER PRIMARY KEY,  -- its first row
    last      INTEGER NOT NULL,     -- its last row
    prev      BLOB NOT NULL,        -- the hash before the first row
    hash      BLOB NOT NULL,        -- the hash of the last row
    first_ms  INTEGER NOT NULL,
    last_ms   INTEGER NOT NULL,
    at_ms     INTEGER NOT NULL,     -- when it was removed
    key       BLOB NOT NULL,
    signature BLOB NOT NULL
) STRICT;
