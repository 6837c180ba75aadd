"""What a run found, in one sentence a pair of models: which is better, on what, by how much, how sure, what is open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.comparison.result import LEVEL, Comparison
from bench.number_format import decimals_for, number, p_text
from bench.scores.aggregate import Column

Kind = Literal["better", "differs", "open", "few", "missing"]
MOST_SHOWN = 8  # sentences that the first page opens with; the others are folded
MOST_FOLDED = 60  # sentences below them; of thirty models there are 435

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Clause:
    """A part of a sentence.

    Attributes:
        kind: ``better`` where a test settles which model is ahead on a metric that ranks; ``differs`` the same where
            the metric ranks nothing; ``open`` where a test settles nothing; ``few`` where no outcome of the test could
            have settled anything; ``missing`` where there was no test.
        text: the words, without a full stop.
        metrics: what it is said of, with versions.
        ahead: the model that is better or has more; empty where none is.
    """

    kind: Kind
    text: str
    metrics: tuple[str, ...]
    ahead: str = ""


@dataclass(frozen=True)
class Finding:
    """What is known of two models over all prompts."""

    a: str
    b: str
    clauses: tuple[Clause, ...]

    @property
    def sentence(self) -> str:
        """All that is known of the two, in one sentence."""
        return "; ".join(clause.text for clause in self.clauses) + "."


def metric_names(columns: Iterable[Column]) -> dict[str, str]:
    """By name and version, what sentences call a metric: without its version, unless two then have one name."""
    refs = [column.ref for column in columns]
    short = {ref: ref.rpartition("@")[0] or ref for ref in refs}
    names = list(short.values())
    return {ref: name if names.count(name) == 1 else ref for ref, name in short.items()}


def find(comparisons: Iterable[Comparison], columns: Sequence[Column]) -> list[Finding]:
    """Say what was found of each pair of models, in the order of the pairs.

    Args:
        comparisons: of any number of pairs, with p adjusted after Holm over the metrics; only those over all prompts
            count.
        columns: the metrics that are shown.
    """
    names = metric_names(columns)
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for one in comparisons:
        if one.grouping == "all" and one.column.ref in names:
            pairs.setdefault((one.a, one.b), []).append(one)
    return [Finding(a, b, tuple(_clauses(a, b, own, names))) for (a, b), own in pairs.items()]


def split(findings: Sequence[Finding], first: str) -> tuple[list[Finding], list[Finding]]:
    """The findings to open with, those against the first model of a run, and all others."""
    ahead = [one for one in findings if first in (one.a, one.b)][:MOST_SHOWN]
    return ahead, [one for one in findings if one not in ahead]


def _clauses(a: str, b: str, comparisons: Sequence[Comparison], names: Mapping[str, str]) -> list[Clause]:
    of: dict[Kind, list[Comparison]] = {}
    for one in comparisons:
        of.setdefault(_kind(one), []).append(one)
    found = [
        clause for ahead, other in ((a, b), (b, a)) for clause in _better(ahead, other, of.get("better", ()), names)
    ]
    if not found:
        found = [Clause("open", f"neither {a} nor {b} is shown to be better", ())]
    found += [clause for ahead in (a, b) for clause in _more(ahead, of.get("differs", ()), names)]
    unlike = [one for one in of.get("open", []) if _adjusted(one) < LEVEL]
    if chance := [one for one in of.get("open", []) if one not in unlike]:
        where = "where the differences found could be chance"
        found.append(Clause("open", f"not settled on {_metrics(chance, names)}, {where}", _refs(chance)))
    if unlike:
        where = "where the two differ, but which is ahead on average stays open"
        found.append(Clause("open", f"not settled on {_metrics(unlike, names)}, {where}", _refs(unlike)))
    if few := of.get("few", []):
        where = "where the two differ on too few prompts"
        found.append(Clause("few", f"not testable on {_metrics(few, names)}, {where}", _refs(few)))
    return found + _missing(of.get("missing", ()), names)


def _kind(c: Comparison) -> Kind:
    if c.p is None:
        return "missing"
    if c.told_apart(_adjusted(c)):
        return "better" if c.better else "differs"
    return "few" if any(warning.code == "W-FEW" for warning in c.warnings) else "open"


def _adjusted(c: Comparison) -> float:
    """p after Holm over the metrics; 1 where nothing was tested."""
    return next((p for p in (c.p_holm, c.p) if p is not None), 1.0)


def _better(ahead: str, other: str, comparisons: Sequence[Comparison], names: Mapping[str, str]) -> list[Clause]:
    own = [c for c in comparisons if c.better == ahead]
    if not own:
        return []
    sizes = _listed([f"on {names[c.column.ref]} by {_size(c)}" for c in own])
    return [Clause("better", f"{ahead} is better than {other} {sizes}", _refs(own), ahead)]


def _more(ahead: str, comparisons: Sequence[Comparison], names: Mapping[str, str]) -> list[Clause]:
    own = [c for c in comparisons if ahead == (c.b if (c.estimate or 0) > 0 else c.a)]
    if not own:
        return []
    sizes = _listed([f"on {names[c.column.ref]} by {_size(c)}" for c in own])
    return [Clause("differs", f"{ahead} is higher {sizes}, which is neither better nor worse", _refs(own), ahead)]


def _missing(comparisons: Sequence[Comparison], names: Mapping[str, str]) -> list[Clause]:
    by_reason: dict[str, list[Comparison]] = {}
    for one in comparisons:
        by_reason.setdefault(one.reason or "not tested", []).append(one)
    return [
        Clause("missing", f"nothing known on {_metrics(own, names)} ({reason})", _refs(own))
        for reason, own in by_reason.items()
    ]


def _size(c: Comparison) -> str:
    """How large a difference is, without its sign: ``11.9 points (95 % interval 9.5 to 14.2, p = .004)``."""
    estimate, low, high = c.estimate or 0.0, c.low, c.high
    if estimate < 0:
        estimate, low, high = -estimate, None if high is None else -high, None if low is None else -low
    width = [] if low is None or high is None else [(high - low) / 2]
    decimals = decimals_for(width, [estimate])
    while low is not None and low > 0 and decimals < _MOST_DECIMALS and float(f"{low:.{decimals}f}") == 0:
        decimals += 1  # an end that is not 0 must not read so
    # Percentages differ by points.
    unit = "points" if c.column.unit == "%" else c.column.unit
    text = f"{number(estimate, decimals)} {unit}".strip()
    ends = "" if low is None else f"95 % interval {number(low, decimals)} to {number(high, decimals)}, "
    p = p_text(_adjusted(c))
    return f"{text} ({ends}p {p.replace('<', '< ') if p.startswith('<') else f'= {p}'})"


def _metrics(comparisons: Sequence[Comparison], names: Mapping[str, str]) -> str:
    return _listed([names[c.column.ref] for c in comparisons])


def _refs(comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    return tuple(c.column.ref for c in comparisons)


def _listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
