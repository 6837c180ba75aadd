"""Kernel sums by genre: what each prompt contributes to a kernel distance in which every genre counts equally.

A cell is a pair of genres. In each cell the mean of the kernel is taken within the clips, within the reference and
between them, over pairs of windows of different prompts. The same cells, with the same weights, make up all three
means: sets of one distribution then give 0, however few prompts a genre has. If pairs were left out of one mean and not
of another, as those of one prompt are, a set's own mean would hold fewer similar pairs (of one genre, of one prompt)
than the mean between the sets, and a true 0 would come out lower.

With G genres, cells of one genre have weight 1/G together and cells of two genres the rest, like the pairs of music
with equal shares of the genres. Cells of a kind all have equal weights. A cell without pairs, such as that of a genre
with one prompt, is left out of all three means, and the others of its kind take its weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import Undefined
from metrics.grouped import Array, Chosen, Contributions

SCALE = 100.0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Sums of the kernel and the number of pairs that they are of, as two arrays of one shape."""

    sums: Array
    counts: Array

    @property
    def means(self) -> Array:
        """0 where there are no pairs."""
        return np.divide(self.sums, self.counts, out=np.zeros_like(self.sums), where=self.counts > 0)


@dataclass(frozen=True, eq=False)
class ReferenceCells:
    """What depends on the reference alone, the same for every model.

    Attributes:
        sigma: the bandwidth.
        own: of its cells, shape (genres, genres); a single cell where no genres are compared.
    """

    sigma: float
    own: Pairs


