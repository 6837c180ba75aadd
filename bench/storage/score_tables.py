"""The part of a run's database with scores and embeddings."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.contracts.notice import Notice
from bench.hashing import canonical_json, fingerprint
from bench.planning.metric_plan import PlannedMetric, ScoreKey, SetKey
from bench.storage.tables import Tables
from bench.storage.task_results import ClipScores, SetScored

_SAMPLE = 20_000  # rows that tell how long scoring takes


class ScoreTables(Tables):
    """Read and write scores, embeddings and shown metrics, with one transaction per result."""

    def show(
        self, metrics: Sequence[PlannedMetric], view: View, marks: Mapping[str, Mapping[str, tuple[Notice, ...]]]
    ) -> None:
        """Make these the metrics that tables show, in these versions, on this view, each against its reference.

        Args:
            metrics: each with its reference, where it has one.
            view: the part of the clips that is embedded.
            marks: by the fingerprint of a reference and by model, what scores of single clips against it must say
                beside what is true of all models.
        """
        from bench.storage.renaming import rename_scores

        with self._transaction():
            rename_scores(self._db, metrics)
            self._db.executemany("UPDATE metrics SET shown = 0 WHERE plugin = ?", [(m.base,) for m in metrics])
            for m in metrics:
                said = _of_all_clips(m, marks)
                self._db.execute(
                    "INSERT INTO metrics (plugin, name, version, params_hash, embedder, reference, params, unit, "
                    "direction, of_sets, view, reference_name, lowest, highest, hit_or_miss, warnings, families, "
                    "position, shown) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                    # A version that has risen takes the column of the one before.
                    "(SELECT coalesce(MIN(position) FILTER (WHERE plugin = ? AND name = ?), COUNT(*)) FROM metrics), "
                    "1) "
                    "ON CONFLICT DO UPDATE SET shown = 1, warnings = excluded.warnings, families = excluded.families",
                    (
                        m.base,
                        *m.key(view),
                        canonical_json(dict(m.params)),
                        m.unit,
                        m.direction,
                        m.of_sets,
                        view.key if m.embedders else "",
                        m.against.name if m.against else "",
                        *(m.bounds or (None, None)),
                        m.hit_or_miss,
                        canonical_json({model: [w.as_json() for w in own] for model, own in said.items()}),
                        canonical_json(list(m.families)),
                        m.base,
                        m.key(view)[0],
                    ),
                )

    def unscored(
        self, keys: Collection[ScoreKey], former: Mapping[ScoreKey, ScoreKey] | None = None
    ) -> dict[str, set[ScoreKey]]:
        """Return, by id of made clips, the keys without a value or reason.

        Clips that lack nothing are left out, and not looked at one by one.

        Args:
            keys: what is asked for.
            former: keys of an older layout, and what each is called today.
        """
        if not keys:
            return {}
        places = ", ".join(["(?, ?, ?, ?, ?)"] * len(keys))
        whole = self._db.execute(
            f"SELECT clip FROM scores WHERE error IS NULL AND (metric, version, params_hash, embedder, reference) IN "
            f"(VALUES {places}) GROUP BY clip HAVING COUNT(*) = ?",
            (*chain.from_iterable(keys), len(keys)),
        )
        complete = {clip for (clip,) in whole}
        lacking: dict[str, set[ScoreKey]] = {}
        for (id,) in self._db.execute("SELECT id FROM clips WHERE state = 'made'"):
            if id in complete:
                continue
            held = self._db.execute(
                "SELECT metric, version, params_hash, embedder, reference FROM scores WHERE clip = ? AND error IS NULL",
                (id,),
            )
            found = {ScoreKey(*key) for key in held}
            if absent := set(keys) - found - {new for old, new in (former or {}).items() if old in found}:
                lacking[id] = absent
        return lacking

    def seconds_per_score(self) -> dict[str, float]:
        """Return, by ``params_hash``, a metric's mean time per clip in seconds, without embedding.

        Of the first rows: they are by clip, whose ids are hashes, and so a sample at random.
        """
        rows = self._db.execute(
            "SELECT params_hash, AVG(seconds) FROM (SELECT params_hash, seconds FROM scores "
            "WHERE error IS NULL AND seconds IS NOT NULL LIMIT ?) GROUP BY params_hash",
            (_SAMPLE,),
        )
        return dict(rows)

    def record_clip_scores(self, found: ClipScores) -> None:
        """Store the scores and vectors of one clip in one transaction; a damaged file is to be made again."""
        with self._transaction():
            if found.unreadable:
                self._db.execute(
                    "UPDATE clips SET state = 'failed', content = NULL, error = ? WHERE id = ?",
                    (found.unreadable, found.clip),
                )
                return
            self._db.executemany(
                "INSERT OR REPLACE INTO scores "
                "(clip, metric, version, params_hash, embedder, reference, value, reason, error, details, seconds) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (s.clip, *s.key, s.value, s.reason, s.error, canonical_json(dict(s.details)), s.seconds)
                    for s in found.scores
                ],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO embeddings (content, embedder, view, dimension, vectors, reason, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        e.content,
                        e.embedder,
                        e.view,
                        None if e.vectors is None else e.vectors.shape[1],
                        None if e.vectors is None else e.vectors.astype("<f4", copy=False).tobytes(),
                        e.reason,
                        e.error,
                    )
                    for e in found.embedded
                ],
            )

    def embedders(self, view: str) -> list[str]:
        """Return fingerprints of the embedders that have results on one `View.key`.

        Raises:
            DataError: the embeddings are damaged.
        """
        self.check("embeddings")
        rows = self._db.execute("SELECT DISTINCT embedder FROM embeddings WHERE view = ?", (view,))
        return [embedder for (embedder,) in rows]

    def embedded(self, embedder: str, view: str) -> dict[str, Vectors | str]:
        """Return, by content hash, the vectors of an embedder on a view, or the reason why there are none.

        Args:
            embedder: its fingerprint.
            view: the `View.key`.

        Returns:
            Vectors are read-only, float32, shape (windows, dimension); what failed is left out.

        Raises:
            DataError: the embeddings are damaged.
        """
        self.check("embeddings")
        rows = self._db.execute(
            "SELECT content, dimension, vectors, reason FROM embeddings "
            "WHERE embedder = ? AND view = ? AND error IS NULL",
            (embedder, view),
        )
        return {
            content: reason if vectors is None else np.frombuffer(vectors, dtype="<f4").reshape(-1, dimension)
            for content, dimension, vectors, reason in rows
        }

    def each_embedded(self, embedder: str, view: str, contents: Iterable[str]) -> Iterator[tuple[str, Vectors | str]]:
        """Yield the results of `embedded` for these content hashes in order, without missing ones.

        Raises:
            DataError: the embeddings are damaged.
        """
        self.check("embeddings")
        for content in contents:
            row = self._db.execute(
                "SELECT dimension, vectors, reason FROM embeddings "
                "WHERE content = ? AND embedder = ? AND view = ? AND error IS NULL",
                (content, embedder, view),
            ).fetchone()
            if row is not None:
                dimension, vectors, reason = row
                yield content, reason if vectors is None else np.frombuffer(vectors, dtype="<f4").reshape(-1, dimension)

    def embedded_keys(self, embedder: str, view: str) -> set[str]:
        """Return content hashes that need no embedding, as they have vectors or a reason; arguments as of `embedded`.

        Raises:
            DataError: the embeddings are damaged.
        """
        self.check("embeddings")
        rows = self._db.execute(
            "SELECT content FROM embeddings WHERE embedder = ? AND view = ? AND error IS NULL", (embedder, view)
        )
        return {content for (content,) in rows}

    def set_scored(self) -> dict[SetKey, tuple[Notice, ...]]:
        """Return the sets of clips that have a score, each with its warnings."""
        rows = self._db.execute(
            "SELECT model, grouping, member, metric, version, params_hash, embedder, reference, clips, warnings "
            "FROM set_scores WHERE error IS NULL"
        )
        return {SetKey(*key): tuple(map(Notice.of_json, json.loads(warnings))) for *key, warnings in rows}

    def record_set_scores(self, results: Sequence[SetScored]) -> None:
        """Store the scores of one model's sets of clips in one transaction."""
        with self._transaction():
            for r in results:
                e = r.estimate
                numbers = (e.value, e.low, e.high, e.n, e.reason) if e else (None,) * 5
                said = (
                    (canonical_json([w.as_json() for w in e.warnings]), canonical_json(dict(e.details)))
                    if e
                    else ("[]", "{}")
                )
                self._db.execute(
                    "INSERT OR REPLACE INTO set_scores VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*r.key, *numbers, r.error, *said),
                )

    def set_test(self, key: str) -> str | None:
        """Return a stored test of a set metric's difference by key, as JSON; None if missing or damaged."""
        row = self._db.execute(
            "SELECT CAST(test AS BLOB), CAST(digest AS BLOB) FROM set_tests WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        text = bytes(row[0]).decode(errors="replace")
        return text if fingerprint([key, text]).encode() == row[1] else None

    def store_set_test(self, key: str, test: str) -> None:
        """Store one test, JSON that takes seconds to make again, in a transaction of its own."""
        with self._transaction():
            row = (key, test, fingerprint([key, test]))
            self._db.execute("INSERT OR REPLACE INTO set_tests (key, test, digest) VALUES (?, ?, ?)", row)

    def drop_other_set_tests(self, keys: Collection[str]) -> None:
        """Remove all tests but those with these keys: tests of sets of clips that the run no longer has."""
        others = "FROM set_tests WHERE key NOT IN (SELECT value FROM json_each(?))"
        kept = (canonical_json(sorted(keys)),)
        if self._db.execute(f"SELECT 1 {others} LIMIT 1", kept).fetchone():
            with self._transaction():
                self._db.execute(f"DELETE {others}", kept)


def _of_all_clips(
    metric: PlannedMetric, marks: Mapping[str, Mapping[str, tuple[Notice, ...]]]
) -> dict[str, tuple[Notice, ...]]:
    """Return what scores of single clips by a metric must say, by model; of all models under an empty name."""
    if metric.of_sets or metric.against is None:  # a score of a set has its own
        return {}
    own = {"": metric.against.warnings, **marks.get(metric.against.fingerprint, {})}
    return {model: said for model, said in own.items() if said}
