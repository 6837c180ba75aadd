"""Turn pending comparisons into results: all tests of one kind at once, then adjustment within families."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bench.comparison.cached_tests import CachedTest
from bench.comparison.comparability import few, skewed
from bench.comparison.result import Chance, Comparison
from bench.comparison.set_tests import SetRequest, SetTests
from bench.number_format import counted
from bench.progress import Progress
from bench.scores.aggregate import MINIMUM_PROMPTS
from bench.stats.detectable import detectable_difference
from bench.stats.effect_size import probability_of_superiority
from bench.stats.mean_test import MeanTest, mean_tests
from bench.stats.multiplicity import benjamini_hochberg, holm
from bench.stats.paired import PairedTest, paired_tests

Array = npt.NDArray[np.float64]

_ENOUGH = 10
"""Minimum of differing prompts for a detectable difference: below, sign flips have less power than Student's t."""


@dataclass(frozen=True, eq=False)
class PendingComparison:
    """A comparison before its tests: either differences by prompt, or requests for set metrics, or neither.

    ``family`` is the number of its pair and its grouping: p is adjusted within it. ``chance`` is the same of A against
    itself.
    """

    family: tuple[int, str]
    comparison: Comparison
    differences: Array | None = None
    request: SetRequest | None = None
    chance: PendingComparison | None = None


def finish(drafts: Sequence[PendingComparison], sets: SetTests, progress: Progress) -> list[Comparison]:
    """Return the comparisons, tested and adjusted, in the order of the drafts.

    p is adjusted within each family: over all prompts after Holm, over groups after Benjamini and Hochberg.

    Args:
        drafts: the comparisons before their tests.
        sets: answers requests for set metrics.
        progress: receives the progress of these.
    """
    return _adjusted(drafts, _tested(drafts, sets, progress))


def _tested(drafts: Sequence[PendingComparison], sets: SetTests, progress: Progress) -> list[Comparison]:
    """Return the comparisons without the values that depend on other rows."""
    every = [draft for one in drafts for draft in (one, one.chance) if draft]
    paired = [d for d in every if d.differences is not None and len(d.differences) >= MINIMUM_PROMPTS]
    differences = [_known(d.differences) for d in paired]
    both = zip(paired_tests(differences), mean_tests(differences), strict=True)
    tests = dict(zip(map(id, paired), both, strict=True))
    asked = [d for d in every if d.request]
    answers = dict(zip(map(id, asked), sets.answer([d.request for d in asked if d.request], progress), strict=True))

    def finished(draft: PendingComparison) -> Comparison:
        if draft.differences is not None:
            return _with_paired_test(draft.comparison, draft.differences, tests.get(id(draft)))
        return _with_set_test(draft.comparison, answers[id(draft)]) if draft.request else draft.comparison

    found = []
    for draft in drafts:
        comparison = finished(draft)
        if draft.chance:
            itself = finished(draft.chance)
            if itself.estimate is not None:
                comparison = replace(comparison, chance=Chance(itself.estimate, itself.low, itself.high, itself.p))
        found.append(comparison)
    return found


def _with_paired_test(blank: Comparison, differences: Array, tests: tuple[PairedTest, MeanTest] | None) -> Comparison:
    n = len(differences)
    if not n:
        return blank
    above = probability_of_superiority(differences)
    if tests is None:
        reason = f"{counted(n, 'shared prompt')}, a test needs {MINIMUM_PROMPTS}"
        return replace(blank, estimate=math.fsum(differences) / n, n=n, superiority=above, reason=reason)
    test, mean = tests
    differing = int(np.count_nonzero(differences))
    scarce = few(n, differing)
    warnings = (*(scarce or skewed(test.p, mean.p)), *blank.warnings)
    done = replace(blank, estimate=test.estimate, p=test.p, n=n, superiority=above, warnings=warnings)
    if not test.se:
        return replace(done, reason="the difference is the same for every prompt: no interval")
    lowest, highest = blank.column.bounds or (-math.inf, math.inf)
    ends = (max(mean.low, lowest - highest), min(mean.high, highest - lowest))
    return replace(
        done,
        low=max(test.low, lowest - highest),
        high=min(test.high, highest - lowest),
        mean_low=ends[0] if math.isfinite(ends[0]) else None,
        mean_high=ends[1] if math.isfinite(ends[1]) else None,
        mean_p=mean.p,
        effect=test.estimate / (test.se * math.sqrt(n)),
        detectable=detectable_difference(test.se, test.df) if differing >= _ENOUGH else None,
    )


def _with_set_test(blank: Comparison, test: CachedTest) -> Comparison:
    from scipy.special import stdtrit

    told = {warning.code for warning in test.warnings}  # of both rows, with this comparison's names
    done = replace(
        blank,
        estimate=test.estimate,
        low=test.low,
        high=test.high,
        p=test.p,
        n=test.n,
        reason=test.reason,
        null=test.null,
        warnings=(
            *(few(test.n, test.n) if test.p is not None else ()),
            *test.warnings,
            *(warning for warning in blank.warnings if warning.code not in told),
        ),
    )
    if test.estimate is None or test.low is None or test.high is None or test.high <= test.low or test.n < 2:
        return done
    se = (test.high - test.low) / 2 / float(stdtrit(test.n - 1, 0.975))
    return replace(done, effect=test.estimate / (se * math.sqrt(test.n)))


def _adjusted(drafts: Sequence[PendingComparison], comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjust p: Holm over the metrics of a pair, Benjamini-Hochberg over metrics and groups of a grouping."""
    families: dict[tuple[int, str], list[int]] = {}
    for number, draft in enumerate(drafts):
        families.setdefault(draft.family, []).append(number)
    result = list(comparisons)
    for (_, grouping), members in families.items():
        p = [math.nan if (p := comparisons[m].p) is None else p for m in members]
        for member, value in zip(members, holm(p) if grouping == "all" else benjamini_hochberg(p), strict=True):
            if not math.isnan(value):
                adjusted = float(value)
                one = comparisons[member]
                result[member] = replace(one, p_holm=adjusted) if grouping == "all" else replace(one, p_bh=adjusted)
    return result


def _known(differences: Array | None) -> Array:
    assert differences is not None
    return differences
