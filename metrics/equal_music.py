"""The values of music like the reference: both sides are drawn from the reference itself.

A draw has as many clips of as many prompts as the model, and as many recordings as the reference. A prompt of the model
that is also in the reference represents itself. Where the model has other prompts, these and the reference's others are
drawn from the reference's others with replacement, anew for each side: only there do other prompts add to chance.
For a prompt that represents itself, recordings are drawn with replacement; one that was drawn brings its own, each
once, since prompts differ by their recordings already. So both sides are independent draws of one known distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.contracts.set_metric import EmbeddingSet
from metrics.grouped import Array, Grouped, starts_of

Places = npt.NDArray[np.int64]

DRAWS = 200
"""The mean of this many draws is off by less than a tenth of the standard deviation of one."""


@dataclass(frozen=True, eq=False)
class EqualMusic:
    """Histograms of music like the reference.

    Attributes:
        clips: gives the size of a draw; the units are of one model.
        reference: its windows.
        labels: bucket of each window of the reference.
        seed: of the draws.
    """

    clips: Grouped
    reference: EmbeddingSet
    labels: Places
    seed: int

    def draws(self, buckets: int) -> tuple[Array, Array]:
        """Draw histograms of clips and of references, each of shape (`DRAWS`, buckets)."""
        order = np.lexsort((np.arange(len(self.labels)), self.reference.recordings, self.reference.groups))
        labels = self.labels[order]
        first = starts_of(np.unique(self.reference.recordings[order], return_inverse=True)[1].astype(np.int64))
        sizes = np.diff(first, append=len(labels))
        of_group = self.reference.groups[order][first]  # of each recording
        groups, start, number = np.unique(of_group, return_index=True, return_counts=True)
        same = self._same_prompts(groups)
        others = np.setdiff1d(np.arange(len(groups)), same[same >= 0])
        others = others if len(others) else np.arange(len(groups))
        kept = np.isin(np.arange(len(groups)), same) | (same >= 0).all()
        _, clip, lengths = np.unique(self.clips.recordings, return_index=True, return_counts=True)
        prompt_of_clip = np.searchsorted(self.clips.starts, clip, "right") - 1

        rng = np.random.default_rng(self.seed)
        found = np.zeros((2, DRAWS, buckets))
        for draw in range(DRAWS):
            prompts = np.where(same >= 0, same, rng.choice(others, len(same)))
            turn = rng.integers(number[prompts])[prompt_of_clip] + _place_in(prompt_of_clip)
            of = prompts[prompt_of_clip]
            clips = start[of] + np.where((same >= 0)[prompt_of_clip], rng.integers(number[of]), turn % number[of])
            drawn = np.where(kept, np.arange(len(groups)), rng.choice(others, len(groups)))
            slots = np.repeat(np.arange(len(groups)), number[drawn])
            music = drawn[slots]
            recordings = start[music] + np.where(kept[slots], rng.integers(number[music]), _place_in(slots))
            begin = first[clips] + rng.integers(np.maximum(sizes[clips] - lengths, 0) + 1)
            found[0, draw] = _histogram(labels, begin, np.minimum(lengths, sizes[clips]), buckets)
            found[1, draw] = _histogram(labels, first[recordings], sizes[recordings], buckets)
        return found[0], found[1]

    def _same_prompts(self, groups: Places) -> Places:
        """Return the reference's index of each unit's prompt, shape (units,); −1 where it does not have it."""
        place = {self.reference.prompts[g]: i for i, g in enumerate(groups.tolist()) if g in self.reference.prompts}
        units = self.clips.groups[self.clips.starts].tolist()
        return np.array([place.get(self.clips.prompts.get(unit, ""), -1) for unit in units], dtype=np.int64)


def _place_in(labels: Places) -> Places:
    """Count how many of the same label come before each."""
    order = np.argsort(labels, kind="stable")
    starts = starts_of(labels[order])
    places = np.empty(len(labels), dtype=np.int64)
    places[order] = np.arange(len(labels)) - np.repeat(starts, np.diff(starts, append=len(labels)))
    return places


def _histogram(labels: Places, begin: Places, lengths: Places, buckets: int) -> Array:
    """Count the labels of runs of windows, which begin at ``begin``."""
    ends = np.cumsum(lengths)
    places = np.repeat(begin - ends + lengths, lengths) + np.arange(ends[-1])
    return np.bincount(labels[places], minlength=buckets).astype(np.float64)
