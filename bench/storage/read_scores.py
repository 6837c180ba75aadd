"""The scores that the tables of a run show, as its database has them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.contracts.notice import Notice
from bench.storage.database import damaged
from bench.storage.read_clips import State
from bench.storage.store import Store

Array = npt.NDArray[np.float64]


class ShownScore(NamedTuple):
    """A clip of the present plan and one shown metric: a value, or a known reason why there is none.

    Attributes:
        clip, model, prompt, seed: which clip it is.
        genre, level: of its prompt.
        state: whether it is made; one that is not has no score.
        metric: name and version.
        value: the score.
        reason: why there is none and never will be.
        error: what went wrong when it was scored.
        clip_error: what went wrong when it was made.
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

    @property
    def lacks(self) -> str | None:
        """The known reason why there is no value, or the error."""
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


def shown_scores(store: Store) -> list[ShownScore]:
    """Return every clip of the present plan × shown clip metric: by model, metric and clip, in order.

    Of large runs `score_columns` reads the numbers alone, in a tenth of the time and memory.
    """
    rows = store.rows(
        "SELECT clip, model, prompt, seed, genre, level, state, metric || '@' || version, value, reason, error, "
        "clip_error FROM shown_scores AS s JOIN models ON label = model "
        "JOIN prompts ON prompts.id = prompt ORDER BY models.position, s.position, s.place"
    )
    return [ShownScore(*row) for row in rows]


class ScoreColumn(NamedTuple):
    """Scores of one metric, one entry per clip: shape (clips,), float64, NaN if missing.

    Attributes:
        value: the scores.
        chance, known: as in `bench.Score`.
    """

    value: Array
    chance: Array
    known: Array


def _landmark(name: str) -> str:
    """Return SQL for a number in a score's details: −Inf if missing, +Inf if not a number or not JSON."""
    found, kind = (f"{function}(details, '$.{name}')" for function in ("json_extract", "json_type"))
    return (
        # Most details are long and have no such thing.
        f"CASE WHEN NOT instr(details, '\"{name}\"') THEN -9e999 WHEN {kind} IN ('integer', 'real') THEN {found} "
        f"WHEN json_type(details) != 'object' OR {kind} != 'null' THEN 9e999 ELSE -9e999 END"
    )


def score_columns(store: Store) -> dict[str, ScoreColumn]:
    """Return the scores of the clips of the present plan, in their order, by shown clip metric and its version.

    The table is read once, a row at a time: what is kept of a score are three numbers.

    Raises:
        DataError: the details of a score are damaged.
    """
    metrics = store.rows("SELECT rowid, name || '@' || version FROM metrics WHERE shown AND NOT of_sets ORDER BY rowid")
    numbers = np.array([number for number, _ in metrics], dtype=np.int64)
    clips = store.each("SELECT rowid FROM clips WHERE state != 'replaced' ORDER BY rowid")
    places = np.fromiter((place for (place,) in clips), dtype=np.int64)
    names = ("place", "number", *ScoreColumn._fields)
    kinds = [(name, np.float64 if name in ScoreColumn._fields else np.int64) for name in names]
    rows = store.each(
        f"SELECT place, number, ifnull(value, -9e999), {_landmark('chance')}, {_landmark('known')} FROM held_scores"
    )
    found = np.fromiter(rows, dtype=np.dtype(kinds))
    where = np.searchsorted(numbers, found["number"]), np.searchsorted(places, found["place"])
    if any((found[name] >= 1e100).any() for name in ("chance", "known")):
        raise damaged(store.folder, "details in scores: chance or known is not a number")
    table = np.full((len(ScoreColumn._fields), len(numbers), len(places)), np.nan)
    for number, name in enumerate(ScoreColumn._fields):
        table[(number, *where)] = np.where(found[name] == -np.inf, np.nan, found[name])
    return {ref: ScoreColumn(*table[:, place]) for place, (_, ref) in enumerate(metrics)}


class HeldScore(NamedTuple):
    """A score by a shown metric: a value, or the reason why there is none, or the error.

    Attributes:
        place: of its clip in the order of the plan, as `bench.storage.read_clips.PlannedRow.place`.
        metric: name and version.
    """

    place: int
    metric: str
    value: float | None
    reason: str | None
    error: str | None


def held_scores(store: Store, without_value: bool = False) -> Iterator[HeldScore]:
    """Yield the scores of the clips of the present plan by shown clip metrics, or only those without a value.

    They are in no order: the table is read once, which is several times as fast as looking up each clip × metric.
    """
    rows = store.each(
        "SELECT place, metric || '@' || version, value, reason, error FROM held_scores"
        + (" WHERE value IS NULL" if without_value else "")
    )
    return (HeldScore(*row) for row in rows)


class Lacking(NamedTuple):
    """A clip of the present plan without a value of a shown metric.

    Attributes:
        place: its place in the order of the plan, as `bench.storage.read_clips.PlannedRow.place`.
        model, prompt, state: which clip it is, and whether it is made.
        reason, error, clip_error: as in `ShownScore`.
    """

    place: int
    model: str
    prompt: str
    state: State
    reason: str | None
    error: str | None
    clip_error: str | None

    @property
    def why(self) -> str | None:
        """The reason, if known."""
        if self.state == "planned":
            return "not made yet; go on with 'tunebench run'"
        return next((text for text in (self.reason, self.error, self.clip_error) if text is not None), None)


def lacking(store: Store, metric: str) -> Iterator[Lacking]:
    """Yield the clips of the present plan that a shown metric, named ``name@version``, has no value of, in order."""
    rows = store.each(
        "SELECT place, model, prompt, state, reason, error, clip_error FROM shown_scores "
        "WHERE metric || '@' || version = ? AND value IS NULL ORDER BY place",
        (metric,),
    )
    return (Lacking(*row) for row in rows)


class Unscored(NamedTuple):
    """A made clip and a shown metric without a value, reason or error for it.

    Attributes:
        clip, model, prompt, seed: which clip it is.
        metric: name and version.
    """

    clip: str
    model: str
    prompt: str
    seed: int
    metric: str


def unscored(store: Store) -> list[Unscored]:
    """Return made clips without a score, once for each shown metric; failures count as scores."""
    rows = store.rows(
        "SELECT clip, model, prompt, seed, metric || '@' || version FROM shown_scores "
        "WHERE state = 'made' AND details IS NULL ORDER BY position, place"
    )
    return [Unscored(*row) for row in rows]


def shown_set_scores(store: Store, groupings: Collection[str]) -> list[ShownSetScore]:
    """Return the scores of sets by shown metrics, of some of the groupings ``all``, ``genre`` and ``level``.

    They are in no order, and may be of sets of clips that the run no longer has: ``clips`` tells.
    """
    rows = store.rows(
        "SELECT model, grouping, member, metric || '@' || version, clips, value, low, high, n, reason, error, "
        f"warnings, details FROM shown_set_scores WHERE grouping IN ({', '.join('?' * len(groupings))})",
        tuple(groupings),
    )
    return [
        ShownSetScore._make((*row, tuple(map(Notice.of_json, json.loads(warnings))), json.loads(details)))
        for *row, warnings, details in rows
    ]
