"""The result of comparing two models on one metric: difference, uncertainty, and self-comparison."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.contracts.clip_view import view_text
from bench.contracts.notice import Notice
from bench.scores.aggregate import Column

LEVEL = 0.05


@dataclass(frozen=True)
class Chance:
    """A against itself with other seeds: a difference due to chance only, for reference."""

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None


@dataclass(frozen=True)
class Comparison:
    """B − A on one metric, over all prompts or one group of them; the unit is the prompt.

    Attributes:
        a, b: the two rows.
        column: the metric.
        grouping, group: ``all`` and ``all``, or ``genre`` or ``level`` and the group's name.
        estimate: B − A in the metric's unit; None if unknown.
        low, high: its 95 % interval.
        p: two-sided, of the permutation test that swaps whole prompts.
        p_holm: adjusted over the metrics; only for the comparison over all prompts.
        p_bh: adjusted after Benjamini and Hochberg over metrics and the groups of one grouping; only for groups.
        n: number of prompts with values of both.
        effect: d_z, the mean difference in standard deviations of the prompts' differences; for a set metric, whose
            prompts have no individual differences, ``estimate`` in standard deviations of the jackknife's
            pseudo-values.
        superiority: share of prompts on which B is above A, ties half, in [0, 1]; None for set metrics.
        detectable: the smallest true difference detected with a power of 80 % at this size, in the metric's unit,
            if the prompts' differences are about normal; None if fewer than 10 prompts differ, and for set
            metrics, whose standard error does not match their test.
        chance: A against itself, if the run has other seeds of it.
        reason: why one of the above is missing.
        warnings: warnings about the result.
        mean_a, mean_b: the two values over the shared prompts, if known.
        null: for a set metric, the null hypothesis of p, in a sentence.
        mean_low, mean_high: the 95 % interval of the mean difference by `bench.stats.mean_test`, which follows skew;
            None for set metrics, if all prompts differ by the same, and for an end that so few prompts leave unbounded.
        mean_p: p of the mean difference by the same test, before any adjustment.
    """

    a: str
    b: str
    column: Column
    grouping: str
    group: str
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    p_bh: float | None
    n: int
    effect: float | None = None
    superiority: float | None = None
    detectable: float | None = None
    chance: Chance | None = None
    reason: str | None = None
    warnings: tuple[Notice, ...] = ()
    mean_a: float | None = None
    mean_b: float | None = None
    null: str = ""
    mean_low: float | None = None
    mean_high: float | None = None
    mean_p: float | None = None

    @property
    def better(self) -> str | None:
        """The row with the better value, possibly by chance; None if the metric does not rank."""
        if not self.estimate or self.column.direction == "none":
            return None
        return self.b if (self.estimate > 0) == (self.column.direction == "higher") else self.a

    def told_apart(self, adjusted: float | None) -> bool:
        """Return whether the difference is significant, given the adjusted p.

        Besides p < .05 the interval must lie on the estimate's side of 0: a permutation test tests whether the two are
        exchangeable, and they may differ in ways other than the estimate. If every prompt differs by the
        same, there is no interval and p decides. The mean must also differ from 0 by the test that allows for skew,
        which sign flips do not test: for models with equal means, one of which fails badly on a tenth of the prompts,
        sign flips and their interval alone call one better in .08 of runs with 36 prompts, and in .03 with this test.
        """
        if adjusted is None or not adjusted < LEVEL or not self.estimate:
            return False
        if self.mean_p is not None and not self.mean_p < LEVEL:
            return False
        if self.low is None or self.high is None:
            return not self.column.of_sets
        return self.low > 0 if self.estimate > 0 else self.high < 0

    def record(self) -> dict[str, Any]:
        """Return the comparison as a flat JSON object, without ``chance``."""
        return {
            "metric": self.column.ref,
            "a": self.a,
            "b": self.b,
            "grouping": self.grouping,
            "group": self.group,
            "mean_a": self.mean_a,
            "mean_b": self.mean_b,
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "p_holm": self.p_holm,
            "p_bh": self.p_bh,
            "mean_low": self.mean_low,
            "mean_high": self.mean_high,
            "mean_p": self.mean_p,
            "n": self.n,
            "effect": self.effect,
            "superiority": self.superiority,
            "detectable": self.detectable,
            "unit": self.column.unit,
            "direction": self.column.direction,
            "better": self.better,
            "chance": None if self.chance is None else asdict(self.chance),
            "reason": self.reason,
            "reference": self.column.reference or None,
            "view": view_text(self.column.view) or None,
            "warnings": [warning.sentence for warning in self.warnings],
            "warning_codes": [warning.code for warning in self.warnings],
        }
