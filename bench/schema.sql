-- A run. Values that cannot be NULL say so; SQLite stores NaN as NULL, so no NaN can enter a required column.

-- Facts about the whole run: suite, duration, the tunebench that made it.
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- A row of the leaderboard. identity is all that can change what is heard, as canonical JSON; fingerprint its SHA-256.
CREATE TABLE models (
    label TEXT PRIMARY KEY, position INTEGER NOT NULL, fingerprint TEXT NOT NULL, identity TEXT NOT NULL,
    provenance TEXT NOT NULL, rate INTEGER
);

CREATE TABLE prompts (
    id TEXT PRIMARY KEY, text TEXT NOT NULL, genre TEXT NOT NULL, level INTEGER NOT NULL, bpm REAL, key TEXT
);

-- content is the hash of the decoded audio; seconds is how long the clip took to make; peak is before gain was applied.
CREATE TABLE clips (
    id TEXT PRIMARY KEY, model TEXT NOT NULL REFERENCES models, prompt TEXT NOT NULL REFERENCES prompts,
    seed INTEGER NOT NULL, path TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('planned', 'made', 'failed', 'replaced')),
    content TEXT, rate INTEGER, channels INTEGER, frames INTEGER, peak REAL, gain REAL, seconds REAL, error TEXT,
    provenance TEXT
);
CREATE UNIQUE INDEX one_clip_each ON clips (model, prompt, seed) WHERE state != 'replaced';

-- What was played, where somebody knows; JSON of bench.notes.Notes.
CREATE TABLE notes (clip TEXT PRIMARY KEY REFERENCES clips, notes TEXT NOT NULL);

-- shown marks the version and parameters that tables show; older ones stay.
CREATE TABLE metrics (
    name TEXT NOT NULL, version INTEGER NOT NULL, params_hash TEXT NOT NULL, params TEXT NOT NULL, unit TEXT NOT NULL,
    direction TEXT NOT NULL, position INTEGER NOT NULL, shown INTEGER NOT NULL,
    PRIMARY KEY (name, version, params_hash)
);

-- value: a number; reason: there is none and never will be; error: it failed and is tried again.
CREATE TABLE scores (
    clip TEXT NOT NULL REFERENCES clips, metric TEXT NOT NULL, version INTEGER NOT NULL, params_hash TEXT NOT NULL,
    embedder TEXT NOT NULL DEFAULT '', value REAL, reason TEXT, error TEXT, details TEXT NOT NULL, seconds REAL,
    PRIMARY KEY (clip, metric, version, params_hash, embedder),
    CHECK ((value IS NOT NULL) + (reason IS NOT NULL) + (error IS NOT NULL) = 1)
) WITHOUT ROWID;

-- In a shard: every clip of the whole plan in its order, and the number of the shard that makes it. Empty elsewhere.
CREATE TABLE whole_plan (
    position INTEGER PRIMARY KEY, clip TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    path TEXT NOT NULL, shard INTEGER NOT NULL
);
