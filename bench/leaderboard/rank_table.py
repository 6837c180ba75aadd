"""The ranks of a leaderboard as a table, and what is said beneath it: what they mean, and what no test could say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.comparison.result import LEVEL, Comparison
from bench.leaderboard.grid import Grid, columns_of
from bench.leaderboard.ranks import RankRange, ranked_pairs
from bench.number_format import NONE, counted, plural
from bench.scores.aggregate import Cell
from bench.stats.multiplicity import holm
from bench.stats.permutation import smallest_p

TIED = "="


def rank_grid(cells: Sequence[Cell], ranks: Mapping[tuple[str, str], RankRange]) -> Grid | None:
    """Header and rows of the ranks over all prompts; None where no two models can be ranked."""
    refs = [ref for ref, column in columns_of(cells).items() if column.direction != "none"]
    models = list(dict.fromkeys(cell.model for cell in cells))
    ranked = {ref: sum((model, ref) in ranks for model in models) for ref in refs}
    if max(ranked.values(), default=0) < 2:
        return None
    rows = []
    for model in models:
        found = {ref: ranks.get((model, ref)) for ref in refs}
        rows.append([model, *(_place(rank, ranked[ref]) for ref, rank in found.items())])
    return ["rank", *refs], rows


def ranks_mean(ranks: Mapping[tuple[str, str], RankRange]) -> str:
    """What the ranks say."""
    models = max(Counter(ref for _, ref in ranks).values(), default=0)
    pairs = models * (models - 1) // 2
    tests = f"{pairs} pairs of each metric" if pairs > 1 else "one pair of each metric"
    return (
        f"Ranks: the places that the tests leave open, 1 is best. Two rows are told apart where p (prompts paired, "
        f"permutation tests, Holm over the {tests}) is below {_p(LEVEL)}, the interval of their difference leaves out "
        f"0 and so does a test of the mean that allows for skew; {TIED} cannot be told from any other row, {NONE} has "
        "no value or no test."
    )


def rank_notes(cells: Iterable[Cell], comparisons: Iterable[Comparison]) -> list[str]:
    """By metric, which pairs had no test, and which cannot reach significance with so few prompts."""
    said: dict[str, list[str]] = {}
    for ref, pairs in ranked_pairs(cells, comparisons)[1].items():
        for text in (*_out_of_reach(pairs), *_untested(pairs)):
            said.setdefault(text, []).append(ref)
    return [f"{', '.join(refs)}: {text}" for text, refs in said.items()]


def _out_of_reach(pairs: Sequence[Comparison]) -> Iterator[str]:
    tested = [pair for pair in pairs if pair.p is not None]
    # If every test gave the smallest p of so many prompts, Holm would leave these open all the same.
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


def _place(rank: RankRange | None, ranked: int) -> str:
    if rank is None:
        return NONE
    return TIED if not rank.untested and len(rank.tied) == ranked - 1 > 0 else rank.text
