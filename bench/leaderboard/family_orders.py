"""Where metrics of two families put two models in opposite orders, so that no single score decides between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.comparison.result import Comparison
from bench.contracts.notice import Notice
from bench.leaderboard.ranks import ranked_pairs, winners
from bench.number_format import counted
from bench.scores.aggregate import Cell

_MOST = 8  # sentences of one table

Pair = tuple[str, str]
Ahead = Mapping[tuple[str, ...], Mapping[str, str]]
"""Of one pair of models, by the families of a metric: the model that is ahead by each metric, by its name."""


def family_orders(cells: Iterable[Cell], comparisons: Iterable[Comparison]) -> list[Notice]:
    """Return a warning for each pair of models of which tests settle one order by one family and the other by another.

    A family's order is that of its metrics, where these agree. What no test settles is told in one warning more, with
    the pairs whose values alone lie in opposite orders. Metrics of unknown family have no part in it, nor have two that
    share a family, whose contradiction is no second opinion.

    Args:
        cells: the leaderboard; what is not over all prompts is passed over.
        comparisons: each pair of models once; likewise.
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
    """Yield the warnings as sentences, of very many the first."""
    yield from (notice.sentence for notice in notices[:_MOST])
    if len(notices) > _MOST:
        yield f"W-ORDER: {counted(len(notices) - _MOST, 'more pair')} like these"


def disputed(notices: Iterable[Notice]) -> dict[str, tuple[str, ...]]:
    """By model, those that tests of two families put it before and behind."""
    found: dict[str, list[str]] = {}
    for notice in notices:
        if "a" in notice.params:
            a, b = notice.params["a"], notice.params["b"]
            found.setdefault(a, []).append(b)
            found.setdefault(b, []).append(a)
    return {model: tuple(others) for model, others in found.items()}


def _opposed(a: str, b: str, ahead: Ahead) -> tuple[dict[str, list[str]], dict[str, list[str]]] | None:
    """The families by which A is ahead and those by which B is, each with its metrics; None where none contradict."""
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
