"""Find pairs of models that metrics of two families order oppositely, so no single score decides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.comparison.result import Comparison
from bench.contracts.notice import Notice
from bench.leaderboard.ranks import ranked_pairs, winners
from bench.number_format import counted
from bench.scores.aggregate import Cell

_MOST = 8  # warnings per table

Pair = tuple[str, str]
Ahead = Mapping[tuple[str, ...], Mapping[str, str]]
"""For one pair of models, by metric family: the model that is ahead, by metric name."""


def family_orders(cells: Iterable[Cell], comparisons: Iterable[Comparison]) -> list[Notice]:
    """Return a warning for each pair of models that tests order one way by one family and the other way by another.

    A family's order is that of its metrics if they agree. Pairs that no test decides are listed in one more warning,
    if their values are in opposite orders. Metrics of unknown family are ignored, and so are two that
    share a family, as they are not independent opinions.

    Args:
        cells: the leaderboard; cells of groups are ignored.
        comparisons: each pair of models once; those of groups are ignored.
    """
    tested: dict[Pair, dict[tuple[str, ...], dict[str, str]]] = {}
    by_value: dict[Pair, dict[tuple[str, ...], dict[str, str]]] = {}
    for ref, pairs in ranked_pairs(cells, comparisons)[1].items():
        for pair, winner in winners(pairs):
            if pair.column.families and pair.better:
                families = pair.column.families
                by_value.setdefault((pair.a, pair.b), {}).setdefault(families, {})[ref] = pair.better
                if winner:
                    tested.setdefault((pair.a, pair.b), {}).setdefault(families, {})[ref] = winner
    found = [_notice(*models, *sides) for models, ahead in tested.items() if (sides := _opposed(*models, ahead))]
    settled = {(notice.params["a"], notice.params["b"]) for notice in found}
    open_ = [models for models, ahead in by_value.items() if models not in settled and _opposed(*models, ahead)]
    if open_:
        found.append(Notice("W-ORDER", {"open": [list(models) for models in open_], "of": len(by_value)}))
    return found


def order_lines(notices: Sequence[Notice]) -> Iterator[str]:
    """Yield the warnings as sentences, at most the first few."""
    yield from (notice.sentence for notice in notices[:_MOST])
    if len(notices) > _MOST:
        yield f"W-ORDER: {counted(len(notices) - _MOST, 'more pair')} like these"


def disputed(notices: Iterable[Notice]) -> dict[str, tuple[str, ...]]:
    """Return, by model, the models that it beats by one family and loses to by another."""
    found: dict[str, list[str]] = {}
    for notice in notices:
        if "a" in notice.params:
            a, b = notice.params["a"], notice.params["b"]
            found.setdefault(a, []).append(b)
            found.setdefault(b, []).append(a)
    return {model: tuple(others) for model, others in found.items()}


def _opposed(a: str, b: str, ahead: Ahead) -> tuple[dict[str, list[str]], dict[str, list[str]]] | None:
    """Return the families in favor of A and of B, each with its metrics; None if they do not contradict."""
    sides: dict[str, dict[tuple[str, ...], list[str]]] = {a: {}, b: {}}
    for families, metrics in ahead.items():
        if len(models := set(metrics.values())) == 1:
            sides[models.pop()][families] = list(metrics)
    one, two = sides[a], sides[b]
    if not any(set(first).isdisjoint(second) for first in one for second in two):
        return None
    return _named(one), _named(two)


def _named(side: Mapping[tuple[str, ...], list[str]]) -> dict[str, list[str]]:
    return {" + ".join(families): metrics for families, metrics in side.items()}


def _notice(a: str, b: str, by_a: Mapping[str, list[str]], by_b: Mapping[str, list[str]]) -> Notice:
    return Notice("W-ORDER", {"a": a, "b": b, "by_a": dict(by_a), "by_b": dict(by_b)})
