"""Compare rows of runs, paired by prompt: B − A on every metric, with tests and a self-comparison."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.comparison.comparability import matched, refuse, unequal, unpaired
from bench.comparison.pending import PendingComparison, finish
from bench.comparison.result import Comparison
from bench.comparison.run_reader import ComparedMetric, ComparedRun, RunRow
from bench.comparison.self_comparison import clips_itself, set_itself
from bench.comparison.set_tests import MOST_PAIRS, ClipSet, SetRequest, SetTests
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, Silent, shown
from bench.scores.aggregate import Grouping, parse_grouping, refuse_ungrouped
from bench.scores.clip_scores import ClipScores
from bench.storage.store import Store

Pair = tuple[RunRow, RunRow]


@dataclass(frozen=True)
class ComparisonOptions:
    """Options of a comparison of two rows.

    Attributes:
        by: ``genre`` or ``level`` adds rows for each group.
        reference: another place to look for the reference that set metrics were scored against.
        mark: compare clips of different lengths with a mark on every row, instead of refusing.
        plugin_files: whether set metrics of plugin files may be loaded.
        rephrased: pair prompts by id even if their texts differ, with a mark on every row.
    """

    by: str | None = None
    reference: str | None = None
    mark: bool = False
    plugin_files: bool = False
    rephrased: bool = False


def compare(
    run: StrPath,
    a: str,
    b: str,
    other: StrPath | None = None,
    options: ComparisonOptions | None = None,
    progress: ProgressOption = None,
) -> list[Comparison]:
    """Compute B − A on every metric: over all prompts in the order of the columns, then by group.

    Args:
        run: the folder of a run.
        a, b: rows of it; with ``other``, B is a row of that run.
        other: the folder of another run.
        options: options; by default `ComparisonOptions()`.
        progress: receives the progress of tests of set metrics.

    Raises:
        UsageError: no such run or row, A and B are the same, nothing is scored, or the runs cannot be compared; the
            message says why.
        DataError: a damaged run, or a damaged file under ``reference``.
    """
    with shown(progress) as progress, opened(Path(run), None if other is None else Path(other)) as runs:
        return compare_rows(runs, a, b, options, progress)


@contextmanager
def opened(run: Path, other: Path | None = None) -> Iterator[tuple[ComparedRun, ComparedRun]]:
    """Yield the run of A and that of B, each as a snapshot; the same object if both folders are the same.

    Raises:
        UsageError, DataError: as `bench.storage.store.Store.read`.
    """
    with ExitStack() as stores:
        first = ComparedRun(stores.enter_context(Store.read(run)))
        apart = other is not None and not are_one(run, other)
        yield first, ComparedRun(stores.enter_context(Store.read(other))) if apart and other else first


def compare_rows(
    runs: tuple[ComparedRun, ComparedRun],
    a: str,
    b: str,
    options: ComparisonOptions | None = None,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Compare rows of runs that are `opened`; other arguments and errors as for `compare`."""
    options = options or ComparisonOptions()
    by = parse_grouping(options.by)
    groupings: tuple[Grouping, ...] = () if by is None else ("genre",) if by == "genre" else ("level",)
    first, second = runs
    first.row(a)
    second.row(b)
    if first is second and a == b:
        raise UsageError(
            f"'{a}' cannot be compared with itself; choose two rows of {first.folder}: {', '.join(first.labels)}"
        )
    refuse_ungrouped(first.prompts.values(), by)
    warnings = refuse(first, second, options.mark, options.rephrased)
    names = (a, b) if a != b else _told_apart(a, first.folder, b, second.folder)
    pair = RunRow(first, a, names[0]), RunRow(second, b, names[1])
    sets = SetTests([first, second], options.reference, options.plugin_files)
    found = _compare([pair], groupings, True, True, sets, progress, warnings)
    if not found:
        folder = first.folder
        raise UsageError(f"{folder} has no metrics to compare on; score it with 'tunebench score {folder}'")
    return found


def compare_all(
    store: Store,
    pairs: Iterable[tuple[str, str]],
    groupings: Sequence[Grouping] = (),
    progress: Progress | None = None,
    chance: bool = True,
    sets_by_group: bool = False,
    plugin_files: bool = False,
    scores: ClipScores | None = None,
) -> list[Comparison]:
    """Compare many pairs (A, B) of one run, in their order; see `compare`.

    With more than `bench.comparison.set_tests.MOST_PAIRS` pairs, none is tested on set metrics, with a reason.

    Args:
        store: the run; it is read once.
        pairs: labels of its rows.
        groupings: properties to group rows by.
        progress: receives the progress of tests of set metrics.
        chance: whether to compare each A also with itself.
        sets_by_group: whether to compare set metrics, whose tests are slow, also within groups.
        plugin_files: as in `ComparisonOptions`.
        scores: scores of its clips, if already read by the caller.

    Raises:
        UsageError: as `compare`.
    """
    run = ComparedRun(store, scores)
    rows = [(RunRow(run, run.row(a), a), RunRow(run, run.row(b), b)) for a, b in pairs]
    return _compare(rows, groupings, sets_by_group, chance, SetTests([run], None, plugin_files), progress, ())


def compare_rows_of_runs(rows: Sequence[RunRow], progress: Progress | None = None) -> list[Comparison]:
    """Compare every pair of rows of runs with the same protocol, over all prompts, without self-comparisons.

    Args:
        rows: rows with distinct names.
        progress: receives the progress of tests of set metrics.
    """
    sets = SetTests([row.run for row in rows])
    return _compare(list(combinations(rows, 2)), (), False, False, sets, progress, ())


