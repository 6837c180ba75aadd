"""Text for the methods on how intervals and tests of a run were computed, with sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.comparison.result import Comparison
from bench.number_format import counted, plural
from bench.report.context import ReportContext
from bench.scores.aggregate import MINIMUM_PROMPTS, Cell
from bench.stats.permutation import EXACT, PERMUTATIONS


def statistics(content: ReportContext) -> str:
    """Return a paragraph that names only what this run has: intervals, tests, adjustments, ranks."""
    if not scored(content):
        return "Statistics. There are no scores yet."
    over_all = [cell for cell in content.cells if cell.group == "all"]
    sentences = [
        "The unit is the prompt: a model's value of a prompt is the mean over its seeds.",
        *_intervals(over_all, _lonely(content)),
        *_tests([one for one in content.comparisons if one.grouping == "all"]),
        *_groups([one for one in content.comparisons if one.grouping != "all"]),
    ]
    if content.ranks and content.comparisons:
        sentences.append(
            "Ranks are ranges: a model's best rank is after all that are significantly better on that metric, its "
            "worst is before all that are significantly worse (p < .05 after Holm over the pairs of models, with zero "
            "outside the interval of the difference, and a test of the mean that allows for skew below .05, too)."
        )
    return "Statistics. " + " ".join(sentences)


def scored(content: ReportContext) -> bool:
    """Return whether any clip or set of clips has a value, or a reason for having none."""
    return any(value is not None for clip in content.clips for value in clip.scores.values()) or any(
        cell.estimate.value is not None for cell in content.cells
    )


def _lonely(content: ReportContext) -> bool:
    """Return whether some mean has a genre with only one valued prompt."""
    genres = {prompt.id: prompt.genre for prompt in content.prompts}
    prompts: dict[tuple[str, str], set[str]] = {}
    for clip in content.clips:
        for ref, value in clip.scores.items():
            if isinstance(value, float | int):
                prompts.setdefault((clip.model, ref), set()).add(clip.prompt)
    known = (own for own in prompts.values() if len(own) >= MINIMUM_PROMPTS)
    return any(1 in Counter(genres[prompt] for prompt in own).values() for own in known)


def _intervals(cells: Sequence[Cell], lonely: bool) -> list[str]:
    known = [cell for cell in cells if cell.estimate.low is not None]
    if not known:
        return [f"No interval is given (it needs {MINIMUM_PROMPTS} prompts with values that differ)."]
    found = ["Intervals have a confidence of 95 % and are given from 4 prompts up."]
    if any(not cell.column.of_sets for cell in known):
        found.append(
            "Means of clip metrics have Student's t-interval, stratified by genre with Satterthwaite's degrees of "
            "freedom (Student 1908; Cochran 1977), kept within the metric's bounds."
        )
        if lonely:
            found.append("Genres in which only one prompt has a value are joined into one stratum.")
    if any(cell.column.hit_or_miss for cell in known):
        found.append("For a metric with values of hit or miss only, it is Wilson's interval (Wilson 1927).")
    if of_sets := [cell.column for cell in known if cell.column.of_sets]:
        found.append(
            "Set metrics have the delete-one-prompt jackknife interval with t at one degree of freedom fewer than "
            "prompts (Tukey 1958; Efron and Stein 1981)"
            f"{', conditional on the reference of those that have one' if any(c.reference for c in of_sets) else ''}."
        )
    return found


def _tests(comparisons: Sequence[Comparison]) -> list[str]:
    tested = [one for one in comparisons if one.p is not None]
    if not comparisons:
        return []
    pairs = len({(one.a, one.b) for one in comparisons})
    found = [
        f"{counted(pairs, 'pair')} of models {plural(pairs, 'is', 'are')} compared, over the prompts "
        "that both have a value for; differences are the later model less the earlier."
    ]
    if not tested:
        return [*found, "No difference could be tested."]
    sizes = [one.n for one in tested]
    n = f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"
    of_clips = [one for one in tested if not one.column.of_sets]
    if of_clips:
        found.append(
            "On clip metrics the mean difference has Student's t-interval, and a two-sided permutation test that swaps "
            f"the two models' values of whole prompts: in all ways if {EXACT} prompts or fewer differ, otherwise in "
            f"{PERMUTATIONS} random ones with the observed one among them (Fisher 1935; Phipson and Smyth 2010)."
        )
    if any(one.mean_p is not None for one in of_clips):
        found.append(
            "A model is called better on a clip metric only if the mean difference alone is also not 0 by a "
            "bootstrap-t test, which allows for skew (p < .05)."
        )
    if len(of_clips) < len(tested):
        found.append(
            "On set metrics the difference has a jackknife interval, and a permutation test that swaps the clips of "
            f"whole prompts, in all ways for {EXACT} prompts or fewer, otherwise at random; its null is that both "
            "models' clips of a prompt come from one distribution."
        )
    found.append(f"Tests rest on {n} prompts.")
    if unequal := {(one.a, one.b) for one in tested if any(warning.code == "W-LENGTH" for warning in one.warnings)}:
        found.append(
            f"In {len(unequal)} of the pairs the models' clips differ in length: metrics of whole clips are compared "
            "anyway, and marked W-LENGTH."
        )
    adjusted = [one for one in tested if one.p_holm is not None]
    if adjusted:
        found.append("Within a pair of models p is adjusted over the metrics after Holm (1979).")
    return found


def _groups(comparisons: Sequence[Comparison]) -> list[str]:
    if not any(one.p_bh is not None for one in comparisons):
        return []
    kinds = " and ".join(dict.fromkeys(one.grouping for one in comparisons if one.p_bh is not None))
    return [
        f"Differences by {kinds} are exploratory: their p is adjusted over metrics and groups after Benjamini and "
        "Hochberg (1995)."
    ]
