"""The scores that the tables of a run show, as its database has them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from bench.contracts.notice import Notice
from bench.storage.read_clips import State
from bench.storage.store import Store


class ShownScore(NamedTuple):
    """A clip of the present plan and one shown metric: a value, or why there is none if that is known.

    Attributes:
        clip, model, prompt, seed: which clip it is.
        genre, level: of its prompt.
        state: whether it is made; one that is not has no score.
        metric: name and version.
        value: the score.
        reason: why there is none and never will be.
        error: what went wrong when it was scored.
        clip_error: what went wrong when it was made.
        details: of the score as JSON, where they were asked for.
    """

    clip: str
    model: str
    prompt: str
    seed: int
    genre: str | None
    level: int | None
    state: State
    metric: str
    value: float | None
    reason: str | None
    error: str | None
    clip_error: str | None
    details: str | None

    @property
    def lacks(self) -> str | None:
        """Why there is no value, as far as it is known: the reason, or what went wrong."""
        return next((text for text in (self.reason, self.error, self.clip_error) if text is not None), None)


class ShownSetScore(NamedTuple):
    """A shown metric's score of a set of clips of one model.

    Attributes:
        model: whose clips.
        grouping, group: which of them: ``all``, ``genre`` or ``level``, and the name of the group.
        metric: name and version.
        clips: identity of the set, as `bench.storage.clip_sets.clips_hash` returns it.
        value, low, high, n: the estimate, as in `bench.Estimate`.
        reason: why there is none.
        error: what went wrong.
        warnings: what must be said beside it.
        details: of the estimate.
    """

    model: str
    grouping: str
    group: str
    metric: str
    clips: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    reason: str | None
    error: str | None
    warnings: tuple[Notice, ...]
    details: Mapping[str, Any]


def shown_scores(store: Store, details: bool = False) -> list[ShownScore]:
    """Return every clip of the present plan × shown clip metric: by model, then metric, then clip, as they are listed.

    Args:
        store: of the run.
        details: whether they are read, too; they are long.
    """
    rows = store.rows(
        "SELECT clip, model, prompt, seed, genre, level, state, metric || '@' || version, value, reason, error, "
        f"clip_error, {'details' if details else 'NULL'} FROM shown_scores AS s JOIN models ON label = model "
        "JOIN prompts ON prompts.id = prompt ORDER BY models.position, s.position, s.place"
    )
    return [ShownScore(*row) for row in rows]


def unscored_clips(store: Store) -> list[str]:
    """Return the ids of clips that are made and not scored, once for each shown metric; a failure is a score here."""
    return [clip for (clip,) in store.rows("SELECT clip FROM shown_scores WHERE state = 'made' AND details IS NULL")]


def shown_set_scores(store: Store, groupings: Collection[str]) -> list[ShownSetScore]:
    """Return the scores of sets by shown metrics, of some of the groupings ``all``, ``genre`` and ``level``."""
    rows = store.rows(
        "SELECT model, grouping, member, metric || '@' || version, clips, value, low, high, n, reason, error, "
        f"warnings, details FROM shown_set_scores WHERE grouping IN ({', '.join('?' * len(groupings))})",
        tuple(groupings),
    )
    return [
        ShownSetScore._make((*row, tuple(map(Notice.of_json, json.loads(warnings))), json.loads(details)))
        for *row, warnings, details in rows
    ]
