"""Sentences about an analysis: valid conclusions and their limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.number_format import counted, plural
from bench.survey.pair_findings import pair_findings, place_findings
from bench.survey.results import GenreComparison, SurveyComparison, SurveyDesign
from bench.survey.vote_results import StrengthFit

FEW_LISTENERS = 5
# With 10 listeners and 12 prompts the crossed t detects a difference of 0.4 in 35 of 100 surveys.
_FEW_PROMPTS = 12
# False positives of the crossed t in 100 surveys without a difference, by the number of listeners, simulated
# with strong variances (`bench.stats.crossed`).
_STRAINED = {2: 11, 3: 8}


def conclusions(
    design: SurveyDesign,
    comparisons: Sequence[SurveyComparison],
    genres: Sequence[GenreComparison],
    strengths: Sequence[StrengthFit],
    confidence: float,
) -> tuple[str, ...]:
    """Return sentences for one survey: the finding on each pair, the scope of these claims, and their limits.

    Args:
        design: of the survey.
        comparisons: all of the analysis, over which p was adjusted.
        genres: the pairs within genres, if any.
        strengths: of preferences; empty for ratings.
        confidence: confidence of the family's intervals, in (0, 1).
    """
    found = [*pair_findings(design, comparisons, confidence), *place_findings(strengths), _scope(design, comparisons)]
    if len(design.models) < 2:
        found.append("There is only one model, so there is nothing to compare.")
    found += _mixed(design, comparisons)
    if comparisons and 2 <= design.listeners <= FEW_LISTENERS:
        smallest = 2 / 2**design.listeners
        found.append(
            f"With {counted(design.listeners, 'listener')}, rank tests on listener means (Wilcoxon, sign flip) cannot "
            f"reach .05 whatever the ratings: their smallest two-sided p is {smallest:g}".replace("0.", ".")
            + "."
        )
    found += _strained(design, comparisons)
    if any(one.floored for one in comparisons):
        found.append(
            "f: the estimated variance is below that of listeners or prompts alone; that floor is "
            "used instead, which keeps the test conservative."
        )
    if genres:
        found.append(_genre_power(design))
    if any(one.equivalence for one in comparisons):
        found.append(
            "Equivalence: p is small if the difference is shown to be within the margin, which must have been "
            "chosen before the ratings were seen; a large p proves nothing."
        )
    return tuple(found)


def _mixed(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> Iterator[str]:
    """Yield explanations of the tests if ratings are missing."""
    maximal = [one for one in comparisons if one.method == "maximal mixed model"]
    answer = "a rating is" if design.kind == "ratings" else "a vote is"
    if any(not one.by_position for one in maximal):
        yield (
            "Maximal: if a listener rated one model of a pair and not the other, all ratings of the pair are "
            "compared in one maximal mixed model (REML, Satterthwaite): listeners and prompts each have an intercept "
            "and a slope. It is valid if missingness does not depend on what the rating would "
            "have been."
        )
    if any(one.by_position for one in comparisons):
        yield (
            "Position: the file says when each rating was given, so a steady drift during a session is removed, "
            "as a covariate of a maximal mixed model (REML, Satterthwaite) of the pair's ratings."
        )
    if any(one.method == "mixed model" for one in comparisons):
        yield (
            "If cells are missing, a mixed model (REML, Satterthwaite) replaces the crossed t; it is valid "
            f"if whether {answer} missing does not depend on what it would have been."
        )
    if any(one.paired == 0 for one in maximal):
        yield (
            "Effect sizes of cells (P(higher), rank-biserial, d_z) need ratings of both models by one listener on one "
            "prompt; without such cells they are left out."
        )


def _strained(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> Iterator[str]:
    """Yield warnings about p and intervals with few listeners or prompts."""
    fewest = min(design.fewest_listeners, design.fewest_prompts)
    kind = "listener" if design.fewest_listeners == fewest else "prompt"
    each = "" if fewest in (design.listeners, design.prompts) else " for a model"
    few = f"With {counted(fewest, kind)}{each}"
    if fewest in _STRAINED and any(one.p is not None for one in comparisons):
        yield (
            f"{few}, p may be too small: if {kind}s differ strongly, up to {_STRAINED[fewest]} of 100 such surveys "
            "without a true difference are significant at .05, instead of 5."
        )
    if fewest == 2 and design.kind == "ratings":
        yield (
            f"{few}, the intervals of the models' means are too narrow: they contain the true mean in 88 to 92 of 100 "
            "surveys."
        )


def _scope(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> str:
    if design.listeners < 2 or design.prompts < 2:
        few = "one listener" if design.listeners < 2 else "one prompt"
        return f"With only {few}, nothing can be inferred for others; the results describe only these answers."
    if comparisons and all(one.p is None for one in comparisons):
        return "No difference could be tested, for the reasons below the tables: nothing is claimed for others."
    clip = (
        ""
        if design.seeds > 1
        else " Each model made one clip per prompt, so effects of the seed count as effects of the prompt."
    )
    return (
        f"Intervals and tests hold for new listeners and new prompts of the kind asked here "
        f"({counted(design.listeners, 'listener')}, {counted(design.prompts, 'prompt')}), not for other genres, "
        f"other kinds of listeners or other settings of the models.{clip}"
    )


def _genre_power(design: SurveyDesign) -> str:
    fewest, most = min(design.genres.values()), max(design.genres.values())
    prompts = counted(fewest, "prompt") if fewest == most else f"{fewest} to {most} prompts"
    gives = plural(most, "gives", "give")
    power = "almost no power" if fewest <= _FEW_PROMPTS else "less power than all prompts together"
    return (
        f"The table by genre is exploratory: {prompts} a genre {gives} a test {power}, so finding no difference is "
        "no evidence of equality. The p-values are adjusted over the table (Benjamini–Hochberg)."
    )
