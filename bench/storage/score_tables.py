"""The part of a run's database that holds scores and embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.contracts.notice import Notice
from bench.contracts.set_metric import PlannedReference
from bench.hashing import canonical_json
from bench.planning.metric_plan import PlannedMetric, ScoreKey, SetKey
from bench.storage.tables import Tables
from bench.storage.task_results import ClipScores, SetScored


class ScoreTables(Tables):
    """Reads and writes scores, embeddings and what tables show, one transaction a result."""

    def show(self, metrics: Sequence[PlannedMetric], view: View, references: Mapping[str, PlannedReference]) -> None:
        """Make these the metrics that tables show, in these versions, on this view, against these references.

        ``references`` holds the reference of each embedder by its fingerprint.
        """
        from bench.storage.renaming import rename_scores

        with self._transaction():
            rename_scores(self._db, metrics, references)
            self._db.executemany("UPDATE metrics SET shown = 0 WHERE plugin = ?", [(m.base,) for m in metrics])
            for m in metrics:
                reference = references[m.embedders[0].fingerprint] if m.needs_reference else None
                self._db.execute(
                    "INSERT INTO metrics (plugin, name, version, params_hash, embedder, reference, params, unit, "
                    "direction, of_sets, view, reference_name, lowest, highest, hit_or_miss, position, shown) VALUES "
                    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT COUNT(*) FROM metrics), 1) "
                    "ON CONFLICT DO UPDATE SET shown = 1",
                    (
                        m.base,
                        *m.key(view),
                        reference.fingerprint if reference else "",
                        canonical_json(dict(m.params)),
                        m.unit,
                        m.direction,
                        m.of_sets,
                        view.key if m.embedders else "",
                        reference.name if reference else "",
                        *(m.bounds or (None, None)),
                        m.hit_or_miss,
                    ),
                )

    def scored(self) -> dict[str, set[ScoreKey]]:
        """For each clip id, what needs no scoring: a value or a reason exists."""
        held: dict[str, set[ScoreKey]] = {}
        rows = self._db.execute("SELECT clip, metric, version, params_hash, embedder FROM scores WHERE error IS NULL")
        for clip, *key in rows:
            held.setdefault(clip, set()).add(ScoreKey(*key))
        return held

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
                "(clip, metric, version, params_hash, embedder, value, reason, error, details, seconds) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        """Fingerprints of the embedders that there are vectors of on one `View.key`."""
        rows = self._db.execute("SELECT DISTINCT embedder FROM embeddings WHERE view = ?", (view,))
        return [embedder for (embedder,) in rows]

    def embedded(self, embedder: str, view: str) -> dict[str, Vectors | str]:
        """By content hash, the vectors of one embedder and one `View.key`, or the reason why there are none."""
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
        """As `embedded`, of these content hashes in their order, one at a time; without those that nobody embedded."""
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
        """Content hashes that need no embedding by one embedder on one view."""
        rows = self._db.execute(
            "SELECT content FROM embeddings WHERE embedder = ? AND view = ? AND error IS NULL", (embedder, view)
        )
        return {content for (content,) in rows}

    def set_scored(self) -> dict[SetKey, tuple[Notice, ...]]:
        """The sets of clips that have a score, each with its warnings."""
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
