-- Format 4: the index of words, one entry a chunk and word in the place of one a row and word. A frequent word costs 128 bytes for 1,024 rows
-- where it cost 20 kilobytes, and a chunk is written in some hundred rows where it took twenty thousand.
--
-- Chunks that were indexed before stay where they are, in `terms`.
CREATE TABLE postings (
    chunk  INTEGER NOT NULL,
    word   INTEGER NOT NULL,
    places BLOB NOT NULL,      -- the rows of the chunk that have it (src/postings.rs)
    PRIMARY KEY (chunk, word)
) STRICT, WITHOUT ROWID;
