"""Set metrics over prompts: the estimate, its jackknife and the test for a difference, each from one pass over windows.

The unit is the prompt: windows of a clip and clips of a prompt are not independent. A metric computes once what each
prompt contributes; its value for any choice of prompts is then cheap, and leaving a prompt out or swapping prompts
between two models are such choices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef
from bench.contracts.metric import Estimate
from bench.contracts.notice import Notice
from bench.contracts.set_metric import Difference, EmbeddingSet, Reference, SetMetric
from bench.errors import DataError, Undefined, UsageError
from bench.number_format import counted
from bench.stats import all_swaps, jackknife_interval, permutation_p, random_swaps, smallest_p
from bench.stats.permutation import EXACT, PERMUTATIONS
from metrics.pairwise import check_windows

Array = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]

MIN_PROMPTS = 4
"""Prompts that an interval or a test needs at least."""
_HANGS = "leaving out one of its prompts gives no value, so there is no interval"
_AT_ONCE = 512
"""Permutations whose choices are in memory together: 16 MB for two models on 2,000 prompts."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Windows in the order of their units (a prompt of one model), one unit after the other.

    Attributes:
        vectors: shape (windows, dimension).
        recordings, groups: int, shape (windows,).
        starts: int, shape (units,): the first window of each unit.
        genres, prompts: as in `bench.EmbeddingSet`.
    """

    vectors: npt.NDArray[np.float32]
    recordings: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    genres: Mapping[int, str]
    prompts: Mapping[int, str]

    @classmethod
    def of(cls, evaluated: EmbeddingSet) -> Grouped:
        """Group windows by prompt, in ascending order of ``groups``; the windows of a prompt keep their order."""
        order = np.argsort(evaluated.groups, kind="stable")
        return cls.in_order(evaluated, order, evaluated.groups)

    @classmethod
    def in_order(cls, evaluated: EmbeddingSet, order: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> Grouped:
        """Return the windows in an order that keeps those of a unit together.

        Args:
            evaluated: the windows.
            order: their places in the new order, shape (windows,).
            units: unit of each window, in the order of ``evaluated``, shape (windows,).
        """
        units = units[order]
        return cls(
            evaluated.vectors[order],
            evaluated.recordings[order],
            evaluated.groups[order],
            starts_of(units),
            evaluated.genres,
            evaluated.prompts,
        )

    def __add__(self, other: Grouped) -> Grouped:
        """Return the units of both, those of ``other`` last; recordings stay distinct even where their numbers are
        equal."""
        shift = self.recordings.max() + 1 - other.recordings.min()
        return Grouped(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.recordings, other.recordings + shift]),
            np.concatenate([self.groups, other.groups]),
            np.concatenate([self.starts, other.starts + len(self.vectors)]),
            {**other.genres, **self.genres},
            {**other.prompts, **self.prompts},
        )

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Windows of each unit, shape (units,)."""
        return np.diff(self.starts, append=len(self.vectors))

    def unit(self, number: int) -> slice:
        """Return the slice of the windows of one unit."""
        start = int(self.starts[number])
        return slice(start, start + int(self.counts[number]))


