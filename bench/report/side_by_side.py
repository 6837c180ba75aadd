"""Several runs side by side: a table per protocol, and comparisons between runs of the same protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.comparison.compare import compare_rows
from bench.comparison.result import Comparison
from bench.comparison.run_reader import ComparedRun
from bench.comparison.tables import records as paired_records
from bench.leaderboard.family_orders import disputed, family_orders
from bench.leaderboard.render import records as leaderboard_records
from bench.progress import Progress
from bench.report.context import ReportContext
from bench.report.record import finding_records
from bench.scores.clip_table import json_lines
from bench.scores.protocol import difference
from bench.storage.store import Store

KIND = "tunebench side-by-side data"
SCHEMA = 1


@dataclass(frozen=True)
class ShownRun:
    """A run of a side-by-side report: the prefix of its rows, and the relative folder of its own report."""

    name: str
    folder: str


@dataclass(frozen=True)
class ProtocolTable:
    """The runs of one protocol, in the order given.

    Attributes:
        runs: the runs of the rows.
        content: one row per model and run; the parts of a report that apply to several runs.
        apart: differences of the protocol from that of the first table; empty for the first.
    """

    runs: tuple[ShownRun, ...]
    content: ReportContext
    apart: str


def run_names(titles: Sequence[str]) -> list[str]:
    """Return names of runs: their folders' names, with their position if two have the same name.

    >>> run_names(["quick", "night", "quick"])
    ['quick (1)', 'night', 'quick (3)']
    """
    several = {title for title in titles if titles.count(title) > 1}
    return [f"{title} ({place})" if title in several else title for place, title in enumerate(titles, 1)]


def side_by_side(
    runs: Sequence[Path], contents: Sequence[ReportContext], folders: Sequence[str], progress: Progress | None = None
) -> list[ProtocolTable]:
    """Put runs of one protocol into one table, and test the first row of the first run against rows of the others.

    Runs of different protocols never share a table, since their numbers are not comparable.

    Args:
        runs: their folders.
        contents: the report content of each.
        folders: relative folder of each report, for links.
        progress: receives the progress of tests of set metrics.
    """
    shown = [
        ShownRun(name, folder) for name, folder in zip(run_names([c.title for c in contents]), folders, strict=True)
    ]
    places: dict[str, list[int]] = {}
    for place, content in enumerate(contents):
        places.setdefault(content.protocol.id, []).append(place)
    first = contents[0].protocol
    tables = []
    for own in places.values():
        comparisons = _between([(runs[place], shown[place].name) for place in own], progress)
        content = _joined({shown[place].name: contents[place] for place in own}, comparisons)
        apart = difference(first, content.protocol) or ""
        tables.append(ProtocolTable(tuple(shown[place] for place in own), content, apart))
    return tables


def as_record(tables: Sequence[ProtocolTable]) -> dict[str, Any]:
    """Return the content of a side-by-side page as JSON values; each run's own report has ``data/report.json``.

    ``tables`` has a record per protocol: ``protocol`` (``id``, ``line``), ``apart`` (differences from the first),
    ``runs`` (``name``, ``folder``), and ``findings``, ``leaderboard`` and ``comparisons`` as `bench.report.record` has
    them, with models named ``run: model``.
    """
    found = []
    for table in tables:
        content = table.content
        both = (content.protocol, content.protocol)
        shown = (content.cells, content.ranks, content.protocol)
        found.append(
            {
                "protocol": {"id": content.protocol.id, "line": content.protocol.line},
                "apart": table.apart,
                "runs": [asdict(run) for run in table.runs],
                "findings": finding_records(content),
                "leaderboard": leaderboard_records(*shown, disputed(family_orders(content.cells, content.comparisons))),
                "comparisons": paired_records(content.comparisons, both),
            }
        )
    return {"kind": KIND, "schema": SCHEMA, "tables": found}


def write_record(tables: Sequence[ProtocolTable], out: Path) -> None:
    """Write ``data/report.json`` of a side-by-side report."""
    (out / "data").mkdir(parents=True, exist_ok=True)
    (out / "data" / "report.json").write_text(json_lines(as_record(tables)), encoding="utf-8")


def _row(run: str, model: str) -> str:
    return f"{run}: {model}"


def _between(runs: Sequence[tuple[Path, str]], progress: Progress | None) -> list[Comparison]:
    """Compare the first row of the first run with every row of the others."""
    found: list[Comparison] = []
    with ExitStack() as stores:
        opened = [(ComparedRun(stores.enter_context(Store.read(run))), name) for run, name in runs]
        first, name = opened[0]
        for other, other_name in opened[1:]:
            for a, b in ((a, b) for a in first.labels[:1] for b in other.labels):
                compared = compare_rows((first, other), a, b, None, progress)
                found += [replace(one, a=_row(name, a), b=_row(other_name, b)) for one in compared]
    return found


def _joined(contents: Mapping[str, ReportContext], comparisons: Sequence[Comparison]) -> ReportContext:
    """Return one content whose models are those of all runs; without ranks, which apply to the models of one run."""
    first = next(iter(contents.values()))
    return replace(
        first,
        models=tuple(
            replace(model, label=_row(name, model.label))
            for name, content in contents.items()
            for model in content.models
        ),
        cells=tuple(
            replace(cell, model=_row(name, cell.model))
            for name, content in contents.items()
            for cell in content.cells
            if cell.group == "all"
        ),
        ranks={},
        comparisons=tuple(comparisons),
        clips=(),
        cautions=(),
        failures=(),
        methods=(),
        survey=None,
        doses=(),
        chances={},
    )
