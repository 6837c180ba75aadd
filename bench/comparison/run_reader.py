"""Data of a run for comparisons: values by prompt, clips, and the identity of each metric's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Any, Literal

import numpy as np

from bench.contracts.embedder import Vectors
from bench.contracts.family import Lineage
from bench.contracts.metric import Estimate
from bench.contracts.notice import Notice
from bench.errors import UsageError, suggestion
from bench.planning.metric_plan import embedding_key
from bench.references.contamination import BINDING
from bench.scores.aggregate import Column, Grouping, read_columns, read_set_scores
from bench.scores.clip_marks import Group, clip_marks
from bench.scores.clip_scores import ClipScores, Places
from bench.scores.family_marks import family_marks
from bench.storage.read_clips import clip_lengths
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_models import read_lineages
from bench.storage.store import Store, StoredClip

Half = Literal["earlier", "later"]
"""A half of the seeds of each prompt."""


@dataclass(frozen=True)
class ComparedMetric:
    """A column and the identity of its numbers, as in the table ``metrics``."""

    column: Column
    plugin: str
    name: str
    version: int
    params_hash: str
    embedder: str
    reference: str
    params: Mapping[str, Any]


class ComparedRun:
    """One run, read lazily; the caller closes the store.

    Args:
        store: of the run.
        scores: scores of its clips, if already read by the caller.
    """

    def __init__(self, store: Store, scores: ClipScores | None = None) -> None:
        self.store = store
        self.folder = store.folder
        self.about = store.about()
        self.prompts = store.prompts()
        self.trained_on = store.trained_on()
        self.scores = scores or ClipScores(store)
        self._lengths = {label: median(seconds) for label, seconds in clip_lengths(store).items()}
        self.metrics = [
            ComparedMetric(column, m.plugin, m.name, m.version, m.params_hash, m.embedder, m.reference, m.params)
            for column, m in zip(read_columns(store), shown_metrics(store), strict=True)
        ]
        self._shown = {metric.ref: metric for metric in shown_metrics(store)}
        self._seeds: dict[str, Mapping[str, tuple[int, ...]]] = {}
        self._means: dict[tuple[str, str, Half | None], dict[str, float]] = {}
        self._vectors: dict[tuple[str, str], Mapping[str, Vectors | str]] = {}
        self._set_scores: dict[str, Mapping[tuple[str, str, str], Estimate]] = {}

    @property
    def labels(self) -> list[str]:
        """Its rows."""
        return list(self.trained_on)

    def said(self, label: str, ref: str) -> tuple[Notice, ...]:
        """Return the warnings for every difference that involves a row, on one metric.

        For a set metric, these link the row to the reference; its other notices concern one set of clips.

        Args:
            label: of the row.
            ref: name and version of the metric.
        """
        score = self.set_score(label, ref, "all", "all")
        bound = (notice for notice in score.warnings if notice.code in BINDING) if score else ()
        return (*self._shown[ref].said_of(label), *bound)

    @cached_property
    def clips(self) -> Mapping[str, Sequence[StoredClip]]:
        """The existing clips, by row."""
        clips: dict[str, list[StoredClip]] = {label: [] for label in self.labels}
        for clip in self.store.made():
            clips[clip.model].append(clip)
        return clips

    def row(self, label: str) -> str:
        """Return the label, if the run has such a row.

        Raises:
            UsageError: there is no such row; the message suggests the nearest.
        """
        if label not in self.trained_on:
            known = ", ".join(self.labels) or "no models"
            raise UsageError(f"{self.folder} has no row '{label}'{suggestion(label, self.labels)}; it has: {known}")
        return label

    def seeds(self, label: str) -> Mapping[str, tuple[int, ...]]:
        """Return, by prompt, the seeds of a model's clips in ascending order."""
        if label not in self._seeds:
            clips = self._made(label)
            seeds: dict[str, list[int]] = {}
            for prompt, seed in zip(self.scores.prompt[clips].tolist(), self.scores.seed[clips].tolist(), strict=True):
                seeds.setdefault(self.scores.prompts[prompt], []).append(seed)
            self._seeds[label] = {prompt: tuple(sorted(own)) for prompt, own in seeds.items()}
        return self._seeds[label]

    def length(self, label: str) -> float | None:
        """Return the median length of a model's clips, in seconds."""
        return self._lengths.get(label)

    def marks(self, label: str, column: Column) -> tuple[Notice, ...]:
        """Return warnings about a model's clips, and about a metric that shares a family with the model.

        Args:
            label: of the model.
            column: the metric.
        """
        of_clips = self._marks.get((label, "all", "all"), ())
        return (*of_clips, *family_marks(label, self._lineages[label], column.families))

    def means(self, label: str, ref: str, half: Half | None = None) -> Mapping[str, float]:
        """Return, by prompt, a clip metric's mean over seeds; prompts without a value are left out.

        Args:
            label: of the row.
            ref: name and version of the metric.
            half: of each prompt's seeds; None for all of them.
        """
        key = label, ref, half
        if key not in self._means:
            clips = self._made(label) if half is None else self._half(label, half)
            found = self.scores.by_prompt(ref, clips)
            self._means[key] = {prompt: math.fsum(values) / len(values) for prompt, values in found.items()}
        return self._means[key]

    def _made(self, label: str) -> Places:
        clips = self.scores.clips(label)
        made: Places = clips[self.scores.made[clips]]
        return made

    def _half(self, label: str, half: Half) -> Places:
        """Return a model's clips with one half of the seeds of their prompt."""
        clips = self._made(label)
        chosen = {prompt: frozenset(half_of(seeds, half)) for prompt, seeds in self.seeds(label).items()}
        pairs = zip(self.scores.prompt[clips].tolist(), self.scores.seed[clips].tolist(), strict=True)
        kept = [seed in chosen[self.scores.prompts[prompt]] for prompt, seed in pairs]
        own: Places = clips[np.array(kept, dtype=np.bool_)]
        return own

    def set_score(self, label: str, ref: str, grouping: str, group: str) -> Estimate | None:
        """Return the leaderboard's value of a set metric; None if the run has no current score.

        Args:
            label: of the row.
            ref: name and version of the metric.
            grouping: ``all``, ``genre`` or ``level``.
            group: name of the group; ``all`` for all prompts.
        """
        if grouping not in self._set_scores:
            by: Grouping | None = None if grouping == "all" else "genre" if grouping == "genre" else "level"
            self._set_scores[grouping] = read_set_scores(self.store, by)
        return self._set_scores[grouping].get((label, ref, group))

    def set_value(self, label: str, ref: str, grouping: str, group: str) -> float | None:
        """Return the value of `set_score`; None if there is none."""
        score = self.set_score(label, ref, grouping, group)
        return score.value if score else None

    def vectors(self, metric: ComparedMetric) -> tuple[str, Mapping[str, Vectors | str]]:
        """Return the fingerprint of a set metric's embedder, and its vectors, or why there are none, by content."""
        key, view = metric.embedder, metric.column.view
        for embedder in self.store.embedders(view):
            if view and embedding_key([embedder], view) == key:
                if (embedder, view) not in self._vectors:
                    self._vectors[embedder, view] = self.store.embedded(embedder, view)
                return embedder, self._vectors[embedder, view]
        return "", {}

    @cached_property
    def _lineages(self) -> Mapping[str, Lineage]:
        return read_lineages(self.store)

    @cached_property
    def _marks(self) -> Mapping[Group, tuple[Notice, ...]]:
        return clip_marks(self.store)


