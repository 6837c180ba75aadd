"""Check whether two rows can be compared: what is refused, what has no number, and what is only marked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace

from bench.comparison.result import LEVEL
from bench.comparison.run_reader import ComparedMetric, ComparedRun, RunRow
from bench.contracts.clip_view import View, view_text
from bench.contracts.notice import Notice
from bench.errors import UsageError
from bench.hashing import first_difference
from bench.number_format import seconds_text
from bench.scores.aggregate import Column
from bench.stats.permutation import smallest_p

_SAME_LENGTH = 0.05  # seconds, as for views
FEWEST = 6
"""Prompts without which no difference is significant: all permutations of 5 give no p below 2/2⁵ = .0625."""


def refuse(first: ComparedRun, second: ComparedRun, mark: bool, rephrased: bool = False) -> tuple[Notice, ...]:
    """Return warnings for every row of a comparison of two runs.

    Args:
        first, second: the runs of A and B.
        mark: whether to mark different durations instead of refusing.
        rephrased: whether texts may differ if the rest of a prompt is the same; a warning counts them.

    Raises:
        UsageError: different prompts with the same id, no shared prompts, or different durations without ``mark``.
    """
    if first is second:
        return ()
    shared = [id for id in first.prompts if id in second.prompts]
    if not shared:
        few = ["/".join(list(run.prompts)[:3]) for run in (first, second)]
        raise UsageError(
            f"no shared prompts: {first.folder} has {few[0]} … and {second.folder} has {few[1]} …; "
            "compare runs of one suite"
        )
    reworded = 0
    for id in shared:
        one, two = first.prompts[id], second.prompts[id]
        same_music = one == replace(two, text=one.text)
        reworded += one != two
        if one != two and not (rephrased and same_music):
            hint = ", or use --rephrased to pair different texts" if same_music else ""
            place, was, now_is = first_difference(asdict(one), asdict(two))
            raise UsageError(
                f"prompt '{id}' differs: {place} is {was} in {first.folder} and {now_is} in {second.folder}; "
                f"compare runs of the same prompts{hint}"
            )
    words = (Notice("W-WORDS", {"prompts": reworded, "of": len(shared)}),) if reworded else ()
    lengths = float(first.about["duration"]), float(second.about["duration"])
    if lengths[0] == lengths[1]:
        return words
    if not mark:
        said = [seconds_text(length) for length in lengths]
        raise UsageError(
            f"clips of {said[0]} in {first.folder} and of {said[1]} in {second.folder} are not comparable; "
            "make both the same, or compare anyway with --mark"
        )
    return (*words, Notice("W-DURATION", {"a": lengths[0], "b": lengths[1]}))


def matched(first: ComparedRun, second: ComparedRun) -> list[tuple[ComparedMetric, str | None]]:
    """Return the metrics of both runs in the order of the first, each with None, or why it has no numbers."""
    if first is second:
        return [(metric, None) for metric in first.metrics]
    theirs = {metric.name: metric for metric in second.metrics}
    own = {metric.name for metric in first.metrics}
    # A metric with other parameters has another name.
    spare = [metric for metric in second.metrics if metric.name not in own]
    found: list[tuple[ComparedMetric, str | None]] = []
    for metric in first.metrics:
        other = theirs.get(metric.name)
        if other is None:
            other = next((m for m in spare if m.plugin == metric.plugin), None)
            if other:
                spare.remove(other)
        found.append((metric, _mismatch(metric, other, first, second)))
    return found + [(metric, _mismatch(metric, None, second, first)) for metric in spare]


def _mismatch(one: ComparedMetric, two: ComparedMetric | None, first: ComparedRun, second: ComparedRun) -> str | None:
    advice = "score both runs the same way with 'tunebench score'"
    if two is None:
        return f"only {first.folder} has this metric; {advice}"
    if one.version != two.version:
        what, values = "version", [str(one.version), str(two.version)]
    elif one.params != two.params:
        place, *values = first_difference(one.params, two.params)
        what = f"parameter {place}"
    elif one.params_hash != two.params_hash:
        what, values = "plugin file", [one.params_hash[:12], two.params_hash[:12]]
    elif one.column.view != two.column.view:
        what, values = "view", [view_text(metric.column.view) or "nothing" for metric in (one, two)]
    elif one.embedder != two.embedder:
        what, values = "embedder", [one.embedder[:12], two.embedder[:12]]
    elif one.reference != two.reference:
        what, values = "reference", [f"{m.column.reference} ({m.reference[:12]})" for m in (one, two)]
    else:
        return None
    return f"different {what}: {values[0]} in {first.folder} and {values[1]} in {second.folder}; {advice}"


def unequal(a: RunRow, b: RunRow, column: Column) -> tuple[Notice, ...]:
    """Return warnings for a metric whose numbers may differ for reasons other than the models' quality."""
    found = []
    lengths = a.run.length(a.label), b.run.length(b.label)
    whole = not column.view or View.of_key(column.view).seconds is None
    if whole and lengths[0] and lengths[1] and abs(lengths[0] - lengths[1]) > _SAME_LENGTH:
        found.append(Notice("W-LENGTH", {"a": lengths[0], "b": lengths[1]}))
    if column.of_sets and a.seeds() and b.seeds():
        one, two = ({prompt: len(seeds) for prompt, seeds in row.seeds().items()} for row in (a, b))
        if any(one[prompt] != two[prompt] for prompt in one.keys() & two.keys()):
            found.append(Notice("W-SEEDS", {"a": _seeds(one), "b": _seeds(two)}))
    return tuple(found)


def _seeds(counts: Mapping[str, int]) -> list[int]:
    """Return the fewest and the most seeds that a prompt has."""
    return [min(counts.values()), max(counts.values())]


def unpaired(only_a: int, only_b: int) -> tuple[Notice, ...]:
    """Return the warning about prompts for which only one row has a value; empty if there are none.

    Args:
        only_a, only_b: numbers of such prompts.
    """
    return (Notice("W-UNPAIRED", {"only_a": only_a, "only_b": only_b}),) if only_a + only_b else ()


def few(n: int, differing: int) -> tuple[Notice, ...]:
    """Return the warning for a test with so few (differing) prompts that p cannot be below .05.

    Args:
        n: shared prompts.
        differing: those whose difference is not 0.
    """
    if n < FEWEST:
        return (Notice("W-FEW", {"prompts": n, "p": smallest_p(n)}),)
    if differing < FEWEST:
        return (Notice("W-FEW", {"prompts": n, "differing": differing}),)
    return ()


def skewed(p: float, mean_p: float) -> tuple[Notice, ...]:
    """Return the warning if the tests of exchangeability and of the mean disagree.

    Args:
        p: of the permutation test.
        mean_p: of the test of the mean; NaN if the difference is the same for all prompts.
    """
    known = not math.isnan(mean_p)  # NaN if the difference is the same for all prompts
    return (Notice("W-SKEW", {"p": p, "mean_p": mean_p}),) if known and (p < LEVEL) != (mean_p < LEVEL) else ()
