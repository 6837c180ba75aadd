"""Findings of a survey, one sentence per pair of models: which is better and by how much, or undecided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.number_format import counted, first_few, number, p_text, plural
from bench.stats.detectable import detectable_difference
from bench.survey.adjusted_intervals import (
    AdjustedInterval,
    adjusted_intervals,
    largest_difference,
    level_text,
    percent,
    settled,
)
from bench.survey.results import SurveyComparison, SurveyDesign
from bench.survey.vote_results import StrengthFit

_SENTENCES = 12  # pairs with one sentence each; with more, one per model that is above another
_POWER = 0.8
_NAMES, _PLACES = 4, 8
_VERBS = {"ratings": "is rated higher", "votes": "is preferred", "scores": "is scored higher"}


@dataclass(frozen=True)
class _Family:
    """Common data of a survey's sentences: design, confidence, and number of tests."""

    design: SurveyDesign
    confidence: float
    tests: int

    @property
    def kind(self) -> str:
        """The kind of differences: ratings, votes or (comparison) scores."""
        if self.design.kind == "ratings":
            return "ratings"
        return "scores" if self.design.ranges else "votes"

    def than(self, other: str) -> str:
        return f"{_VERBS[self.kind]} {'to' if self.kind == 'votes' else 'than'} {other}"

    def p(self, p: float | None) -> str:
        return f"p{' after Holm' if self.tests > 1 else ''}\u00a0{p_text(p)}"


def pair_findings(design: SurveyDesign, comparisons: Sequence[SurveyComparison], confidence: float) -> tuple[str, ...]:
    """Return a finding for every pair; with more than 12 pairs, for each model.

    Args:
        design: design of the survey.
        comparisons: all comparisons of the analysis, over which p was adjusted.
        confidence: confidence of the family's intervals, in (0, 1).
    """
    intervals = adjusted_intervals(design, comparisons, confidence)
    family = _Family(design, confidence, sum(one is not None for one in intervals))
    if len(comparisons) > _SENTENCES:
        return tuple(_of_many(family, comparisons))
    return tuple(_of_pair(family, one, interval) for one, interval in zip(comparisons, intervals, strict=True))


def place_findings(strengths: Sequence[StrengthFit]) -> tuple[str, ...]:
    """Return the places consistent with the strengths of three or more models, with ties as half wins."""
    found = []
    for fit in strengths:
        known = [one for one in fit.models if one.strength is not None]
        if fit.ties == "half wins" and len(known) > 2:
            places = [
                f"{one.model} {one.best}" if one.best == one.worst else f"{one.model} {one.best} to {one.worst}"
                for one in sorted(known, key=lambda one: -(one.strength or 0.0))
            ]
            found.append(
                f"{fit.scale}: places consistent with the strengths (Bradley–Terry, ties as half wins, p after Holm): "
                f"{', '.join(first_few(places, _PLACES))}."
            )
    return tuple(found)


def _of_pair(family: _Family, one: SurveyComparison, interval: AdjustedInterval | None) -> str:
    if interval is None or one.estimate is None:
        return f"{one.scale}: {one.b} and {one.a} could not be tested{f': {one.reason}' if one.reason else ''}."
    if settled(one, family.confidence):
        text = f"{_better(family, one)} {_amount(family, one, interval)}"
    else:
        text = (
            f"whether {one.b} or {one.a} {_VERBS[family.kind]} is not settled: {_amount(family, one, interval)}; "
            f"{_detectable(family, one)}"
        )
    if one.equivalence is not None and one.equivalence.p <= 1 - family.confidence:
        text += f"; the difference lies within ±{one.equivalence.margin:g} (equivalence, p {p_text(one.equivalence.p)})"
    return f"{one.scale}: {text}.{_doubt(family, one)}"


def _doubt(family: _Family, one: SurveyComparison) -> str:
    if not one.warnings:
        return ""
    codes = " and ".join(warning.split(":")[0] for warning in one.warnings)
    if settled(one, family.confidence):
        return f" But see {codes}: the design alone could have caused this difference."
    return f" See also {codes}: the design could cause or hide a difference."


def _better(family: _Family, one: SurveyComparison) -> str:
    better, worse = (one.b, one.a) if (one.estimate or 0.0) > 0 else (one.a, one.b)
    return f"{better} {family.than(worse)}"


def _amount(family: _Family, one: SurveyComparison, interval: AdjustedInterval) -> str:
    """Return the size of a difference: for a finding in favor of the better model, otherwise of the second."""
    estimate, low, high = one.estimate or 0.0, interval.low, interval.high
    found = settled(one, family.confidence)
    if found and estimate < 0:
        estimate, low, high = -estimate, -high, -low
    what = f"{percent(interval.confidence)} interval"
    p = family.p(one.p_holm)
    if family.kind == "votes":
        share, least, most = (number(50 * (1 + value), 0) for value in (estimate, low, high))
        lead = f"in {share}\u00a0% of votes" if found else f"{one.b} has {share}\u00a0% of votes"
        return f"{lead}, ties as halves ({what} {least} to {most}\u00a0%, {p})"
    decimals = _decimals(family, one)
    shown, least, most = (number(value, decimals) for value in (estimate, low, high))
    lead = f"by {shown}" if found else f"{one.b} − {one.a} is {shown}"
    return f"{lead} ({what} {least} to {most}, {p})"


def _decimals(family: _Family, one: SurveyComparison) -> int:
    return 1 if largest_difference(family.design, one.scale) > 20 else 2


def _detectable(family: _Family, one: SurveyComparison) -> str:
    """Return the difference that a test of this size detects in most surveys, at Holm's first level."""
    if not one.se or one.df is None:
        return "the answers do not vary"
    found = detectable_difference(one.se, one.df, (1 - family.confidence) / family.tests, _POWER)
    if found >= largest_difference(family.design, one.scale):
        return "a test of this size is too small to find any difference reliably"
    what = (
        f"{number(50 * (1 + found), 0)}\u00a0% of votes"
        if family.kind == "votes"
        else f"a difference of {number(found, _decimals(family, one))}"
    )
    return f"a test of this size finds {what} in {100 * _POWER:g} of 100 surveys that vary like this one"


def _of_many(family: _Family, comparisons: Sequence[SurveyComparison]) -> Iterator[str]:
    """Yield a sentence per scale with the number of settled pairs, then one per model with those below it."""
    for scale in family.design.scales:
        rows = [one for one in comparisons if one.scale == scale]
        above: dict[str, list[str]] = {}
        for one in rows:
            if settled(one, family.confidence):
                better, worse = (one.b, one.a) if (one.estimate or 0.0) > 0 else (one.a, one.b)
                above.setdefault(better, []).append(worse)
        count = sum(map(len, above.values()))
        warned = Counter(warning.split(":")[0] for one in rows for warning in one.warnings)
        doubt = "".join(f" {code} applies to {counted(n, 'pair')}." for code, n in sorted(warned.items()))
        untested = sum(one.p is None for one in rows)
        yield (
            f"{scale}: {count} of {counted(len(rows), 'pair')} {plural(count, 'is', 'are')} settled "
            f"(p after Holm over {counted(family.tests, 'test')} at most {level_text(family.confidence)})"
            + (f"; {untested} could not be tested" if untested else "")
            + f".{doubt}"
        )
        for model in sorted(above, key=lambda model: -len(above[model])):
            yield f"{scale}: {model} {family.than(', '.join(first_few(above[model], _NAMES)))}."
