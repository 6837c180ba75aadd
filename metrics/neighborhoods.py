"""Balls around the reference's windows, and which of a model's windows lie in them, with prompts assigned to two sides.

Published density and coverage treat windows as independent draws. Windows of one prompt are not: with them among the
neighbors, a ball has the size of one prompt's inner variation, and a model on the same prompts gets more than one on
others. Here every reference prompt has a partner among the clips' prompts: itself if the clips have it, otherwise one
of the same genre. For every window of the reference, each pair of another prompt is assigned to one side by a fair
coin: to the reference, whose window is then a neighbor, or to the clips, whose window may then lie in the ball. So a
window, its neighbors and the clips are of different prompts, one window of each, and where both sets are of one
distribution, a neighbor is as likely to be a clip as to be of the reference, genre by genre, whatever the prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.contracts.set_metric import EmbeddingSet
from bench.errors import Undefined
from bench.number_format import counted
from metrics.grouped import Array, Grouped
from metrics.pairwise import Windows, distance_blocks

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
ROUNDS, BALLS = 4, 8_000
"""Least number of rounds, each of which assigns all pairs anew around every window, and of balls in all rounds: the
assignment then adds .005 to the standard deviation of a density."""
_NUMBERS = 2_000_000
"""Distances in memory at once, 16 MB."""


@dataclass(frozen=True, eq=False)
class Neighborhoods:
    """Which balls each unit of the clips reaches, in all rounds.

    Attributes:
        reached: a bit for each unit and ball, shape (units, bytes); every round begins a byte, filled up with 0.
        balls: windows of the reference, counted in every round.
        inside: balls that a unit's window lies in, shape (units,).
        dealt: balls that it could have been in, because its pair was on the clips' side, shape (units,).
        chances: pairs on the clips' side, in all balls together; ``dealt`` of one model's units adds up to it.
        neighbors: of the reference that all balls reach, at most k each.
    """

    reached: npt.NDArray[np.uint8]
    balls: int
    inside: Array
    dealt: Array
    chances: int
    neighbors: int


@dataclass(frozen=True, eq=False)
class Round:
    """What is compared in one round.

    Attributes:
        owners: group of the reference that each pair is of, shape (pairs,).
        neighbors: a window of each pair's reference prompt, shape (pairs, dimension).
        units: the units of the clips that have a pair, shape (used,).
        pairs: the pair of each of them, shape (used,).
        clips: a window of each of them, shape (used, dimension).
    """

    owners: Places
    neighbors: Windows
    units: Places
    pairs: Places
    clips: Windows


def neighborhoods(windows: Grouped, reference: EmbeddingSet, k: int, seed: str) -> Neighborhoods:
    """Assign the pairs in every round, and find what lies in the balls.

    Args:
        windows: of the clips; two units of one prompt (of two models) have the same partner and the same side.
        reference: windows of the genres that the clips have too.
        k: a ball reaches to the k-th nearest neighbor; it holds everything if fewer are assigned to the reference.
        seed: of the draws; the same for everything that is to be compared.

    Raises:
        Undefined: fewer than 2k pairs of other prompts around some window, or balls of size 0.
    """
    rng = np.random.default_rng(list(seed.encode()))
    units, rounds = len(windows.starts), max(ROUNDS, -(-BALLS // reference.windows))
    inside, dealt, chances, neighbors, sized = np.zeros(units), np.zeros(units), 0, 0, False
    packed = [np.zeros((units, -(-reference.windows // 8)), dtype=np.uint8) for _ in range(rounds)]
    for number in range(rounds):
        dealing = _round(windows, reference, rng)
        if len(dealing.owners) < 2 * k + 1:
            raise Undefined(
                f"{counted(len(dealing.owners), 'usable prompt')}, needs {2 * k + 1} for k = {k}; add prompts or lower "
                "k"
            )
        for start, near, far in _distances(reference.vectors, dealing):
            other = reference.groups[start : start + len(near), np.newaxis] != dealing.owners
            heads = rng.random(near.shape) < 0.5
            near[~(heads & other)] = np.inf
            squared = np.partition(near, k - 1, axis=1)[:, k - 1]
            sized = sized or bool(((squared > 0) & np.isfinite(squared)).any())
            there = (~heads & other)[:, dealing.pairs]
            found = there & (far < squared[:, np.newaxis])
            inside[dealing.units] += found.sum(axis=0)
            dealt[dealing.units] += there.sum(axis=0)
            chances += int((~heads & other).sum())
            neighbors += int(np.minimum((heads & other).sum(axis=1), k).sum())
            packed[number][dealing.units, start // 8 : -(-(start + len(near)) // 8)] = np.packbits(found.T, axis=1)
    if not sized:
        raise Undefined("the windows of the reference all have the same embedding")
    return Neighborhoods(np.hstack(packed), reference.windows * rounds, inside, dealt, chances, neighbors)


def _distances(reference: Windows, dealing: Round) -> Iterator[tuple[int, Array, Array]]:
    """Yield squared distances of some windows of the reference, from ``start`` on, to the neighbors and to the
    clips."""
    rows = max(8, _NUMBERS // (len(dealing.neighbors) + len(dealing.clips)) // 8 * 8)
    for start in range(0, len(reference), rows):
        part = reference[start : start + rows]
        yield start, _table(part, dealing.neighbors), _table(part, dealing.clips)


def _table(a: Windows, b: Windows) -> Array:
    table = np.empty((len(a), len(b)))
    for row, column, block in distance_blocks(a, b):
        table[row : row + block.shape[0], column : column + block.shape[1]] = block
    return table


def _round(windows: Grouped, reference: EmbeddingSet, rng: np.random.Generator) -> Round:
    """Pair the prompts of both sides, and take a window of each."""
    prompts, of_unit = np.unique(windows.groups[windows.starts], return_inverse=True)
    groups, first, counts = np.unique(np.sort(reference.groups), return_index=True, return_counts=True)
    order = np.argsort(reference.groups, kind="stable")
    partner = _partners(prompts, windows, groups, reference, rng)
    of_music, of_prompts = rng.random(len(groups)), rng.random(len(prompts))
    paired = np.flatnonzero(partner >= 0)
    places = order[first + (of_music * counts).astype(np.int64)]
    pair = np.full(len(prompts), -1, dtype=np.int64)
    pair[partner[paired]] = np.arange(len(paired))
    units = np.flatnonzero(pair[of_unit] >= 0)
    clips = windows.starts + (of_prompts[of_unit] * windows.counts).astype(np.int64)
    return Round(
        groups[paired],
        reference.vectors[places[paired]],
        units,
        pair[of_unit[units]],
        windows.vectors[clips[units]],
    )


def _partners(
    prompts: Places, windows: Grouped, groups: Places, reference: EmbeddingSet, rng: np.random.Generator
) -> Places:
    """Return the index of the clips' prompt that each group of the reference is paired with, shape (groups,); −1 for
    none.

    Pairs have the same prompt, by its text; those that only one side has are paired within a genre, anew in every
    round.
    """
    place = {windows.prompts[prompt]: i for i, prompt in enumerate(prompts.tolist()) if prompt in windows.prompts}
    same = [place.get(reference.prompts.get(group, ""), -1) for group in groups.tolist()]
    partner = np.array(same, dtype=np.int64)
    by_genre = bool(set(windows.genres.values()) & set(reference.genres.values()))
    of_prompts = np.array([windows.genres.get(prompt, "") if by_genre else "" for prompt in prompts.tolist()])
    of_groups = np.array([reference.genres.get(group, "") if by_genre else "" for group in groups.tolist()])
    alone = np.ones(len(prompts), dtype=bool)
    alone[partner[partner >= 0]] = False
    for genre in np.unique(of_groups):
        music = rng.permutation(np.flatnonzero((of_groups == genre) & (partner < 0)))
        clips = rng.permutation(np.flatnonzero((of_prompts == genre) & alone))
        number = min(len(music), len(clips))
        partner[music[:number]] = clips[:number]
    return partner