def starts_of(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the places where runs of equal labels begin."""
    return np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]]).astype(np.int64)


class Contributions(ABC):
    """What each unit contributes to a set metric."""

    @abstractmethod
    def values(self, chosen: Chosen) -> Array:
        """Compute the metric of each choice of units: bool of shape (choices, units) → (choices,)."""

    def value(self, chosen: Chosen) -> float:
        """Compute the metric of one choice, shape (units,), as exactly as possible."""
        return float(self.values(chosen[np.newaxis])[0])

    def differences(self, swaps: Chosen) -> Array:
        """Compute B − A where the first half of the units are A's and the second, in the same order of prompts, B's.

        Args:
            swaps: which prompts change sides, shape (permutations, prompts).

        Returns:
            shape (permutations,).
        """
        return self.values(np.hstack([swaps, ~swaps])) - self.values(np.hstack([~swaps, swaps]))

    def left_out(self, chosen: Chosen) -> Array:
        """Compute the metric of a choice with each of its units left out in turn, shape (chosen units,)."""
        places = np.flatnonzero(chosen)
        found = []
        for start in range(0, len(places), _AT_ONCE):
            part = places[start : start + _AT_ONCE]
            choices = np.tile(chosen, (len(part), 1))
            choices[np.arange(len(part)), part] = False
            found.append(self.values(choices))
        return np.concatenate(found)

    def details(self) -> Mapping[str, Any]:
        """Return what explains the numbers."""
        return {}


class GroupedMetric(SetMetric):
    """A set metric that is estimated and tested by prompts.

    Args:
        embedder: name of the embedder.
        embedder_params: its parameters.

    Class attributes:
        null: the hypothesis under which the p of a difference is computed.
        grows_with_clips: whether the expected value depends on the number of clips, so that unequal numbers mislead.
    """

    grows_with_clips: ClassVar[bool] = True
    null: ClassVar[str] = (
        "for every prompt, the two models' clips come from one distribution, so that it does not matter which model "
        "made which; this is a stronger hypothesis than equal values"
    )

    def __init__(self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None) -> None:
        self.embedders = (EmbedderRef(embedder, dict(embedder_params or {})),)

    @abstractmethod
    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        """Measure what each unit contributes.

        Args:
            windows: of one model's clips; for a difference A's units, then B's in the same order of prompts.
            reference: None where the metric needs none.

        Raises:
            Undefined: the reference gives no value, with the reason.
        """

    def check(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        """Return the warnings for a set that has a value; a subclass adds its own conditions.

        Raises:
            Undefined: the set is too small, with the reason.
            UsageError, DataError: as in `evaluate`.
        """
        if reference is None and self.needs_reference:
            raise UsageError(f"{type(self).__name__} needs a reference to compare with; name one")
        if reference is not None and self.needs_reference:
            if evaluated.embedder != reference.embedder:
                raise UsageError(
                    f"the clips are embedded by {evaluated.embedder} and the reference '{reference.name}' by "
                    f"{reference.embedder}; build the reference again with the same embedder"
                )
            if evaluated.windows and evaluated.dimension != len(reference.mean):
                raise DataError(
                    f"the clips have embeddings of {evaluated.dimension} dimensions and the reference "
                    f"'{reference.name}' of {len(reference.mean)}"
                )
        if not evaluated.windows:
            raise Undefined("no clips with an embedding")
        check_windows(evaluated.vectors, "set of clips")
        found = () if reference is None or not self.needs_reference else reference.warnings
        if len(evaluated.vectors) > 1 and (evaluated.vectors == evaluated.vectors[0]).all():
            found = (*found, Notice("W-CONSTANT", {"windows": evaluated.windows}))
        return found

    def permutations(self, evaluated: EmbeddingSet) -> int:
        """Return the number of random permutations in a test of more than 13 prompts; fewer where each takes long."""
        del evaluated
        return PERMUTATIONS

    def considered(self, evaluated: EmbeddingSet, reference: Reference | None) -> EmbeddingSet:
        """Return the windows that the metric uses."""
        del reference
        return evaluated

    def cautions(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        """Return the warnings about comparing these two, such as windows that the metric leaves out."""
        del evaluated, reference
        return ()

    def grouped(self, evaluated: EmbeddingSet) -> Grouped:
        """Group the windows by the units that are left out and swapped."""
        return Grouped.of(evaluated)

    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        said = self.cautions(evaluated, reference)
        evaluated = self.considered(evaluated, reference)
        clips = len(np.unique(evaluated.recordings))
        try:
            warnings = (*self.check(evaluated, reference), *said)
            windows = self.grouped(evaluated)
            contributions = self.contributions(windows, reference)
            prompts = len(windows.starts)
            everything = np.ones(prompts, dtype=bool)
            value = contributions.value(everything)
        except Undefined as error:
            return Estimate(None, None, None, clips, str(error))
        details = contributions.details()
        if prompts < MIN_PROMPTS:
            reason = f"{counted(prompts, 'prompt')}, an interval needs {MIN_PROMPTS}"
            return Estimate(value, None, None, clips, reason, warnings, details)
        left_out = contributions.left_out(everything)
        if not np.isfinite(left_out).all():
            return Estimate(value, None, None, clips, _HANGS, warnings, details)
        _, low, high, _ = jackknife_interval(value, left_out)
        return Estimate(value, low, high, clips, None, warnings, details)

    def difference(self, a: EmbeddingSet, b: EmbeddingSet, reference: Reference | None, seed: int) -> Difference:
        """Compute B − A over the prompts that both have, with the jackknife interval and a permutation test.

        The test is exact for 13 prompts or fewer; with more, ``seed`` determines the permutations.

        Raises:
            UsageError, DataError: as in `evaluate`.
        """
        if a.embedder != b.embedder:
            raise UsageError(f"A is embedded by {a.embedder} and B by {b.embedder}; embed both with one")
        said = (*self.cautions(a, reference), *self.cautions(b, reference))
        a, b = self.considered(a, reference), self.considered(b, reference)
        shared = np.intersect1d(a.groups, b.groups)
        if not len(shared):
            return Difference(None, None, None, None, "", "no prompt for which both have clips")
        alone = {f"only_{name}": len(np.setdiff1d(side.groups, shared)) for name, side in (("a", a), ("b", b))}
        a, b = a.part(np.isin(a.groups, shared)), b.part(np.isin(b.groups, shared))
        try:
            warnings = tuple(dict.fromkeys([*self.check(a, reference), *self.check(b, reference), *said]))
            windows = self.grouped(a) + self.grouped(b)
            contributions = self.contributions(windows, reference)
            units = len(windows.starts) // 2
            of_b = np.repeat([False, True], units)
            estimate = contributions.value(of_b) - contributions.value(~of_b)
        except Undefined as error:
            return Difference(None, None, None, None, "", str(error))
        if any(alone.values()):
            warnings += (Notice("W-UNPAIRED", alone),)
        clips = len(np.unique(a.recordings)), len(np.unique(b.recordings))
        if self.grows_with_clips and clips[0] != clips[1]:
            warnings += (Notice("W-CLIPS", {"a": clips[0], "b": clips[1]}),)
        if units < MIN_PROMPTS:
            reason = f"{counted(units, 'shared prompt')}, a test needs {MIN_PROMPTS}"
            return Difference(estimate, None, None, None, "", reason, warnings)
        left_out = contributions.left_out(of_b) - contributions.left_out(~of_b)
        if not np.isfinite(left_out).all():
            return Difference(estimate, None, None, None, "", _HANGS, warnings)
        _, low, high, _ = jackknife_interval(estimate, left_out)
        permutations = self.permutations(a)
        if units > EXACT and permutations < PERMUTATIONS:
            least = smallest_p(units, permutations)
            warnings += (Notice("W-FLOOR", {"permutations": permutations, "p": least}),)
        p = permutation_p(estimate, _permuted(contributions, units, permutations, seed))
        return Difference(estimate, low, high, p, self.null, None, warnings)


def _permuted(contributions: Contributions, prompts: int, permutations: int, seed: int) -> Array:
    """Compute B − A for every way to swap the two models' clips of whole prompts, or for so many random ones."""
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, permutations, _AT_ONCE):
        if prompts > EXACT:
            swaps = random_swaps(prompts, min(_AT_ONCE, permutations - start), rng)
        elif not start:
            swaps = all_swaps(prompts)
        else:
            break
        found.append(contributions.differences(swaps))
    return np.concatenate(found)