@dataclass(frozen=True, eq=False)
class KernelCells(Contributions):
    """Sums of the kernel between units, and of each unit with each genre of the reference.

    Attributes:
        between: shape (units, units), symmetric.
        across: shape (units, genres of the reference).
        genres: genre of each unit by its number, shape (units,). If the reference has as many, they are the same.
        known: what depends on the reference alone.
        about: details of the estimate.
    """

    between: Pairs
    across: Pairs
    genres: npt.NDArray[np.int64]
    known: ReferenceCells
    about: Mapping[str, Any]

    def value(self, chosen: Chosen) -> float:
        value = super().value(chosen)
        if not np.isfinite(value):
            raise Undefined("no two windows of different prompts that could be compared")
        return value

    def values(self, chosen: Chosen) -> Array:
        used = chosen.any(axis=0)  # most choices are of one model's units, a quarter of the table
        units, member = chosen[:, used].astype(np.float64), self._member[used]
        table = np.ix_(used, used)
        own = Pairs(
            _by_genre(units, self.between.sums[table], member), _by_genre(units, self.between.counts[table], member)
        )
        across = Pairs(
            _to_reference(units, self.across.sums[used], member), _to_reference(units, self.across.counts[used], member)
        )
        return self._combined(own, across, units @ member > 0)

    def left_out(self, chosen: Chosen) -> Array:
        # A unit's contribution is subtracted from the sums of all, instead of a product of all units for each.
        member, genres = self._member[chosen], self.genres[chosen]
        each = np.arange(len(genres))
        tables = []
        for table in (self.between.sums, self.between.counts):
            own = table[np.ix_(chosen, chosen)]
            to_genre = own @ member
            without = np.repeat((member.T @ to_genre)[np.newaxis], len(each), axis=0)
            without[each, genres] -= to_genre
            without[each, :, genres] -= to_genre
            without[each, genres, genres] += own[each, each]
            tables.append(without)
        for table in (self.across.sums, self.across.counts):
            without = np.repeat((member.T @ table[chosen])[np.newaxis], len(each), axis=0)
            without[each, genres] -= table[chosen]
            tables.append(without)
        there = np.repeat(member.sum(axis=0)[np.newaxis], len(each), axis=0)
        there[each, genres] -= 1
        return self._combined(Pairs(*tables[:2]), Pairs(*tables[2:]), there > 0)

    def _combined(self, own: Pairs, across: Pairs, there: npt.NDArray[np.bool_]) -> Array:
        """Compute the distance of each choice from its sums by genre."""
        weights, present = self._weights(own, across, there)
        within = (weights * own.means).sum(axis=(1, 2))
        if self._by_genre:
            rest = (weights * (self.known.own.means - across.means - across.means.transpose(0, 2, 1))).sum(axis=(1, 2))
        else:
            rest = self.known.own.means[0, 0] - 2 * (present * across.means[:, :, 0]).sum(axis=1)
        result: Array = SCALE * (within + rest)
        return result

    def differences(self, swaps: Chosen) -> Array:
        prompts = swaps.shape[1]
        if not self._balanced(prompts):
            return super().differences(swaps)
        # Every choice has the same numbers of pairs. With v = −s on A's units and s on B's (s = ±1 a prompt), B's
        # choice is (1 + v)/2 and A's (1 − v)/2: the difference of their quadratic forms is 1ᵀ(table)v, linear in s.
        everything = np.r_[np.zeros(prompts, dtype=bool), np.ones(prompts, dtype=bool)][np.newaxis]
        units, member = everything.astype(np.float64), self._member
        own_counts = _by_genre(units, self.between.counts, member)
        across_counts = _to_reference(units, self.across.counts, member)
        own, across = Pairs(np.zeros_like(own_counts), own_counts), Pairs(np.zeros_like(across_counts), across_counts)
        weights, present = self._weights(own, across, units @ member > 0)
        each = _divided(weights[0], own_counts[0])
        linear = (self.between.sums * each[np.ix_(self.genres, self.genres)]).sum(axis=1)
        if self._by_genre:
            outer = _divided(2 * weights[0], across_counts[0])
        else:
            outer = _divided(2 * present[0][:, np.newaxis], across_counts[0])
        linear -= (self.across.sums * outer[self.genres]).sum(axis=1)
        result: Array = SCALE * ((1 - 2.0 * swaps) @ (linear[prompts:] - linear[:prompts]))
        return result

    def details(self) -> Mapping[str, Any]:
        return {"bandwidth": self.known.sigma, **self.about}

    @property
    def _by_genre(self) -> bool:
        """Whether the reference has cells too; with a single genre it makes no difference."""
        return len(self.known.own.sums) == int(self.genres.max()) + 1

    @property
    def _member(self) -> Array:
        """1 where a unit is of a genre, shape (units, genres)."""
        member: Array = np.eye(int(self.genres.max()) + 1)[self.genres]
        return member

    def _balanced(self, prompts: int) -> bool:
        """Return whether the numbers of pairs stay the same whichever of the two models a prompt's clips are of."""
        own, across = self.between.counts, self.across.counts
        others = ~np.eye(prompts, dtype=bool)  # a prompt's clips of the one are never together with those of the other
        return (
            np.array_equal(own[:prompts, :prompts], own[prompts:, prompts:])
            and np.array_equal(own[:prompts, :prompts][others], own[:prompts, prompts:][others])
            and np.array_equal(across[:prompts], across[prompts:])
        )

    def _weights(self, own: Pairs, across: Pairs, there: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        """Compute the weights of the cells of each choice, shape (choices, genres, genres), and of the genres; NaN
        where no cell has pairs."""
        usable = own.counts > 0
        if self._by_genre:
            both = across.counts > 0
            usable = usable & both & both.transpose(0, 2, 1) & (self.known.own.counts > 0)
        number = there.sum(axis=1)
        same = usable & np.eye(usable.shape[1], dtype=bool)
        other = usable & ~np.eye(usable.shape[1], dtype=bool)
        n_same, n_other = same.sum(axis=(1, 2)), other.sum(axis=(1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(n_same == 0, 0.0, np.where(n_other == 0, 1.0, 1 / number))
            weight_same = np.where(n_same > 0, share / n_same, 0.0)
            weight_other = np.where(n_other > 0, (1 - share) / n_other, 0.0)
            weight_same[n_same + n_other == 0] = np.nan
        weights = same * weight_same[:, np.newaxis, np.newaxis] + other * weight_other[:, np.newaxis, np.newaxis]
        return weights, there / number[:, np.newaxis]


def _by_genre(units: Array, table: Array, member: Array) -> Array:
    """Compute Σ over chosen units u of one genre and v of another of table[u, v], shape (choices, genres, genres)."""
    own = (np.flatnonzero(of) for of in member.T)
    return np.stack([(units[:, of] @ table[of] * units) @ member for of in own], axis=1)


def _to_reference(units: Array, table: Array, member: Array) -> Array:
    """Compute Σ over chosen units of one genre of table[u, h], shape (choices, genres, genres of the reference)."""
    own = (np.flatnonzero(of) for of in member.T)
    return np.stack([units[:, of] @ table[of] for of in own], axis=1)


def _divided(numbers: Array, counts: Array) -> Array:
    wide = np.broadcast_to(numbers, counts.shape)
    return np.divide(wide, counts, out=np.zeros(counts.shape), where=counts > 0)
