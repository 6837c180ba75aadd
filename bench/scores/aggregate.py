"""From the scores of clips to one estimate for each model and metric."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.number_format import counted
from bench.schema import Finite
from bench.stats import stratified_t_interval, wilson_interval
from bench.storage.clip_sets import clip_groups
from bench.storage.database import damaged
from bench.storage.read_clips import planned_rows
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_models import read_notices
from bench.storage.read_scores import ShownSetScore, shown_scores, shown_set_scores
from bench.storage.store import Store, StoredClip

MINIMUM_PROMPTS = 4
Grouping = Literal["genre", "level"]


@dataclass(frozen=True)
class ClipScore:
    """One clip's place in a table, and its score if it has one.

    ``chance`` and ``known`` are as in `bench.Score`; ``reason`` says why there is no value.
    """

    model: str
    metric: str
    prompt: str
    genre: str | None
    level: int | None
    value: float | None
    chance: float | None = None
    known: float | None = None
    seed: int = 0
    reason: str | None = None

    def group(self, by: Grouping | None) -> str | None:
        """What group it is in; None where its prompt has no such thing."""
        found = "all" if by is None else getattr(self, by)
        return None if found is None else str(found)


class _Landmarks(BaseModel):
    model_config = ConfigDict(strict=True)

    chance: Finite | None = None
    known: Finite | None = None


@dataclass(frozen=True)
class Column:
    """A metric as tables show it.

    ``view`` is the `bench.contracts.clip_view.View.key` of what its embeddings were made of, empty where it has none;
    ``reference`` what it compares with.
    """

    ref: str
    unit: str
    direction: Direction
    of_sets: bool = False
    view: str = ""
    reference: str = ""
    bounds: tuple[float, float] | None = None
    hit_or_miss: bool = False


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


def refuse_ungrouped(prompts: Iterable[Prompt], by: str | None) -> None:
    """Refuse to split tables by what no prompt has.

    Raises:
        UsageError: no prompt has a ``genre``, or a ``level``.
    """
    if by is not None and all(getattr(prompt, by) is None for prompt in prompts):
        raise UsageError(f"no prompt of this suite has a {by} to group by; add it to the suite's file")


def read_columns(store: Store) -> list[Column]:
    """The metrics that tables of this run show, in the order in which they were asked for."""
    return [
        Column(m.ref, m.unit, m.direction, m.of_sets, m.view, m.reference_name, m.bounds, m.hit_or_miss)
        for m in shown_metrics(store)
    ]


def read_scores(store: Store) -> list[ClipScore]:
    """Every planned clip × shown clip metric; one without a value is in the list too, since it was planned."""
    scores = []
    for s in shown_scores(store, details=True):
        chance, known = _landmarks(store, s.details)
        lacks = "not made yet; go on with 'tunebench run'" if s.state == "planned" else s.lacks
        scores.append(ClipScore(s.model, s.metric, s.prompt, s.genre, s.level, s.value, chance, known, s.seed, lacks))
    return scores


def _landmarks(store: Store, details: str | None) -> tuple[float | None, float | None]:
    """``chance`` and ``known`` of a clip's score."""
    # Most details are long and only two of them matter here.
    if not details or ('"chance"' not in details and '"known"' not in details):
        return None, None
    try:
        found = _Landmarks.model_validate_json(details)
    except ValidationError:
        raise damaged(store.folder, f"details in scores: {details[:40]}") from None
    return found.chance, found.known


def read_set_scores(store: Store, by: Grouping | None) -> dict[tuple[str, str, str], Estimate]:
    """The estimates of shown set metrics by (model, metric, group), of the clips that the run holds now."""
    prompts = store.prompts()
    models: dict[str, list[StoredClip]] = {}
    for clip in store.made():
        models.setdefault(clip.model, []).append(clip)
    now = {
        (model, group.grouping, group.name): group.clips
        for model, clips in models.items()
        for group in clip_groups(clips, prompts)
    }
    return {
        (score.model, score.metric, score.group): _stored(score)
        for score in shown_set_scores(store, ("all", by or "all"))
        if now.get((score.model, score.grouping, score.group)) == score.clips
    }


def _stored(score: ShownSetScore) -> Estimate:
    """An estimate as a set metric gave it; a plugin's may be no number that anything can be computed with."""
    value, low, high, reason = score.value, score.low, score.high, score.reason or score.error
    if any(number is not None and abs(number) >= 1e100 for number in (value, low, high)):
        value, low, high, reason = None, None, None, f"{value} ({low} to {high}) is not a number to compute with"
    return Estimate(value, low, high, score.n or 0, reason, score.warnings, score.details)


