"""One row against several trainings of one configuration: a difference that must hold for other seeds of the training.

A tuned model is one of many that the same settings would have given. Averaging over seeds of training as if they were
more clips would take what one training happened to learn for what training does; here trainings and prompts are both
drawn at random, and cross: every training answers every prompt.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.comparison.compare import ComparisonOptions, groups_of, opened
from bench.comparison.run_reader import ComparedMetric, ComparedRun
from bench.comparison.set_tests import ClipSet, SetTests
from bench.contracts.notice import Notice
from bench.errors import TunebenchError, UsageError, one_line
from bench.number_format import counted
from bench.paths import StrPath
from bench.progress import ProgressOption, shown
from bench.scores.aggregate import Column, parse_grouping, refuse_ungrouped
from bench.stats.crossed import crossed_t_test

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AcrossTrainings:
    """The difference between a row and the mean of several trainings, on one metric.

    Attributes:
        a: the row.
        trainings: the others.
        column: the metric.
        grouping, group: of the prompts.
        mean_a, mean_b: of the row, and over the trainings.
        estimate, low, high: mean of B − A with its 95 % interval for other trainings and other prompts.
        p, df: of the crossed t-test, and its degrees of freedom.
        between: standard deviation of B − A across trainings, on these prompts.
        prompts: how many.
        reason: why there is no test; empty where there is one.
        warnings: what must stand beside it: notices of every row that takes part.
    """

    a: str
    trainings: tuple[str, ...]
    column: Column
    grouping: str
    group: str
    mean_a: float | None = None
    mean_b: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    df: float | None = None
    between: float | None = None
    prompts: int = 0
    reason: str = ""
    warnings: tuple[Notice, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as programs read it."""
        found = {name: value for name, value in asdict(self).items() if name not in ("column", "warnings")}
        return {
            "metric": self.column.ref,
            "unit": self.column.unit,
            "direction": self.column.direction,
            **found,
            "warnings": [warning.sentence for warning in self.warnings],
            "warning_codes": [warning.code for warning in self.warnings],
        }


def is_pattern(row: str) -> bool:
    """Return whether a name stands for several rows: it has a ``*``, which no row's label can have."""
    return "*" in row


def compare_trainings(
    run: StrPath, a: str, pattern: str, options: ComparisonOptions | None = None, progress: ProgressOption = None
) -> list[AcrossTrainings]:
    """Compare a row with all rows that a pattern such as ``lora-*`` names, on every metric.

    Clip metrics: the means of each prompt. Set metrics: the jackknife's pseudo-values of each prompt, whose mean is the
    metric up to its bias at this number of prompts.

    Args:
        run: the folder of a run.
        a: a row of it.
        pattern: of the rows of the trainings, two or more.
        options: ``by``, ``reference`` and ``plugin_files`` count.
        progress: told of the set metrics.

    Returns:
        The metrics in the order of the columns, over all prompts, then by group.

    Raises:
        UsageError: no such run, row or reference, fewer than two trainings, nothing is scored, or an invalid ``by``.
        DataError: a damaged run.

    Baayen, Davidson and Bates, "Mixed-effects modeling with crossed random effects for subjects and items", Journal of
    Memory and Language 59 (2008); Tukey, "Bias and confidence in not quite large samples", 1958, for pseudo-values.
    """
    options = options or ComparisonOptions()
    with shown(progress) as told, opened(Path(run)) as (found, _):
        found.row(a)
        trainings = tuple(label for label in found.labels if label != a and fnmatchcase(label, pattern))
        if len(trainings) < 2:
            named = ", ".join(trainings) or "none"
            raise UsageError(
                f"'{pattern}' matches {named} of the rows of {found.folder}, but at least 2 trainings are needed; it "
                f"has: {', '.join(found.labels)}"
            )
        by = parse_grouping(options.by)
        refuse_ungrouped(found.prompts.values(), by)
        if not found.metrics:
            raise UsageError(
                f"{found.folder} has no metrics to compare on; score it with 'tunebench score {found.folder}'"
            )
        sets = SetTests([found], options.reference, options.plugin_files)
        asked = [
            _Asked(metric, grouping, group, prompts)
            for grouping in dict.fromkeys(("all", by or "all"))
            for group, prompts in groups_of(found.prompts, grouping).items()
            for metric in found.metrics
        ]
        told.begin("comparing trainings", len(asked), 0)
        compared = []
        for one in asked:
            compared.append(_compared(found, a, trainings, sets, one))
            told.advance(1)
        return compared


class _Asked(NamedTuple):
    """A metric over a group of prompts."""

    metric: ComparedMetric
    grouping: str
    group: str
    prompts: Sequence[str]


def _compared(run: ComparedRun, a: str, trainings: tuple[str, ...], sets: SetTests, asked: _Asked) -> AcrossTrainings:
    column, rows = asked.metric.column, (a, *trainings)
    said = dict.fromkeys(n for label in rows for n in (*run.said(label, column.ref), *run.marks(label, column)))
    blank = AcrossTrainings(a, trainings, column, asked.grouping, asked.group, warnings=tuple(said))
    try:
        values = [_values(run, label, asked, sets) for label in rows]
        own, *others = values
        shared = [prompt for prompt in asked.prompts if all(prompt in row for row in values)]
        if len(shared) < 2:
            raise UsageError(f"{counted(len(shared), 'prompt')} with a value for every row, needs 2")
        differences = np.array([[row[prompt] - own[prompt] for prompt in shared] for row in others])
        test = crossed_t_test(differences)
    except (TunebenchError, ValueError) as error:
        return replace(blank, reason=one_line(error))
    if test.reason:
        return replace(blank, reason=test.reason)
    mean = math.fsum(own[prompt] for prompt in shared) / len(shared)
    return replace(
        blank,
        mean_a=mean,
        mean_b=mean + test.estimate,
        estimate=test.estimate,
        low=test.low,
        high=test.high,
        p=test.p,
        df=test.df,
        between=float(differences.mean(axis=1).std(ddof=1)),
        prompts=len(shared),
    )


def _values(run: ComparedRun, label: str, asked: _Asked, sets: SetTests) -> Mapping[str, float]:
    """Return, by prompt, a clip metric's mean or a set metric's pseudo-value."""
    metric = asked.metric
    if not metric.column.of_sets:
        return run.means(label, metric.column.ref)
    chosen = set(asked.prompts)
    clips = [clip for clip in run.clips[label] if clip.prompt in chosen]
    return sets.pseudo_values(metric, ClipSet.of(label, clips), asked.group if asked.grouping == "genre" else None)
