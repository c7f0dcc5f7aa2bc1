-- Format 2: signed heads.
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
