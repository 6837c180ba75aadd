-- What listeners of a listening test said. Times are in UTC, as ISO 8601 with a Z.
CREATE TABLE test (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    design TEXT NOT NULL,       -- id of the design
    state TEXT NOT NULL CHECK (state IN ('open', 'paused', 'closed')),
    opened_at TEXT NOT NULL
) STRICT;

CREATE TABLE listeners (
    listener INTEGER PRIMARY KEY,  -- number of the session, from 0
    enrolled_at TEXT NOT NULL,
    panel TEXT UNIQUE,             -- what a panel calls them
    consented_at TEXT,
    facts TEXT NOT NULL DEFAULT '{}',  -- JSON: answers about the listener, and of the headphone check
    finished_at TEXT
) STRICT;

CREATE TABLE answers (
    listener INTEGER NOT NULL REFERENCES listeners,
    page INTEGER NOT NULL,
    answer TEXT NOT NULL,       -- JSON, by the key of the question
    final INTEGER NOT NULL CHECK (final IN (0, 1)),
    number INTEGER NOT NULL,    -- of the browser's change of this page; a lower one comes too late
    heard TEXT NOT NULL,        -- JSON: seconds of each sound
    seconds REAL,               -- from the end of the last sound to the answer
    saved_at TEXT NOT NULL,
    PRIMARY KEY (listener, page)
) STRICT, WITHOUT ROWID;

CREATE TABLE refused (
    at TEXT NOT NULL,
    listener INTEGER,           -- NULL where nobody knows
    what TEXT NOT NULL          -- that was refused, and why
) STRICT;
