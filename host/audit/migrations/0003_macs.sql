-- Format 3: what authenticates a row (src/authentic.rs). Rows of the formats before have none.
ALTER TABLE records ADD COLUMN mac BLOB;
