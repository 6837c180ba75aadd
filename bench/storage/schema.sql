-- A run. Values that cannot be NULL say so; SQLite stores NaN as NULL, so no NaN can enter a required column.

-- Facts about the whole run: suite, duration in seconds as a JSON number, the tunebench that made it.
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);

-- A row of the leaderboard. identity is all that can change what is heard, as canonical JSON; fingerprint its SHA-256.
-- It names the plugin by its registered name, distribution and version, and never by where its code lies.
-- trained_on is a JSON list: content hashes of the recordings that the model is known to have been trained on.
CREATE TABLE models (
    label TEXT PRIMARY KEY, position INTEGER NOT NULL, fingerprint TEXT NOT NULL, identity TEXT NOT NULL,
    provenance TEXT NOT NULL, rate INTEGER, trained_on TEXT NOT NULL
);

CREATE TABLE prompts (
    id TEXT PRIMARY KEY, text TEXT NOT NULL, genre TEXT, level INTEGER, bpm REAL, key TEXT, lyrics TEXT
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

-- What was played, where somebody knows; JSON of bench.Notes.
CREATE TABLE notes (clip TEXT PRIMARY KEY REFERENCES clips, notes TEXT NOT NULL);

-- plugin is the metric's own name, name the column's: it tells parameters that are not the defaults.
-- shown marks the version, parameters, embedder and reference that tables show; older ones stay.
-- params_hash covers the plugin and its parameters, embedder the embedders' fingerprints and the view of the clips; that
-- and view are empty for metrics that embed nothing. view is canonical JSON of what is set: {} for whole clips,
-- {"band":8000.0,"seconds":8.0} for the first 8 s up to 8 kHz.
CREATE TABLE metrics (
    plugin TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, params_hash TEXT NOT NULL,
    embedder TEXT NOT NULL, reference TEXT NOT NULL, params TEXT NOT NULL, unit TEXT NOT NULL, direction TEXT NOT NULL, of_sets INTEGER NOT NULL,
    position INTEGER NOT NULL, shown INTEGER NOT NULL, view TEXT NOT NULL, reference_name TEXT NOT NULL,
    lowest REAL, highest REAL, hit_or_miss INTEGER NOT NULL,
    PRIMARY KEY (name, version, params_hash, embedder, reference)
);

-- value: a number; reason: there is none and never will be; error: it failed and is tried again.
CREATE TABLE scores (
    clip TEXT NOT NULL REFERENCES clips, metric TEXT NOT NULL, version INTEGER NOT NULL, params_hash TEXT NOT NULL,
    embedder TEXT NOT NULL, value REAL, reason TEXT, error TEXT, details TEXT NOT NULL, seconds REAL,
    PRIMARY KEY (clip, metric, version, params_hash, embedder),
    CHECK ((value IS NOT NULL) + (reason IS NOT NULL) + (error IS NOT NULL) = 1)
) WITHOUT ROWID;

-- In a shard: every clip of the whole plan in its order, and the number of the shard that makes it. Empty elsewhere.
CREATE TABLE whole_plan (
    position INTEGER PRIMARY KEY, clip TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL, seed INTEGER NOT NULL,
    path TEXT NOT NULL, shard INTEGER NOT NULL
);

-- float32 vectors, row by row, of one view (as in metrics) of a sound; or the reason for none; or what failed.
CREATE TABLE embeddings (
    content TEXT NOT NULL, embedder TEXT NOT NULL, view TEXT NOT NULL, dimension INTEGER, vectors BLOB, reason TEXT,
    error TEXT, PRIMARY KEY (content, embedder, view),
    CHECK ((vectors IS NOT NULL) + (reason IS NOT NULL) + (error IS NOT NULL) = 1)
);

-- One set metric on the clips of one model: all of them (grouping and member are 'all') or those of one genre or level.
-- clips is the hash of the sorted contents, so that a score of another set of clips is never mistaken for this one's.
-- warnings is a JSON list of {"code": …, "params": {…}}; a plugin's own code has its "text" beside them.
CREATE TABLE set_scores (
    model TEXT NOT NULL REFERENCES models, grouping TEXT NOT NULL, member TEXT NOT NULL, metric TEXT NOT NULL,
    version INTEGER NOT NULL, params_hash TEXT NOT NULL, embedder TEXT NOT NULL, reference TEXT NOT NULL,
    clips TEXT NOT NULL, value REAL, low REAL, high REAL, n INTEGER, reason TEXT, error TEXT, warnings TEXT NOT NULL,
    details TEXT NOT NULL,
    PRIMARY KEY (model, grouping, member, metric, version, params_hash, embedder, reference),
    CHECK (error IS NULL OR value IS NULL)
);

-- Of each block of rows of a table, such as the scores of one clip, how many rows there are and a digest of them.
-- checksum is of this row, so that a damaged digest is told from damaged rows; see bench/storage/digests.py.
CREATE TABLE digests (
    table_name TEXT NOT NULL, block TEXT NOT NULL, rows INTEGER NOT NULL, digest TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (table_name, block)
) WITHOUT ROWID;

-- Tests of the difference of two sets of clips by a set metric, which take seconds each, as JSON. key covers the metric,
-- the reference and the clips of both sets; what the embeddings of these clips are, the run says. digest is the SHA-256
-- of key and test: a test that is damaged is made again.
CREATE TABLE set_tests (key TEXT PRIMARY KEY, test TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
