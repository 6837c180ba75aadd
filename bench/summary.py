"""From the scores of clips to one estimate for each model and metric."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.metric import Estimate
from bench.stats import stratified_t_interval
from bench.store import Store

MINIMUM_PROMPTS = 4
Grouping = Literal["genre", "level"]


@dataclass(frozen=True)
class ClipScore:
    """One clip's place in a table, and its score if it has one.

    ``chance`` and ``known`` are as in `bench.metric.Score`.
    """

    model: str
    metric: str
    prompt: str
    genre: str
    level: int
    value: float | None
    chance: float | None = None
    known: float | None = None

    def group(self, by: Grouping | None) -> str:
        return "all" if by is None else str(getattr(self, by))


@dataclass(frozen=True)
class Column:
    """A metric as tables show it."""

    ref: str
    unit: str
    direction: str


@dataclass(frozen=True)
class Cell:
    """One model's estimate for one metric, over one group of prompts or all of them.

    ``planned`` counts the clips that should exist; ``estimate.n`` those with a value.
    """

    model: str
    column: Column
    group: str
    estimate: Estimate
    planned: int
    chance: float | None
    known: float | None


def read_columns(store: Store) -> list[Column]:
    """The metrics that tables of this run show, in the order in which they were asked for."""
    rows = store.rows("SELECT name || '@' || version, unit, direction FROM metrics WHERE shown ORDER BY position")
    return [Column(*row) for row in rows]


def read_scores(store: Store) -> list[ClipScore]:
    """Every planned clip × shown metric; a clip without a value is in the list too, since it was planned."""
    rows = store.rows(
        "SELECT clips.model, name || '@' || metrics.version, clips.prompt, genre, level, value, details "
        "FROM clips JOIN models ON models.label = clips.model JOIN prompts ON prompts.id = clips.prompt "
        "JOIN metrics ON shown "
        "LEFT JOIN scores ON scores.clip = clips.id AND scores.metric = name AND scores.version = metrics.version "
        "AND scores.params_hash = metrics.params_hash AND clips.state = 'made' "
        "WHERE clips.state != 'replaced' ORDER BY models.position, metrics.position, clips.rowid"
    )
    scores = []
    for model, metric, prompt, genre, level, value, details in rows:
        # Most details are long and only two of them matter here.
        extra = json.loads(details) if details and ('"chance"' in details or '"known"' in details) else {}
        scores.append(ClipScore(model, metric, prompt, genre, level, value, extra.get("chance"), extra.get("known")))
    return scores


def estimate(scores: Sequence[ClipScore]) -> Estimate:
    """Mean over prompts with its t-interval, stratified by genre.

    The unit is the prompt: seeds are averaged within it, since clips of one prompt are not independent. No interval is
    given for fewer than 4 prompts.
    """
    prompts: dict[str, tuple[str, list[float]]] = {}
    counted = 0
    for score in scores:
        if score.value is not None:
            prompts.setdefault(score.prompt, (score.genre, []))[1].append(score.value)
            counted += 1
    if not prompts:
        return Estimate(None, None, None, 0, "no clip has a value")
    means = [math.fsum(values) / len(values) for _, values in prompts.values()]
    interval = stratified_t_interval(means, [genre for genre, _ in prompts.values()])
    if len(prompts) < MINIMUM_PROMPTS or math.isnan(interval.low):
        reason = f"{len(prompts)} prompts, an interval needs {MINIMUM_PROMPTS}"
        return Estimate(interval.mean, None, None, counted, reason)
    return Estimate(interval.mean, interval.low, interval.high, counted)


def summarise(store: Store, by: Grouping | None = None) -> list[Cell]:
    """One cell for each model × metric, and for each group if ``by`` is given, after the one over all prompts."""
    columns = {column.ref: column for column in read_columns(store)}
    gathered: dict[tuple[str, str, str], list[ClipScore]] = {}
    for score in read_scores(store):
        for group in dict.fromkeys(("all", score.group(by))):
            gathered.setdefault((score.model, score.metric, group), []).append(score)
    return [
        Cell(
            model,
            columns[metric],
            group,
            estimate(scores),
            len(scores),
            _mean(scores, "chance"),
            _mean(scores, "known"),
        )
        for (model, metric, group), scores in gathered.items()
    ]


def _mean(scores: Sequence[ClipScore], what: Literal["chance", "known"]) -> float | None:
    values = [value for score in scores if (value := getattr(score, what)) is not None]
    return math.fsum(values) / len(values) if values else None
