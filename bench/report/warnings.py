"""Collect warnings about the numbers: each once, with its code and metrics."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from bench.comparison.result import Comparison
from bench.contracts.notice import Notice
from bench.report.context import ScoreWarning
from bench.scores.aggregate import Cell

_SENTENCES = 3  # per code, before they are summarized


def cautions(
    cells: Sequence[Cell], comparisons: Iterable[Comparison] = (), others: Sequence[Notice] = ()
) -> tuple[ScoreWarning, ...]:
    """Gather warnings in the order in which they appear.

    A warning of a genre or level is included if that metric has none with its code over all prompts, and a
    warning of comparisons names the pair or counts the pairs.

    Args:
        cells: the leaderboard's estimates.
        comparisons: of pairs of models.
        others: warnings not about a metric, such as on a file that could not be read.
    """
    metrics: dict[Notice, dict[str, None]] = {warning: {} for warning in others}
    told: set[tuple[str, str]] = set()
    for cell in sorted(cells, key=lambda cell: cell.group != "all"):
        for warning in cell.estimate.warnings:
            code, ref = warning.code, cell.column.ref
            if cell.group == "all" or (code, ref) not in told:
                metrics.setdefault(warning, {})[ref] = None
                told.add((code, ref))
    found = [ScoreWarning(warning.code, warning.text, tuple(refs)) for warning, refs in metrics.items()]
    return (*found, *_of_pairs(comparisons, metrics))


def _of_pairs(comparisons: Iterable[Comparison], told: Collection[Notice]) -> Iterator[ScoreWarning]:
    """Yield warnings that only comparisons have; for many with one code, the first and their number."""
    where: dict[str, dict[str, tuple[dict[tuple[str, str], None], dict[str, None]]]] = {}
    few: dict[str, dict[tuple[str, str], Notice]] = {}
    for one in comparisons:
        for warning in one.warnings if one.grouping == "all" else ():
            if warning.code == "W-FEW" and "prompts" in warning.params:
                few.setdefault(one.column.ref, {})[one.a, one.b] = warning
            elif warning not in told:
                sentences = where.setdefault(warning.code, {})
                pairs, refs = sentences.setdefault(warning.text, ({}, {}))
                pairs[one.a, one.b] = None
                refs[one.column.ref] = None
    yield from _too_few(few)
    for code, sentences in where.items():
        if len(sentences) > _SENTENCES:
            every = tuple(dict.fromkeys(ref for _, refs in sentences.values() for ref in refs))
            first, (pairs, _) = next(iter(sentences.items()))
            more = f"{len(sentences) - 1} more like it are shown with the comparisons"
            yield ScoreWarning(code, f"{first} ({_named(pairs)}); {more}", every)
            continue
        for sentence, (pairs, refs) in sentences.items():
            yield ScoreWarning(code, f"{sentence} ({_named(pairs)})", tuple(refs))


def _too_few(few: Mapping[str, Mapping[tuple[str, str], Notice]]) -> Iterator[ScoreWarning]:
    """Yield warnings about too few prompts: metrics with the same pairs together, with the first pair as an example."""
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for ref, own in few.items():
        alike.setdefault(tuple(own), []).append(ref)
    for pairs, refs in alike.items():
        (a, b), first = next(iter(few[refs[0]].items()))
        n = first.params["prompts"]
        size = f"{first.params['differing']} of {n} differ" if "differing" in first.params else f"{n} with a value"
        others = f"; so for {len(pairs)} pairs of models" if len(pairs) > 1 else ""
        names = ", ".join(ref.rpartition("@")[0] or ref for ref in refs)
        yield ScoreWarning("W-FEW", f"too few prompts to test {names} ({a} against {b}: {size}){others}", tuple(refs))


def _named(pairs: Collection[tuple[str, str]]) -> str:
    """Return the names of A and B in a warning."""
    a, b = next(iter(pairs))
    first = f"A is {a}, B is {b}"
    return first if len(pairs) == 1 else f"{len(pairs)} pairs of models; in the first {first}"
