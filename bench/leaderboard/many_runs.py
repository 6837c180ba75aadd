"""One leaderboard for the rows of several runs with the same protocol."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.leaderboard.ranks import RankRange, ranks
from bench.number_format import counted
from bench.progress import Progress
from bench.scores.aggregate import Cell
from bench.storage.store import Store

if TYPE_CHECKING:
    from bench.comparison.result import Comparison
    from bench.comparison.run_reader import ComparedRun

MOST_ROWS = 100
"""Maximum number of rows for tests of all pairs (4,950); with more, none is tested."""

Ranks = dict[tuple[str, str], RankRange]


@dataclass(frozen=True)
class NamedRow:
    """A row of a run, and its name on a leaderboard of several runs."""

    folder: Path
    label: str
    name: str


def rank_rows(
    rows: Sequence[NamedRow], cells: Iterable[Cell], progress: Progress | None = None
) -> tuple[Ranks, list[Comparison]]:
    """Return the ranks of rows, by name and metric, and the tests behind them; nothing for more than `MOST_ROWS` rows.

    Args:
        rows: rows of runs with the same protocol, with distinct names.
        cells: their cells, under these names.
        progress: receives the progress of tests of set metrics.

    Raises:
        UsageError, DataError: as `bench.storage.store.Store.read`.
    """
    if len(rows) > MOST_ROWS:
        return {}, []
    from bench.comparison.compare import compare_rows_of_runs
    from bench.comparison.run_reader import ComparedRun, RunRow

    with ExitStack() as stores:
        runs: dict[Path, ComparedRun] = {}
        for row in rows:
            if row.folder not in runs:
                runs[row.folder] = ComparedRun(stores.enter_context(Store.read(row.folder)))
        tested = compare_rows_of_runs([RunRow(runs[row.folder], row.label, row.name) for row in rows], progress)
    return ranks(cells, tested), tested


def named_cells(cells: Iterable[Cell], names: Mapping[str, str]) -> list[Cell]:
    """Return the cells of some rows over all prompts, under other names; ``names`` maps labels to names."""
    return [replace(cell, model=names[cell.model]) for cell in cells if cell.group == "all" and cell.model in names]


def pair_warnings(tested: Sequence[Comparison], said: Sequence[str]) -> Iterator[str]:
    """Yield warnings of pair tests that are not in ``said`` already: each code with one of its pairs.

    Args:
        tested: as from `rank_rows`.
        said: sentences that are shown already, with the codes of their warnings.
    """
    found: dict[str, list[tuple[Comparison, str]]] = {}
    for pair in tested:
        for warning in pair.warnings if pair.p is not None else ():
            if warning.code not in ("W-FEW", "W-FLOOR") and not any(warning.code in line for line in said):
                found.setdefault(warning.code, []).append((pair, warning.sentence))
    for pairs in found.values():
        pair, sentence = pairs[0]
        more = f", and {counted(len(pairs) - 1, 'other test')}" if len(pairs) > 1 else ""
        yield f"'{pair.a}' and '{pair.b}' on {pair.column.ref}{more}: {sentence}"
