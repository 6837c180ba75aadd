"""How often a distance distinguishes damaged music from clean music, by the number of prompts.

Two models answer the same prompts, one cleanly and one with damage. A distance calls the second worse by T, the
difference of the two distances to the reference. Equal models still play different pieces, so that
T = effect + chance:

- the effect is what damage does to the distance of the same pieces, measured on subsets of n prompts;
- chance is the difference of two clean takes, where a coin decides for every prompt which model's it is.

The unit is the prompt, since clips of one prompt are not independent: subsets are drawn without replacement from all
prompts, equally many of each genre. The damage is detected where T is above the 95 % quantile of chance: a one-sided
test of size .05, the same for all distances, whatever their unit and their bias at n prompts. Every effect is combined
with every chance; adding them assumes that damaged pieces differ by chance as clean ones do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.contracts.set_metric import Reference
from bench.hashing import fingerprint
from bench.progress import Progress
from metrics.damaged_music import Condition, DamagedMusic
from metrics.degradation_kinds import Degradation
from metrics.distances_of_prompts import CODEBOOKS, DISTANCES, distance_differences
from metrics.dose_listening import CLEAN
from metrics.kept_arrays import Arrays, keep_arrays

Array = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]

LEVEL = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Design:
    """How subsets are drawn.

    Attributes:
        sizes: numbers of prompts, each a multiple of the number of genres; well below that of all prompts, so that
            subsets have little in common.
        subsets: of each size, the same for all kinds of damage and all distances.
        null: subsets of each size, with coins, that chance is measured on.
        seed: of all draws.
    """

    sizes: tuple[int, ...] = (6, 12, 24, 36)
    subsets: int = 60
    null: int = 150
    seed: int = 0


@dataclass(frozen=True)
class Detection:
    """What a distance detects of a kind of damage in subsets of a number of prompts.

    Attributes:
        distance, damage, dose, unit: names as in tables.
        prompts: n.
        detected: probability that the damaged music is called worse by more than chance explains; None without a value.
        improved: that it is called better by more than chance explains.
        auc: that T is larger than without damage, ties counting half.
        separation: mean effect in standard deviations of chance; None where that does not vary.
        subsets, null: the number of subsets for effects and for chance.
        reason: why there is no value.
    """

    distance: str
    damage: str
    dose: str
    unit: str
    prompts: int
    detected: float | None
    improved: float | None
    auc: float | None
    separation: float | None
    subsets: int
    null: int
    reason: str = ""


def detect(
    music: DamagedMusic,
    kinds: Sequence[Degradation],
    reference: Reference,
    design: Design,
    folder: Path,
    progress: Progress,
) -> list[Detection]:
    """Return a detection for every distance, damage, dose and number of prompts, in this order.

    Args:
        music: of `metrics.damaged_music.listen`, with the same kinds.
        kinds: of damage.
        reference: what distances compare with, of the same embedder.
        design: how subsets are drawn.
        folder: where slow results are stored, one file per dose and number.
        progress: shows every dose and number.
    """
    known = [
        CODEBOOKS,
        music.embedder,
        reference.fingerprint,
        [prompt.text for prompt in music.prompts],
        DISTANCES,
        vars(design),
    ]
    doses = [(kind, dose) for kind in kinds for dose in kind.labels]
    progress.begin("distances of subsets of prompts", len(design.sizes) * (len(doses) + 1), 0)
    found = []
    for size in design.sizes:
        chosen, coins, chance = draws(music.of_genres(), len(music.prompts), size, design)

        def compute(first: Condition, second: Condition, subsets: Chosen, swaps: Chosen, size: int = size) -> Arrays:
            name = f"{second[0]}-{fingerprint([first, second, size, *known])[:12]}.npz"
            arrays = keep_arrays(
                folder / name, partial(distance_differences, music, first, second, subsets, swaps, reference)
            )
            progress.advance(1)
            return arrays

        null = compute((CLEAN, "A"), (CLEAN, "B"), chance, coins)
        for kind, dose in doses:
            effects = compute((CLEAN, "B"), (kind.name, dose), chosen, np.zeros_like(chosen))
            found += [judged(name, kind, dose, size, effects[name], null[name]) for name in DISTANCES]
    order = [kind.name for kind in kinds]
    return sorted(found, key=lambda one: (DISTANCES.index(one.distance), order.index(one.damage)))


def draws(genres: Iterable[Sequence[int]], prompts: int, size: int, design: Design) -> tuple[Chosen, Chosen, Chosen]:
    """Draw subsets for effects; coins and subsets for chance; each of shape (subsets, prompts).

    Args:
        genres: places of the prompts of each genre.
        prompts: number of prompts.
        size: prompts in a subset, a multiple of the number of genres.
        design: how subsets are drawn.

    Raises:
        ValueError: a genre has fewer prompts than a subset takes of it.
    """
    rng = np.random.default_rng([design.seed, size])
    strata = [np.asarray(own) for own in genres]

    def subsets(number: int) -> Chosen:
        chosen = np.zeros((number, prompts), dtype=bool)
        for row in chosen:
            for own in strata:
                row[rng.choice(own, size // len(strata), replace=False)] = True
        return chosen

    chosen, chance = subsets(design.subsets), subsets(design.null)
    return chosen, rng.integers(0, 2, chance.shape).astype(bool), chance


def judged(distance: str, kind: Degradation, dose: str, size: int, effects: Array, chance: Array) -> Detection:
    """Compute the detection from effects and chance together.

    Args:
        distance, kind, dose, size: what is judged.
        effects: one per subset, > 0 where the damaged music is called worse, shape (subsets,).
        chance: of other subsets, equally likely of either sign, shape (null,).
    """
    here = distance, kind.name, dose, kind.unit, size
    numbers = len(effects), len(chance)
    if not (np.isfinite(effects).all() and np.isfinite(chance).all()):
        return Detection(*here, None, None, None, None, *numbers, "no value with so few prompts")
    both = np.sort(np.concatenate([chance, -chance]))
    limit = float(np.quantile(both, 1 - LEVEL, method="higher"))
    changes = (effects[:, np.newaxis] + both).ravel()
    below = np.searchsorted(both, changes, "left") + np.searchsorted(both, changes, "right")
    spread = float(np.sqrt((both**2).mean()))
    return Detection(
        *here,
        float((changes > limit).mean()),
        float((changes < -limit).mean()),
        float(below.mean() / 2 / len(both)),
        float(effects.mean() / spread) if spread else None,
        *numbers,
    )


def prompts_needed(detections: Sequence[Detection]) -> int | None:
    """Return the fewest prompts from which on a damage is detected with probability `POWER`; None if the most do not.

    Args:
        detections: of one distance and one dose.
    """
    needed = None
    for one in sorted(detections, key=lambda one: -one.prompts):
        if one.detected is None or one.detected < POWER:
            break
        needed = one.prompts
    return needed
