"""Distances of subsets of prompts to a reference: by how much one set is called worse than another, for each subset.

FAD, KAD and KL are computed for subsets from the contributions of single prompts, with the same result as from the
subsets alone. Density and coverage, whose neighbors are prompts, are computed for each subset anew. MAD has five
codebooks with as many seeds, which subsets use in turn: with as many buckets as a subset's clips would have, fitted on
the two sets of all prompts and the reference.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import Undefined
from metrics.coverage import Coverage, Density
from metrics.damaged_music import Condition, DamagedMusic
from metrics.divergence import kl_divergence
from metrics.dose_listening import CLEAN
from metrics.frechet import FrechetAudioDistance
from metrics.grouped import Contributions, Grouped
from metrics.kernel import KernelAudioDistance, embeddings_of
from metrics.mad import MauveAudioDivergence, buckets_of
from metrics.neighborhoods import neighborhoods
from metrics.tagger import tag_shares

Array = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]

CODEBOOKS = 5
DISTANCES = ("fad@1", "kad@2", "mad@1", "kl-musicnn", "density@2", "coverage@2")


def distance_differences(
    music: DamagedMusic, first: Condition, second: Condition, subsets: Chosen, swaps: Chosen, reference: Reference
) -> dict[str, Array]:
    """Compute by how much each distance calls the second condition worse than the first.

    Args:
        music: the prompts and their vectors.
        first, second: what is compared.
        subsets: which prompts count, shape (subsets, prompts).
        swaps: prompts of which the two change sides, shape (subsets, prompts).
        reference: what is compared with.

    Returns:
        By name, shape (subsets,), > 0 where the second is called worse; NaN where there is no value.

    Raises:
        UsageError: the reference holds no windows.
        Undefined: most of its windows have the same embedding.
    """
    a, b = music.gathered(first), music.gathered(second)
    prompts, size = subsets.shape[1], int(subsets[0].sum())
    clips_of_both = Grouped.of(a) + Grouped.of(b)
    windows = len(a.vectors) * size / prompts
    buckets = buckets_of(windows, embeddings_of(reference).windows)
    kad = KernelAudioDistance()
    whole: Mapping[str, tuple[Contributions, Grouped]] = {
        "fad@1": (FrechetAudioDistance().contributions(clips_of_both, reference), clips_of_both),
        "kad@2": (kad.contributions(both := kad.grouped(a) + kad.grouped(b), reference), both),
    }
    found = {name: _of_choices(contributions, of, subsets, swaps) for name, (contributions, of) in whole.items()}
    found["mad@1"] = np.empty(len(subsets))
    for seed in range(CODEBOOKS):
        own = MauveAudioDivergence(buckets=buckets, seed=seed).contributions(clips_of_both, reference)
        part = slice(seed, None, CODEBOOKS)
        found["mad@1"][part] = _of_choices(own, clips_of_both, subsets[part], swaps[part])
    found["kl-musicnn"] = _of_means(divergences(music, second) - divergences(music, first), subsets, swaps)
    each = [_of_neighbors(a, b, chosen, swap, reference) for chosen, swap in zip(subsets, swaps, strict=True)]
    found["density@2"], found["coverage@2"] = -np.array(each).T
    return found


def _of_choices(contributions: Contributions, of: Grouped, subsets: Chosen, swaps: Chosen) -> Array:
    """Compute the value of the second set − value of the first, for each subset."""
    place = of.groups[of.starts[: subsets.shape[1]]]  # the units of either set are in this order of prompts
    chosen, swapped = subsets[:, place], swaps[:, place]
    first, second = chosen & ~swapped, chosen & swapped
    both = [np.hstack([first, second]), np.hstack([second, first])]
    return contributions.values(both[1]) - contributions.values(both[0])


def _of_means(changes: Array, subsets: Chosen, swaps: Chosen) -> Array:
    """Compute the mean difference of the prompts, shape (prompts,), for each subset."""
    result: Array = (subsets * np.where(swaps, -1.0, 1.0)) @ changes / subsets.sum(axis=1)
    return result


def _of_neighbors(
    a: EmbeddingSet, b: EmbeddingSet, chosen: Chosen, swap: Chosen, reference: Reference
) -> tuple[float, float]:
    """Compute density and coverage of the second set − those of the first."""
    own, other = a.part(chosen[a.groups]), b.part(chosen[b.groups])
    both = Grouped.of(own) + Grouped.of(other)
    density = Density()
    try:
        found = neighborhoods(both, embeddings_of(reference), density.k, reference.fingerprint)
    except Undefined:
        return np.nan, np.nan
    swapped = swap[np.flatnonzero(chosen)]
    second = np.r_[swapped, ~swapped]
    measured = (density.measure(found), Coverage().measure(found))
    values = [contributions.values(np.array([~second, second])) for contributions in measured]
    return float(values[0][1] - values[0][0]), float(values[1][1] - values[1][0])


def divergences(music: DamagedMusic, condition: Condition) -> Array:
    """Compute KL of each prompt's clip from its reference take, in nats, shape (prompts,)."""
    pairs = zip(music.vectors[CLEAN, "reference"], music.vectors[condition], strict=True)
    return np.array([kl_divergence(tag_shares(reference, "msd"), tag_shares(clip, "msd")) for reference, clip in pairs])
