"""Ranks with uncertainty: the range of places on the leaderboard that tests support for a model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.comparison.result import Comparison
from bench.scores.aggregate import Cell
from bench.stats.multiplicity import holm


@dataclass(frozen=True)
class RankRange:
    """The places from ``best`` to ``worst`` (1 is first) consistent with the tests, for a model on one metric.

    ``tied`` holds the models that do not differ significantly, ``untested`` those it was not tested against.
    """

    best: int
    worst: int
    tied: tuple[str, ...] = ()
    untested: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """``1`` or ``1–3``."""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def ranks(cells: Iterable[Cell], comparisons: Iterable[Comparison]) -> dict[tuple[str, str], RankRange]:
    """Return the ranks of models on metrics with a direction, by (model, metric), over all prompts.

    The best place of a model is after all that are better by `Comparison.told_apart`, its worst is before all that
    are worse, with p after Holm's adjustment over all pairs of that metric. Models without a value have no rank and
    take no place; untested models have no rank either, but may have any place.

    Args:
        cells: the leaderboard; cells of groups are ignored.
        comparisons: each pair of models once; those of groups are ignored.
    """
    valued, pairs = ranked_pairs(cells, comparisons)
    return {
        (model, ref): found for ref, rows in valued.items() for model, found in _of_metric(rows, pairs[ref]).items()
    }


def ranked_pairs(
    cells: Iterable[Cell], comparisons: Iterable[Comparison]
) -> tuple[dict[str, list[str]], dict[str, list[Comparison]]]:
    """Return, by metric with a direction, the models with a value over all prompts, and their pairs.

    Args:
        cells, comparisons: as for `ranks`.
    """
    models: dict[str, list[str]] = {}
    for cell in cells:
        if cell.group == "all" and cell.column.direction != "none" and cell.estimate.value is not None:
            models.setdefault(cell.column.ref, []).append(cell.model)
    pairs: dict[str, list[Comparison]] = {ref: [] for ref in models}
    for pair in comparisons:
        ref = pair.column.ref
        if pair.grouping == "all" and ref in models and {pair.a, pair.b} <= set(models[ref]):
            pairs[ref].append(pair)
    return models, pairs


def winners(pairs: Sequence[Comparison]) -> list[tuple[Comparison, str | None]]:
    """Return all pairs of one metric, each with the better model by `Comparison.told_apart`, after Holm's adjustment
    over them; None if undecided.
    """
    adjusted = holm([math.nan if pair.p is None else pair.p for pair in pairs])
    return [
        (pair, pair.better if pair.p is not None and pair.told_apart(float(p)) else None)
        for pair, p in zip(pairs, adjusted, strict=True)
    ]


def _of_metric(models: Sequence[str], pairs: Sequence[Comparison]) -> dict[str, RankRange]:
    better: dict[str, set[str]] = {model: set() for model in models}
    worse: dict[str, set[str]] = {model: set() for model in models}
    tied: dict[str, set[str]] = {model: set() for model in models}
    for pair, winner in winners(pairs):
        if pair.p is None:
            continue
        if winner is None:
            tied[pair.a].add(pair.b)
            tied[pair.b].add(pair.a)
        else:
            loser = pair.b if winner == pair.a else pair.a
            better[loser].add(winner)
            worse[winner].add(loser)
    found = {}
    for model in models:
        tested = better[model] | worse[model] | tied[model]
        untested = tuple(other for other in models if other != model and other not in tested)
        if tested or not untested:
            alike = tuple(other for other in models if other in tied[model])
            found[model] = RankRange(1 + len(better[model]), len(models) - len(worse[model]), alike, untested)
    return found
