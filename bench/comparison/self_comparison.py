"""Compare a row with itself using other seeds: differences due to chance only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bench.comparison.pending import PendingComparison, finish
from bench.comparison.result import Chance, Comparison
from bench.comparison.run_reader import ComparedMetric, ComparedRun, Half, RunRow
from bench.comparison.set_tests import ClipSet, SetRequest, SetTests
from bench.progress import Progress, Silent
from bench.scores.clip_scores import ClipScores
from bench.storage.store import Store

HALVES: tuple[Half, Half] = ("earlier", "later")


def chances(
    store: Store,
    labels: Iterable[str],
    progress: Progress | None = None,
    plugin_files: bool = False,
    scores: ClipScores | None = None,
) -> dict[tuple[str, str], Chance]:
    """Return the self-comparison of each (row, metric) over all prompts, as in `bench.comparison.compare.compare`.

    Rows with one clip per prompt are left out, and so are metrics without values for the two halves.

    Args:
        store: the run.
        labels: rows of it.
        progress: receives the progress of tests of set metrics.
        plugin_files: as for `bench.comparison.compare.compare`.
        scores: scores of its clips, if already read by the caller.

    Raises:
        UsageError: the run has no such row.
    """
    run = ComparedRun(store, scores)
    prompts = list(run.prompts)
    drafts: list[PendingComparison] = []
    for row in (RunRow(run, run.row(label), label) for label in labels):
        for metric in run.metrics:
            blank = Comparison(row.name, row.name, metric.column, "all", "all", None, None, None, None, None, None, 0)
            itself = set_itself if metric.column.of_sets else clips_itself
            if draft := itself((0, "all"), blank, row, metric, prompts):
                drafts.append(draft)
    found = finish(drafts, SetTests([run], None, plugin_files), progress or Silent())
    return {
        (one.a, one.column.ref): Chance(one.estimate, one.low, one.high, one.p)
        for one in found
        if one.estimate is not None
    }


def clips_itself(
    family: tuple[int, str], blank: Comparison, row: RunRow, metric: ComparedMetric, prompts: Sequence[str]
) -> PendingComparison | None:
    """Return the difference of a clip metric between the later and the earlier half of each prompt's seeds.

    Args:
        family: of the comparison, as in `PendingComparison`.
        blank: the comparison without results.
        row: the row.
        metric: the metric.
        prompts: ids; those with one clip are left out.

    Returns:
        The pending comparison; None if no prompt has two clips.
    """
    if not row.has_halves:
        return None
    early, late = (row.run.means(row.label, metric.column.ref, half) for half in HALVES)
    apart = np.array([late[p] - early[p] for p in prompts if p in early and p in late])
    return PendingComparison(family, blank, differences=apart)


def set_itself(
    family: tuple[int, str], blank: Comparison, row: RunRow, metric: ComparedMetric, prompts: Sequence[str]
) -> PendingComparison | None:
    """Return the same as `clips_itself` for a set metric."""
    request = halves_request(row, metric, prompts, blank.grouping, blank.group)
    return PendingComparison(family, blank, request=request) if request else None


def halves_request(
    row: RunRow, metric: ComparedMetric, prompts: Sequence[str], grouping: str = "all", group: str = "all"
) -> SetRequest | None:
    """Return the test of a set metric between the halves of a row's seeds; None if no prompt has two clips.

    Args:
        row: the row.
        metric: the metric.
        prompts: ids of the prompts of the group.
        grouping, group: as for `bench.comparison.run_reader.ComparedRun.set_score`.
    """
    if not row.has_halves:
        return None
    early, late = (ClipSet.of(row.name, row.half(prompts, half)) for half in HALVES)
    return SetRequest(metric, early, late, grouping, group)