def estimate(
    scores: Sequence[ClipScore], bounds: tuple[float, float] | None = None, hit_or_miss: bool = False
) -> Estimate:
    """Mean over prompts with its 95 % interval.

    The unit is the prompt: seeds are averaged within it, since clips of one prompt are not independent. The interval is
    Student's, stratified by genre and kept within the metric's bounds; of a metric that only hits or misses it is
    Wilson's. There is none for fewer than 4 prompts, or when all prompts have one value, which says nothing about what
    another prompt would have.
    """
    prompts: dict[str, tuple[str | None, list[float]]] = {}
    clips = 0
    for score in scores:
        if score.value is not None:
            prompts.setdefault(score.prompt, (score.genre, []))[1].append(score.value)
            clips += 1
    if not prompts:
        return Estimate(None, None, None, 0, _why_none(scores))
    means = [math.fsum(values) / len(values) for _, values in prompts.values()]
    if len(prompts) < MINIMUM_PROMPTS:
        reason = f"{counted(len(prompts), 'prompt')}, an interval needs {MINIMUM_PROMPTS}"
        return Estimate(math.fsum(means) / len(means), None, None, clips, reason)
    if hit_or_miss and bounds and set(means) <= set(bounds):
        lowest, highest = bounds
        share = wilson_interval(means.count(highest), len(means))
        mean, low, high = (lowest + (highest - lowest) * x for x in share[:3])
        return Estimate(mean, low, high, clips)
    interval = stratified_t_interval(means, [genre or "" for genre, _ in prompts.values()])
    if math.isnan(interval.low) or interval.low == interval.high:
        reason = "the same value for every prompt" if max(means) == min(means) else "the same value within every genre"
        return Estimate(interval.mean, None, None, clips, reason)
    lowest, highest = bounds or (-math.inf, math.inf)
    return Estimate(interval.mean, max(interval.low, lowest), min(interval.high, highest), clips)


def _why_none(scores: Sequence[ClipScore]) -> str:
    """Why no clip has a value, by the commonest kind of reason: ``3 notes, needs 20`` and ``5 notes, …`` are one."""
    kinds: dict[str, list[str]] = {}
    for score in scores:
        reason = score.reason or "not scored"
        kinds.setdefault(re.sub(r"[0-9][0-9.,]*", "0", reason), []).append(reason)
    if not kinds:
        return "no clip was planned"
    commonest = max(kinds.values(), key=len)
    example, _ = Counter(commonest).most_common(1)[0]
    return f"no clip has a value; {len(commonest)} of {len(scores)}: {example}"


def summarise(store: Store, by: Grouping | None = None) -> list[Cell]:
    """One cell for each model × metric, and for each group if ``by`` is given, after the one over all prompts.

    Raises:
        UsageError: nothing was planned in the folder yet.
        DataError: the details of a score are invalid.
    """
    if not store.about():
        raise UsageError(f"nothing is planned in {store.folder} yet; run the command that made it again")
    gathered: dict[tuple[str, str, str], list[ClipScore]] = {}
    for score in read_scores(store):
        for group in filter(None, dict.fromkeys(("all", score.group(by)))):
            gathered.setdefault((score.model, score.metric, group), []).append(score)
    of_sets = read_set_scores(store, by)
    columns, said = read_columns(store), read_notices(store)
    cells = []
    for (model, group), planned in _planned(store, by).items():
        for column in columns:
            if column.of_sets:
                none = Estimate(None, None, None, 0, "not computed for these clips: run 'tunebench score'")
                found = of_sets.get((model, column.ref, group), none)
                cells.append(Cell(model, column, group, _with(found, said[model]), planned, None, None))
            else:
                scores = gathered[model, column.ref, group]
                known, chance = _mean(scores, "known"), _mean(scores, "chance")
                cells.append(
                    Cell(
                        model,
                        column,
                        group,
                        _with(estimate(scores, column.bounds, column.hit_or_miss), said[model]),
                        planned,
                        chance,
                        known,
                    )
                )
    return cells


def _with(found: Estimate, said: tuple[Notice, ...]) -> Estimate:
    """An estimate with what its model says of itself."""
    return replace(found, warnings=(*found.warnings, *said)) if said else found


def _planned(store: Store, by: Grouping | None) -> dict[tuple[str, str], int]:
    """How many clips each model should have, in all and in each group."""
    planned: dict[tuple[str, str], int] = {}
    prompts = store.prompts()
    for clip in planned_rows(store):
        own = getattr(prompts[clip.prompt], by) if by else None
        for group in ("all", *([] if own is None else [str(own)])):
            planned[clip.model, group] = planned.get((clip.model, group), 0) + 1
    return planned


def _mean(scores: Sequence[ClipScore], what: Literal["chance", "known"]) -> float | None:
    values = [value for score in scores if (value := getattr(score, what)) is not None]
    return math.fsum(values) / len(values) if values else None
