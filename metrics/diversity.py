"""Diversity: how different a model's clips of one prompt are with several seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import Undefined
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric
from metrics.pairwise import Windows


@dataclass(frozen=True, eq=False)
class _Means(Contributions):
    """A mean over units."""

    of_units: Array

    def values(self, chosen: Chosen) -> Array:
        result: Array = (chosen @ self.of_units) / chosen.sum(axis=1)
        return result


class Diversity(GroupedMetric):
    """Mean distance between the clips of a prompt, in units of the embedding; 0 if every seed gives the same clip.

    A clip is represented by its mean embedding, so that variety within a clip does not count as variety between clips.
    Prompts with one clip do not count. More is not always better: noise that ignores the prompt is diverse as well, so
    read it beside KAD and the prompt's adherence.
    """

    version = 1
    direction: ClassVar[Direction] = "higher"
    needs_reference: ClassVar[bool] = False
    grows_with_clips: ClassVar[bool] = False
    cannot_tell = "whether what varies is good: noise that ignores its prompt varies, too"

    def considered(self, evaluated: EmbeddingSet, reference: Reference | None) -> EmbeddingSet:
        del reference
        clips = np.unique(np.stack([evaluated.groups, evaluated.recordings]), axis=1)[0]
        groups, numbers = np.unique(clips, return_counts=True)
        return evaluated.part(np.isin(evaluated.groups, groups[numbers > 1]))

    def check(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        if not evaluated.windows:
            raise Undefined("no prompt with 2 clips, needs 2 seeds")
        return super().check(evaluated, reference)

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        del reference
        units = (windows.unit(number) for number in range(len(windows.starts)))
        return _Means(np.array([clip_distance(windows.vectors[unit], windows.recordings[unit]) for unit in units]))


def clip_distance(windows: Windows, recordings: npt.NDArray[np.int64]) -> float:
    """Compute the mean Euclidean distance between the mean embeddings of two recordings or more.

    Args:
        windows: shape (windows, dimension).
        recordings: recording of each window, shape (windows,); at least two different ones.
    """
    from scipy.spatial.distance import pdist

    clips = [windows[recordings == recording].mean(axis=0, dtype=np.float64) for recording in np.unique(recordings)]
    return float(pdist(np.array(clips)).mean())
