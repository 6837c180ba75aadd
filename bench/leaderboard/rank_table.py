"""Ranks of a leaderboard as text, and notes: their meaning, and pairs without a decisive test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from bench.comparison.result import LEVEL, Comparison
from bench.leaderboard.grid import columns_of
from bench.leaderboard.ranks import RankRange, ranked_pairs
from bench.number_format import counted, plural
from bench.scores.aggregate import Cell
from bench.stats.multiplicity import holm
from bench.stats.permutation import smallest_p

RANK_HEADER = ("metric", "places consistent with the tests")


def place_rows(cells: Sequence[Cell], ranks: Mapping[tuple[str, str], RankRange]) -> list[tuple[str, str]]:
    """Return each metric with its models by places over all prompts; empty if no two models can be ranked.

    Args:
        cells: the leaderboard.
        ranks: by (model, metric), from `bench.leaderboard.ranks.ranks`.
    """
    found = []
    models = list(dict.fromkeys(cell.model for cell in cells))
    for ref, column in columns_of(cells).items():
        own = {model: ranks[model, ref] for model in models if (model, ref) in ranks}
        if column.direction != "none" and len(own) > 1:
            whole = [cell for cell in cells if cell.column.ref == ref and cell.group == "all"]
            valued = {cell.model for cell in whole if cell.estimate.value is not None}
            found.append((ref, _places(own, [model for model in models if model not in own], valued)))
    return found


def _places(ranks: Mapping[str, RankRange], others: Sequence[str], valued: Collection[str]) -> str:
    """Return ``1st or 2nd: a, b; 3rd: c; no value: d``."""
    open_to: dict[tuple[int, int], list[str]] = {}
    for model, rank in ranks.items():
        open_to.setdefault((rank.best, rank.worst), []).append(model)
    settled = any(len(rank.tied) < len(ranks) - 1 for rank in ranks.values())
    parts = [f"{_place(*place)}: {', '.join(open_to[place])}" for place in sorted(open_to)] if settled else []
    for said, models in (
        ("not tested", [model for model in others if model in valued]),
        ("no value", [model for model in others if model not in valued]),
    ):
        if models:
            parts.append(f"{said}: {', '.join(models)}")
    return "; ".join(parts if settled else [f"open: no two of {len(ranks)} rows differ significantly", *parts])


def _place(best: int, worst: int) -> str:
    if best == worst:
        return _ordinal(best)
    return f"{_ordinal(best)} {'or' if worst == best + 1 else 'to'} {_ordinal(worst)}"


def _ordinal(number: int) -> str:
    """Return ``1st``, ``2nd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def ranks_mean(ranks: Mapping[tuple[str, str], RankRange]) -> str:
    """Return the explanation of the ranks."""
    models = max(Counter(ref for _, ref in ranks).values(), default=0)
    pairs = models * (models - 1) // 2
    tests = f"{pairs} pairs of each metric" if pairs > 1 else "one pair of each metric"
    return (
        f"1st is best. Two rows differ if p (prompts paired, permutation tests, Holm over the {tests}) is "
        f"below {_p(LEVEL)}, the interval of their difference excludes 0 and so does a test of the mean that allows "
        "for skew. A row may have any place consistent with this."
    )


def rank_notes(cells: Iterable[Cell], comparisons: Iterable[Comparison]) -> list[str]:
    """Return, by metric, which pairs had no test, and which cannot reach significance with this few prompts.

    Args:
        cells: the leaderboard; cells of groups are ignored.
        comparisons: each pair of models once; those of groups are ignored.
    """
    said: dict[str, list[str]] = {}
    for ref, pairs in ranked_pairs(cells, comparisons)[1].items():
        for text in (*_out_of_reach(pairs), *_untested(pairs)):
            said.setdefault(text, []).append(ref)
    return [f"{', '.join(refs)}: {text}" for text, refs in said.items()]


def _out_of_reach(pairs: Sequence[Comparison]) -> Iterator[str]:
    tested = [pair for pair in pairs if pair.p is not None]
    # Even if every test gave the smallest possible p, Holm would not decide these pairs.
    least = [smallest_p(pair.n) for pair in tested]
    beyond = [place for place, p in enumerate(holm(least)) if p >= LEVEL]
    if beyond:
        sizes = sorted({tested[place].n for place in beyond})
        prompts = str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
        yield (
            f"{len(beyond)} of {counted(len(pairs), 'pair')} cannot reach significance: with "
            f"{prompts} prompts p is never below {_p(min(least[place] for place in beyond))} before Holm"
        )
    warnings = dict.fromkeys(warning for pair in tested for warning in pair.warnings)
    yield from (f"{warning.sentence} before Holm" for warning in warnings if warning.code == "W-FLOOR")


def _untested(pairs: Sequence[Comparison]) -> Iterator[str]:
    reasons = Counter(pair.reason or "no test" for pair in pairs if pair.p is None)
    for reason, number in reasons.items():
        are = plural(number, "is", "are")
        yield f"{number} of {counted(len(pairs), 'pair')} {are} not tested: {reason}"


def _p(p: float) -> str:
    return f"{p:.2g}".removeprefix("0")
