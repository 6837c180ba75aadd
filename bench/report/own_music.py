"""References made by a model of the run, which make that model's distance unfairly small."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.contracts.notice import Notice
from bench.report.context import ModelEntry
from bench.report.metric_info import MetricInfo
from bench.scores.aggregate import Cell

CODE = "W-OWN-MUSIC"


def with_own_music(
    cells: Iterable[Cell], models: Sequence[ModelEntry], infos: Iterable[MetricInfo]
) -> tuple[Cell, ...]:
    """Return the cells, marked where the model made the reference music of the metric.

    Args:
        cells: the leaderboard.
        models: models of the run; their registered names are compared with the makers recorded in references.
        infos: facts about the metrics.
    """
    names = {model.label: _registered(model) for model in models}
    made_by = {info.ref: info.reference for info in infos if info.reference and info.reference.generator}
    found = []
    for cell in cells:
        reference = made_by.get(cell.column.ref)
        if reference is not None and names.get(cell.model) == reference.generator:
            notice = Notice("W-OWN-MUSIC", {"model": cell.model, "reference": reference.name})
            cell = replace(cell, estimate=replace(cell.estimate, warnings=(*cell.estimate.warnings, notice)))
        found.append(cell)
    return tuple(found)


def favored_by_reference(cells: Iterable[Cell]) -> frozenset[tuple[str, str]]:
    """Return the (model, metric) that `with_own_music` marked."""
    return frozenset((cell.model, cell.column.ref) for cell in cells if is_own_music(cell))


def is_own_music(cell: Cell) -> bool:
    """Return whether the cell's reference is music by its own model."""
    return any(warning.code == CODE for warning in cell.estimate.warnings)


def _registered(model: ModelEntry) -> str | None:
    """Return the registered name of a model's plugin without its version; None for a plugin file."""
    identity = json.loads(model.identity)
    name = identity.get("plugin", identity).get("name")
    return name if isinstance(name, str) else None
