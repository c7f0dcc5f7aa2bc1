-- Format 2: signed heads, and an index of everything that a row names.
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