@dataclass(frozen=True, eq=False)
class RunRow:
    """One side of a comparison: a model of a run; ``name`` is its name in the comparison."""

    run: ComparedRun
    label: str
    name: str

    def seeds(self) -> Mapping[str, tuple[int, ...]]:
        """Return, by prompt, the seeds of its clips in ascending order."""
        return self.run.seeds(self.label)

    def made(self, prompts: Iterable[str]) -> list[StoredClip]:
        """Return its clips of some prompts."""
        chosen = set(prompts)
        return [clip for clip in self.run.clips[self.label] if clip.prompt in chosen]

    def half(self, prompts: Iterable[str], half: Half) -> list[StoredClip]:
        """Return its clips of some prompts with the earlier or the later half of each prompt's seeds."""
        chosen = {prompt: frozenset(half_of(seeds, half)) for prompt, seeds in self.seeds().items()}
        return [clip for clip in self.made(prompts) if clip.seed in chosen[clip.prompt]]

    @property
    def has_halves(self) -> bool:
        """Whether any prompt has two clips."""
        return any(len(seeds) > 1 for seeds in self.seeds().values())


def half_of(seeds: Sequence[int], half: Half) -> Sequence[int]:
    """Return the earlier or the later half of the seeds of one prompt, equally many; empty for a single one.

    >>> half_of((3, 5, 8), "later")
    (8,)
    """
    size = len(seeds) // 2
    return seeds[:size] if half == "earlier" else seeds[len(seeds) - size :]
