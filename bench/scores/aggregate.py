"""Aggregate scores of clips to one estimate per model and metric."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.number_format import counted
from bench.scores.clip_marks import clip_marks
from bench.scores.clip_scores import ClipScores, Places
from bench.scores.family_marks import family_marks
from bench.stats import stratified_t_interval, wilson_interval
from bench.storage.clip_sets import clip_groups
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_models import read_lineages
from bench.storage.read_scores import Array, ShownSetScore, shown_set_scores
from bench.storage.store import Store, StoredClip

MINIMUM_PROMPTS = 4
Grouping = Literal["genre", "level"]
_NONE = re.compile(r"no clip has a value; (?P<some>\d+) of (?P<all>\d+): (?P<example>.+)")
_VARYING = re.compile(r"'[^ ]*'(?=[^\w]|$)|\S*[/\\.]\w\S*|[0-9][0-9.,]*")
_NEEDS = re.compile(r"(?<=\d )(?P<unit>[^\s,]+), needs (?P<needed>[\d.]+)")


@dataclass(frozen=True)
class Column:
    """A metric in tables.

    Attributes:
        ref: its name and version, such as ``kad@2``.
        unit: of its values.
        direction: which values are better.
        of_sets: whether it scores sets of clips, not each clip.
        view: the `bench.contracts.clip_view.View.key` of its embeddings; empty without embeddings.
        reference: name of the reference that it compares with; empty if none.
        bounds: lowest and highest possible value; None if unbounded.
        hit_or_miss: whether every value is one of the two bounds.
        families: what its values are derived from, see `bench.contracts.family`; empty if unknown.
    """

    ref: str
    unit: str
    direction: Direction
    of_sets: bool = False
    view: str = ""
    reference: str = ""
    bounds: tuple[float, float] | None = None
    hit_or_miss: bool = False
    families: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One model's estimate for one metric, over one group of prompts or all of them.

    Attributes:
        model: label of the row.
        column: the metric.
        group: the genre or level of the prompts; ``all`` for all prompts.
        estimate: mean or distance with its interval; its ``n`` counts the clips with a value.
        planned: number of clips that should exist.
        chance: mean over the clips of the metric's value for music without structure; None if no score has one.
        known: mean over the clips of its value on the notes that the audio was rendered from; None likewise.
    """

    model: str
    column: Column
    group: str
    estimate: Estimate
    planned: int
    chance: float | None
    known: float | None


def parse_grouping(by: str | None) -> Grouping | None:
    """Check the grouping of tables, and return it; None groups nothing.

    Raises:
        UsageError: it is neither ``genre`` nor ``level``.
    """
    groupings: dict[str | None, Grouping | None] = {None: None, "genre": "genre", "level": "level"}
    if by not in groupings:
        raise UsageError(f"cannot group by '{by}': use genre or level")
    return groupings[by]


def refuse_ungrouped(prompts: Iterable[Prompt], by: str | None) -> None:
    """Refuse to group tables by a property that no prompt has.

    Raises:
        UsageError: no prompt has a ``genre``, or a ``level``.
    """
    if by is not None and all(getattr(prompt, by) is None for prompt in prompts):
        raise UsageError(f"no prompt of this suite has a {by} to group by; add it to the suite's file")


def read_columns(store: Store) -> list[Column]:
    """Return the metrics that tables of this run show, in the requested order."""
    return [
        Column(m.ref, m.unit, m.direction, m.of_sets, m.view, m.reference_name, m.bounds, m.hit_or_miss, m.families)
        for m in shown_metrics(store)
    ]


def read_set_scores(store: Store, by: Grouping | None) -> dict[tuple[str, str, str], Estimate]:
    """Return the estimates of shown set metrics by (model, metric, group), for the present clips of the run; ``all`` is
    the group of all prompts."""
    scores = shown_set_scores(store, ("all", by or "all"))
    if not scores:
        return {}
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
        for score in scores
        if now.get((score.model, score.grouping, score.group)) == score.clips
    }


def _stored(score: ShownSetScore) -> Estimate:
    """Return an estimate as a set metric gave it; a plugin's values may not be valid numbers."""
    value, low, high, reason = score.value, score.low, score.high, score.reason or score.error
    if any(number is not None and abs(number) >= 1e100 for number in (value, low, high)):
        reason = f"the metric returned {value} ({low} to {high}), which is too large"
        value, low, high = None, None, None
    return Estimate(value, low, high, score.n or 0, reason, score.warnings, score.details)


def estimate(
    values: Mapping[str, Sequence[float]],
    genres: Mapping[str, str | None],
    bounds: tuple[float, float] | None = None,
    hit_or_miss: bool = False,
) -> Estimate:
    """Return the mean over prompts with its 95 % interval.

    The unit is the prompt: seeds are averaged within it, since clips of one prompt are not independent. The interval is
    Student's, stratified by genre and kept within the metric's bounds; for a metric of hit or miss it is
    Wilson's. There is none for fewer than 4 prompts, or when all prompts have one value, which says nothing about what
    another prompt would have.

    Args:
        values: values of its clips by prompt; at least one prompt with one value each.
        genres: genre by prompt.
        bounds: lowest and highest possible value.
        hit_or_miss: whether each value is one of these.
    """
    clips = sum(map(len, values.values()))
    means = [math.fsum(own) / len(own) for own in values.values()]
    if len(means) < MINIMUM_PROMPTS:
        reason = f"{counted(len(means), 'prompt')}, an interval needs {MINIMUM_PROMPTS}"
        return Estimate(math.fsum(means) / len(means), None, None, clips, reason)
    if hit_or_miss and bounds and set(means) <= set(bounds):
        lowest, highest = bounds
        share = wilson_interval(means.count(highest), len(means))
        mean, low, high = (lowest + (highest - lowest) * x for x in share[:3])
        return Estimate(mean, low, high, clips)
    interval = stratified_t_interval(means, [genres[prompt] or "" for prompt in values])
    if math.isnan(interval.low) or interval.low == interval.high:
        reason = "the same value for every prompt" if max(means) == min(means) else "the same value within every genre"
        return Estimate(interval.mean, None, None, clips, reason)
    lowest, highest = bounds or (-math.inf, math.inf)
    return Estimate(interval.mean, max(interval.low, lowest), min(interval.high, highest), clips)


