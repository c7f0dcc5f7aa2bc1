-- Format 3: what plugins have taken of their quotas.

CREATE TABLE quotas (
    workspace      TEXT NOT NULL,
    plugin         TEXT NOT NULL,    -- its name in the workspace's chains
    key            TEXT NOT NULL,
    window_seconds INTEGER NOT NULL,
    start_ms       INTEGER NOT NULL, -- when the window began
    used           INTEGER NOT NULL,
    PRIMARY KEY (workspace, plugin, key, window_seconds)
) STRICT, WITHOUT ROWID;
