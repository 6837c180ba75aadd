"""The findings of a run, one sentence per pair of models: which is better, on what, by how much, and what is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.comparison.result import LEVEL, Comparison
from bench.number_format import counted, decimals_for, number, p_text
from bench.report.number_format import joined_with_and, sized
from bench.report.own_music import favored_by_reference
from bench.scores.aggregate import Cell, Column
from bench.stats.permutation import smallest_p

Kind = Literal["better", "differs", "open", "few", "missing"]
MOST_SHOWN = 8  # sentences shown on the first page; the others are folded
MOST_FOLDED = 60  # sentences below them; of thirty models there are 435

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Clause:
    """A part of a sentence.

    Attributes:
        kind: ``better`` if a test shows which model is ahead on a metric that ranks; ``differs`` the same if
            the metric does not rank; ``open`` if a test is not significant; ``few`` if no outcome of the test could
            be significant; ``missing`` if there was no test.
        text: the words, without a full stop.
        metrics: the metrics concerned, with versions.
        ahead: the model that is better or higher; empty if none is.
    """

    kind: Kind
    text: str
    metrics: tuple[str, ...]
    ahead: str = ""


@dataclass(frozen=True)
class Finding:
    """The result for two models over all prompts."""

    a: str
    b: str
    clauses: tuple[Clause, ...]

    @property
    def sentence(self) -> str:
        """The result for the two models in one sentence."""
        return "; ".join(clause.text for clause in self.clauses) + "."


def metric_names(columns: Iterable[Column]) -> dict[str, str]:
    """Return short names by name and version: without the version, unless that is ambiguous."""
    refs = [column.ref for column in columns]
    short = {ref: ref.rpartition("@")[0] or ref for ref in refs}
    names = list(short.values())
    return {ref: name if names.count(name) == 1 else ref for ref, name in short.items()}


@dataclass(frozen=True)
class _Words:
    """Short names of metrics, and the (model, metric) pairs that a reference favors."""

    names: Mapping[str, str]
    favored: Collection[tuple[str, str]]

    def on(self, c: Comparison, ahead: str) -> str:
        """Return ``on kad (a distance to reference music) by 2.9 (95 % interval …)``, with any caution."""
        said = f"on {self._name(c.column)} by {_size(c)}"
        if (ahead, c.column.ref) in self.favored:
            said += f" (with caution: the reference is {ahead}'s own music, which gives it a head start)"
        return said

    def listed(self, comparisons: Sequence[Comparison]) -> str:
        return joined_with_and([self._name(c.column) for c in comparisons])

    def _name(self, column: Column) -> str:
        distance = column.reference and column.direction == "lower"
        return f"{self.names[column.ref]}{' (a distance to reference music)' if distance else ''}"


def find(comparisons: Iterable[Comparison], columns: Sequence[Column], cells: Iterable[Cell] = ()) -> list[Finding]:
    """Return the finding on each pair of models, in the order of the pairs.

    Args:
        comparisons: of any number of pairs, with p adjusted after Holm over the metrics; only those over all prompts
            are used.
        columns: the shown metrics.
        cells: the leaderboard, whose marks show which model a reference favors.
    """
    names = metric_names(columns)
    words = _Words(names, favored_by_reference(cells))
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for one in comparisons:
        if one.grouping == "all" and one.column.ref in names:
            pairs.setdefault((one.a, one.b), []).append(one)
    return [Finding(a, b, tuple(_clauses(a, b, own, words))) for (a, b), own in pairs.items()]


def split(findings: Sequence[Finding], first: str) -> tuple[list[Finding], list[Finding]]:
    """Return the findings about the first model of a run, to show first, and the others."""
    ahead = [one for one in findings if first in (one.a, one.b)][:MOST_SHOWN]
    return ahead, [one for one in findings if one not in ahead]


def _clauses(a: str, b: str, comparisons: Sequence[Comparison], words: _Words) -> list[Clause]:
    of: dict[Kind, list[Comparison]] = {}
    for one in comparisons:
        of.setdefault(_kind(one), []).append(one)
    found = [
        clause for ahead, other in ((a, b), (b, a)) for clause in _better(ahead, other, of.get("better", ()), words)
    ]
    if not found:
        found = [Clause("open", f"neither {a} nor {b} is shown to be better", ())]
    found += [clause for ahead in (a, b) for clause in _more(ahead, of.get("differs", ()), words)]
    unlike = [one for one in of.get("open", []) if _adjusted(one) < LEVEL]
    if chance := [one for one in of.get("open", []) if one not in unlike]:
        where = "where the differences found could be chance"
        found.append(Clause("open", f"not settled on {words.listed(chance)}, {where}", _refs(chance)))
    if unlike:
        where = "where the two differ, but which is ahead on average stays open"
        found.append(Clause("open", f"not settled on {words.listed(unlike)}, {where}", _refs(unlike)))
    if few := of.get("few", []):
        found.append(Clause("few", f"too few prompts to test {words.listed(few)}", _refs(few)))
    return found + _missing(of.get("missing", ()), words)


def _kind(c: Comparison) -> Kind:
    if c.p is None:
        return "missing"
    if c.told_apart(_adjusted(c)):
        return "better" if c.better else "differs"
    return "few" if any(warning.code == "W-FEW" for warning in c.warnings) else "open"


def _adjusted(c: Comparison) -> float:
    """Return p after Holm over the metrics; 1 if there was no test."""
    return next((p for p in (c.p_holm, c.p) if p is not None), 1.0)


def _better(ahead: str, other: str, comparisons: Sequence[Comparison], words: _Words) -> list[Clause]:
    own = [c for c in comparisons if c.better == ahead]
    if not own:
        return []
    sizes = joined_with_and([words.on(c, ahead) for c in own])
    return [Clause("better", f"{ahead} is better than {other} {sizes}", _refs(own), ahead)]


def _more(ahead: str, comparisons: Sequence[Comparison], words: _Words) -> list[Clause]:
    own = [c for c in comparisons if ahead == (c.b if (c.estimate or 0) > 0 else c.a)]
    if not own:
        return []
    sizes = joined_with_and([words.on(c, ahead) for c in own])
    return [Clause("differs", f"{ahead} is higher {sizes}, which is neither better nor worse", _refs(own), ahead)]


def _missing(comparisons: Sequence[Comparison], words: _Words) -> list[Clause]:
    by_reason: dict[str, list[Comparison]] = {}
    for one in comparisons:
        by_reason.setdefault(one.reason or "not tested", []).append(one)
    return [
        Clause("missing", f"no result on {words.listed(own)} ({reason})", _refs(own))
        for reason, own in by_reason.items()
    ]


def _size(c: Comparison) -> str:
    """Return the size of a difference without its sign: ``11.9 points (95 % interval 9.5 to 14.2, p = .004)``."""
    estimate, low, high = c.estimate or 0.0, c.low, c.high
    if estimate < 0:
        estimate, low, high = -estimate, None if high is None else -high, None if low is None else -low
    width = [] if low is None or high is None else [(high - low) / 2]
    decimals = decimals_for(width, [estimate])
    while low is not None and low > 0 and decimals < _MOST_DECIMALS and float(f"{low:.{decimals}f}") == 0:
        decimals += 1  # an end that is not 0 must not be shown as 0
    text = sized(number(estimate, decimals), c.column.unit)
    ends = "" if low is None else f"95 % interval {number(low, decimals)} to {number(high, decimals)}, "
    p = p_text(_adjusted(c))
    said = f"p {p.replace('<', '< ') if p.startswith('<') else f'= {p}'}"
    if c.p is not None and c.p <= smallest_p(c.n) * (1 + 1e-9):
        # Holm's factor differs between pairs, and so does the smallest possible p.
        corrected = ("", "") if c.p_holm is None else (" after correction", " before it")
        said += f"{corrected[0]}; {counted(c.n, 'prompt')} can give no smaller one{corrected[1]}"
    return f"{text} ({ends}{said})"


def _refs(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    return tuple(c.column.ref for c in comparisons)
