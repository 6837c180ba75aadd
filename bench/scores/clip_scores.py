"""The scores of a run's clips as arrays: one column per metric, read once, with views for table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bench.storage.read_clips import clip_places
from bench.storage.read_scores import Array, Lacking, ScoreColumn, lacking, score_columns
from bench.storage.store import Store

Places = npt.NDArray[np.intp]
"""Clip numbers, counted from 0 in planned order."""


class ClipScores:
    """Scores of shown metrics for each clip of the present plan, read on first use.

    Attributes:
        prompts: ids of the prompts of the clips.
        prompt: position of each clip's prompt in ``prompts``.
        seed: seed of each clip.
        made: whether each clip is made.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        labels: dict[str, int] = {label: place for place, label in enumerate(store.labels())}
        prompts: dict[str, int] = {}
        clips = (
            (labels[clip.model], prompts.setdefault(clip.prompt, len(prompts)), clip.seed, clip.made)
            for clip in clip_places(store)
        )
        fields = [("model", np.intp), ("prompt", np.intp), ("seed", np.int64), ("made", np.bool_)]
        table = np.fromiter(clips, dtype=np.dtype(fields))
        self.prompts: Sequence[str] = list(prompts)
        self.prompt, self.seed, self.made = (np.ascontiguousarray(table[name]) for name in ("prompt", "seed", "made"))
        self._of_model = {label: np.flatnonzero(table["model"] == place) for label, place in labels.items()}

    def clips(self, model: str) -> Places:
        """Return the clips of a model."""
        return self._of_model[model]

    def column(self, ref: str) -> ScoreColumn:
        """Return all clips' scores for a clip metric, given with its version."""
        return self._columns[ref]

    @cached_property
    def _columns(self) -> Mapping[str, ScoreColumn]:
        return score_columns(self._store)

    def by_prompt(self, ref: str, clips: Places) -> dict[str, list[float]]:
        """Return the existing scores of some clips by prompt, in the order of each prompt's first clip."""
        return {self.prompts[place]: own for place, own in grouped(self.prompt[clips], self.column(ref).value[clips])}

    def lacking(self, ref: str, model: str) -> list[Lacking]:
        """Return a model's clips without a score, with known reasons."""
        return [clip for clip in lacking(self._store, ref) if clip.model == model]


def grouped(groups: Places, values: Array) -> list[tuple[int, list[float]]]:
    """Return the values of each group in order, without NaN; groups sorted by their first value's position.

    Args:
        groups: of each value, its group, shape (n,).
        values: shape (n,).

    >>> grouped(np.array([7, 3, 7, 3]), np.array([np.nan, 1.0, 2.0, 3.0]))
    [(3, [1.0, 3.0]), (7, [2.0])]
    """
    there = ~np.isnan(values)
    groups, values = groups[there], values[there]
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    ends = np.append(starts[1:], len(ordered)).tolist()
    names, sorted_values, begins = ordered[starts].tolist(), values[order].tolist(), starts.tolist()
    return [(names[at], sorted_values[begins[at] : ends[at]]) for at in np.argsort(order[starts]).tolist()]