def why_none(reasons: Sequence[str | None]) -> str:
    """Return the most common reason why no clip has a value; ``3 notes, needs 20`` and ``5 notes, …`` count as one."""
    if not reasons:
        return "no clip was planned"
    kinds: dict[str, list[str]] = {}
    for given in reasons:
        reason = given or "not scored"
        kinds.setdefault(kind_of_reason(reason), []).append(reason)
    commonest = max(kinds.values(), key=len)
    example, _ = Counter(commonest).most_common(1)[0]
    return f"no clip has a value; {len(commonest)} of {len(reasons)}: {example}"


def none_in_words(reason: str) -> str:
    """Return a reason of `why_none`, or a metric's own, as a sentence.

    >>> none_in_words("no clip has a value; 12 of 12: pitches sound for 0.1 s, needs 3")
    'No value in any of 12 clips, for example: pitches sound for 0.1 s, 3 s needed'
    """
    own = _NONE.fullmatch(reason)
    example = own["example"] if own else reason
    example = _NEEDS.sub(lambda m: f"{m['unit']}, {m['needed']} {m['unit']} needed", example)
    if own is None:
        return example
    where = f"in any of {own['all']} clips" if own["some"] == own["all"] else f"in {own['some']} of {own['all']} clips"
    return f"No value {where}, for example: {example}"


def kind_of_reason(reason: str) -> str:
    """Return a reason with numbers, quoted names and files replaced, so that those of several clips compare.

    >>> kind_of_reason("3 notes, needs 20")
    '0 notes, needs 0'
    >>> kind_of_reason("no file for prompt 'jazz-1', seed 2 in clips: expected jazz-1_2.wav")
    'no file for prompt 0, seed 0 in clips: expected 0'
    """
    return _VARYING.sub("0", reason)


def summarise(store: Store, by: Grouping | None = None, scores: ClipScores | None = None) -> list[Cell]:
    """Return one cell for each model × metric, and for each group if ``by`` is given, after the one over all prompts.

    Args:
        store: store of the run.
        by: grouping of prompts.
        scores: scores of the run, if already read by the caller.

    Raises:
        UsageError: nothing was planned in the folder yet.
        DataError: the details of a score are invalid.
    """
    if not store.about():
        raise UsageError(f"nothing is planned in {store.folder} yet; repeat the command that made the run")
    scores = scores or ClipScores(store)
    prompts = store.prompts()
    genres = {id: prompt.genre for id, prompt in prompts.items()}
    groups = {id: str(name) for id, prompt in prompts.items() if by and (name := getattr(prompt, by)) is not None}
    of_sets = read_set_scores(store, by)
    columns, said = read_columns(store), {metric.ref: metric for metric in shown_metrics(store)}
    none = Estimate(None, None, None, 0, "not computed for these clips: run 'tunebench score'")
    marks, lineages = clip_marks(store, ("all", *([by] if by else []))), read_lineages(store)
    cells = []
    for model in store.labels():
        for group, clips in _groups(scores, model, groups).items():
            own_marks = marks.get((model, "all" if group == "all" else by or "all", group), ())
            for column in columns:
                marked = (*own_marks, *family_marks(model, lineages[model], column.families))
                if column.of_sets:
                    found = of_sets.get((model, column.ref, group), none)
                    cells.append(Cell(model, column, group, _with(found, marked), len(clips), None, None))
                    continue
                table = scores.column(column.ref)
                values = scores.by_prompt(column.ref, clips)
                if values:
                    found = estimate(values, genres, column.bounds, column.hit_or_miss)
                else:
                    lacking = scores.lacking(column.ref, model)
                    own = [clip.why for clip in lacking if group in ("all", groups.get(clip.prompt))]
                    found = Estimate(None, None, None, 0, why_none(own))
                chance, known = (_mean(of_clips[clips]) for of_clips in (table.chance, table.known))
                found = _with(found, (*said[column.ref].said_of(model), *marked))
                cells.append(Cell(model, column, group, found, len(clips), chance, known))
    return cells


def _with(found: Estimate, marked: tuple[Notice, ...]) -> Estimate:
    return replace(found, warnings=(*found.warnings, *marked)) if marked else found


def _groups(scores: ClipScores, model: str, groups: Mapping[str, str]) -> dict[str, Places]:
    """Return a model's planned clips: all, and those of each group of prompts; empty if none is planned."""
    clips = scores.clips(model)
    if not len(clips):
        return {}
    members: dict[str, list[int]] = {}
    if groups:
        for clip, prompt in zip(clips.tolist(), scores.prompt[clips].tolist(), strict=True):
            if (group := groups.get(scores.prompts[prompt])) is not None:
                members.setdefault(group, []).append(clip)
    return {"all": clips, **{group: np.array(own, dtype=np.intp) for group, own in members.items()}}


def _mean(values: Array) -> float | None:
    there = values[~np.isnan(values)].tolist()
    return math.fsum(there) / len(there) if there else None