def _compare(
    pairs: Sequence[Pair],
    groupings: Sequence[Grouping],
    sets_by_group: bool,
    chance: bool,
    sets: SetTests,
    progress: Progress | None,
    warnings: tuple[Notice, ...],
) -> list[Comparison]:
    drafts: list[PendingComparison] = []
    folders = list(dict.fromkeys(row.run.folder for pair in pairs for row in pair))
    many = (
        ""
        if len(pairs) <= MOST_PAIRS
        else (
            f"{len(pairs):,} pairs are too many for tests of distances, the limit is {MOST_PAIRS}"
            + (f"; 'tunebench compare {folders[0]} A B' tests two rows" if len(folders) == 1 else "")
        )
    )
    for number, (a, b) in enumerate(pairs):
        shared = {id: prompt for id, prompt in a.run.prompts.items() if id in b.run.prompts}
        metrics = matched(a.run, b.run)
        for grouping in ("all", *groupings):
            for group, prompts in groups_of(shared, grouping).items():
                for metric, mismatch in metrics:
                    if metric.column.of_sets and grouping != "all" and not sets_by_group:
                        continue
                    blank = _blank(a, b, metric, grouping, group)
                    if reason := mismatch or (many if metric.column.of_sets else ""):
                        blank = replace(blank, reason=reason, warnings=warnings)
                        drafts.append(PendingComparison((number, grouping), blank))
                        continue
                    said = dict.fromkeys(n for row in (a, b) for n in row.run.said(row.label, metric.column.ref))
                    marks = (*said, *a.run.marks(a.label, metric.column), *b.run.marks(b.label, metric.column))
                    blank = replace(blank, warnings=(*warnings, *unequal(a, b, metric.column), *marks))
                    draft = _of_set if metric.column.of_sets else _of_clips
                    drafts.append(draft((number, grouping), blank, a, b, metric, prompts, chance))
    return finish(drafts, sets, progress or Silent())


def _blank(a: RunRow, b: RunRow, metric: ComparedMetric, grouping: str, group: str) -> Comparison:
    return Comparison(a.name, b.name, metric.column, grouping, group, None, None, None, None, None, None, 0)


def groups_of(prompts: Mapping[str, Prompt], grouping: str) -> dict[str, list[str]]:
    """Return ids of the prompts of each group, by its name in order; prompts without the property are in none.

    Args:
        prompts: by id.
        grouping: ``genre`` or ``level``; ``all`` is one group of all prompts.
    """
    if grouping == "all":
        return {"all": list(prompts)}
    found: dict[str, list[str]] = {}
    for id, prompt in prompts.items():
        if (group := getattr(prompt, grouping)) is not None:
            found.setdefault(str(group), []).append(id)
    return dict(sorted(found.items()))


def _of_clips(
    family: tuple[int, str],
    blank: Comparison,
    a: RunRow,
    b: RunRow,
    metric: ComparedMetric,
    prompts: Sequence[str],
    chance: bool,
) -> PendingComparison:
    ref = metric.column.ref
    one, two = a.run.means(a.label, ref), b.run.means(b.label, ref)
    left, right = [p for p in prompts if p in one], [p for p in prompts if p in two]
    both = [p for p in left if p in two]
    if both:
        means = [math.fsum(values[p] for p in both) / len(both) for values in (one, two)]
        missing = unpaired(len(left) - len(both), len(right) - len(both))
        blank = replace(blank, mean_a=means[0], mean_b=means[1], warnings=(*missing, *blank.warnings))
    else:
        without = [row.name for row, values in ((a, left), (b, right)) if not values]
        nobody = " and ".join(f"'{name}'" for name in without)
        reason = f"no clip of {nobody} has a value" if without else "no prompt that both have a value for"
        blank = replace(blank, reason=reason)
    itself = clips_itself(family, blank, a, metric, prompts) if chance else None
    return PendingComparison(family, blank, differences=np.array([two[p] - one[p] for p in both]), chance=itself)


def _of_set(
    family: tuple[int, str],
    blank: Comparison,
    a: RunRow,
    b: RunRow,
    metric: ComparedMetric,
    prompts: Sequence[str],
    chance: bool,
) -> PendingComparison:
    sides = [ClipSet.of(row.name, row.made(prompts), row.run.trained_on[row.label]) for row in (a, b)]
    if len({frozenset(prompt for prompt, _ in side.clips) for side in sides}) == 1:
        # The leaderboard's value is over the same prompts.
        values = [row.run.set_value(row.label, metric.column.ref, blank.grouping, blank.group) for row in (a, b)]
        blank = replace(blank, mean_a=values[0], mean_b=values[1])
    itself = set_itself(family, blank, a, metric, prompts) if chance else None
    request = SetRequest(metric, sides[0], sides[1], blank.grouping, blank.group)
    return PendingComparison(family, blank, request=request, chance=itself)


def are_one(run: Path, other: Path) -> bool:
    """Return whether two paths lead to the same run, through links or mounts; False if one of them is no run."""
    try:
        return (run / "run.db").samefile(other / "run.db")
    except OSError:
        return False


def _told_apart(a: str, run: Path, b: str, other: Path) -> tuple[str, str]:
    """Return names for two rows of the same name, made from their runs."""
    one, two = (path.resolve() for path in (run, other))
    named = (one.name, two.name) if one.name != two.name else (str(one), str(two))
    # A folder name may not be valid text.
    said = [os.fsencode(name).decode(errors="backslashreplace") for name in named]
    return f"{a} ({said[0]})", f"{b} ({said[1]})"
