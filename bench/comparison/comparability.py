"""Whether two rows can be compared: what is refused, what a metric gives no number for, and what is only marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from bench.canonical import first_difference
from bench.comparison.compared_run import ComparedMetric, ComparedRun, Row
from bench.errors import UsageError
from bench.numerals import counted
from bench.stats.permutation import smallest_p
from bench.summary import Column
from bench.view import View

_SAME_LENGTH = 0.05  # seconds, as for views
FEWEST = 6
"""Prompts without which no difference is significant: exchanging 5 in all ways gives no p below 2/2⁵ = .0625."""


def refuse(first: ComparedRun, second: ComparedRun, mark: bool) -> tuple[str, ...]:
    """Warnings that every row of a comparison of two runs carries.

    Raises:
        UsageError: other prompts under one id, no shared prompts, or another duration and no wish to ``mark`` it.
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
    for id in shared:
        one, two = first.prompts[id], second.prompts[id]
        if one != two:
            place, was, now_is = first_difference(asdict(one), asdict(two))
            raise UsageError(
                f"prompt '{id}' is another: {place} is {was} in {first.folder} and {now_is} in {second.folder}; "
                "compare runs of the same prompts"
            )
    lengths = first.about.get("duration", ""), second.about.get("duration", "")
    if lengths[0] == lengths[1]:
        return ()
    if not mark:
        raise UsageError(
            f"clips of {lengths[0]} in {first.folder} and of {lengths[1]} in {second.folder} are not comparable; "
            "make both alike, or compare them all the same with --mark"
        )
    return (f"W-DURATION: A was asked for clips of {lengths[0]} and B for clips of {lengths[1]}",)


def matched(first: ComparedRun, second: ComparedRun) -> list[tuple[ComparedMetric, str | None]]:
    """The metrics of the two runs in the order of the first, each with the reason why it gives no numbers, if any."""
    if first is second:
        return [(metric, None) for metric in first.metrics]
    theirs = {metric.name: metric for metric in second.metrics}
    own = {metric.name for metric in first.metrics}
    # With other parameters a metric has another name.
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
    advice = "score both runs alike with 'tunebench score'"
    if two is None:
        return f"only {first.folder} has this metric; {advice}"
    if one.version != two.version:
        what, values = "version", [str(one.version), str(two.version)]
    elif one.params != two.params:
        place, *values = first_difference(one.params, two.params)
        what = f"parameter {place}"
    elif one.params_hash != two.params_hash:
        what, values = "plugin", [one.params_hash[:12], two.params_hash[:12]]
    elif one.column.view != two.column.view:
        what, values = "view", [one.column.view, two.column.view]
    elif one.embedder != two.embedder:
        what, values = "embedder", [one.embedder[:12], two.embedder[:12]]
    elif one.reference != two.reference:
        what, values = "reference", [f"{m.column.reference} ({m.reference[:12]})" for m in (one, two)]
    else:
        return None
    return f"another {what}: {values[0]} in {first.folder} and {values[1]} in {second.folder}; {advice}"


def unequal(a: Row, b: Row, column: Column) -> tuple[str, ...]:
    """Warnings for a metric whose numbers may differ for another reason than the models' quality."""
    found = []
    lengths = a.run.length(a.label), b.run.length(b.label)
    whole = not column.view or column.view.startswith(View().text)
    if whole and lengths[0] and lengths[1] and abs(lengths[0] - lengths[1]) > _SAME_LENGTH:
        found.append(f"W-LENGTH: A's clips are {lengths[0]:.2f} s long and B's {lengths[1]:.2f} s (medians)")
    if column.of_sets and a.seeds() and b.seeds():
        one, two = ({prompt: len(seeds) for prompt, seeds in row.seeds().items()} for row in (a, b))
        if any(one[prompt] != two[prompt] for prompt in one.keys() & two.keys()):
            found.append(f"W-SEEDS: A has {_seeds(one)} and B {_seeds(two)} a prompt")
    return tuple(found)


def _seeds(counts: Mapping[str, int]) -> str:
    """``2 seeds``, or ``1 to 3 seeds`` where prompts have different numbers of them."""
    fewest, most = min(counts.values()), max(counts.values())
    return counted(most, "seed") if fewest == most else f"{fewest} to {counted(most, 'seed')}"


def unpaired(only_a: int, only_b: int) -> tuple[str, ...]:
    """The warning for prompts that only one of the two has a value for."""
    alone = only_a + only_b
    if not alone:
        return ()
    parts = [f"{number} of {name}" for number, name in ((only_a, "A"), (only_b, "B")) if number]
    left_out = f"{'is' if alone == 1 else 'are'} left out ({', '.join(parts)})"
    return (f"W-UNPAIRED: {counted(alone, 'prompt')} that only one of the two has {left_out}",)


def few(n: int, differing: int) -> tuple[str, ...]:
    """The warning for a test of so few prompts, or so few that differ at all, that p could not be below .05."""
    if n < FEWEST:
        return (f"W-FEW: with {n} prompts p is never below {smallest_p(n):.3f}",)
    if differing < FEWEST:
        return (f"W-FEW: A and B differ on {differing} of the {n} prompts, which cannot take p below .05",)
    return ()
