"""The sentences that go with an analysis: what may be concluded from it, and what not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.number_format import counted, plural
from bench.survey.pair_findings import pair_findings, place_findings
from bench.survey.results import GenreComparison, SurveyComparison, SurveyDesign
from bench.survey.vote_results import StrengthFit

FEW_LISTENERS = 5
# With 10 listeners and 12 prompts the crossed t finds a difference of 0.4 in 35 of 100 surveys.
_FEW_PROMPTS = 12
# Times in 100 that the crossed t claims a difference where there is none, by the number of listeners, simulated
# with strong variances (`bench.stats.crossed`).
_STRAINED = {2: 11, 3: 8}


def conclusions(
    design: SurveyDesign,
    comparisons: Sequence[SurveyComparison],
    genres: Sequence[GenreComparison],
    strengths: Sequence[StrengthFit],
    confidence: float,
) -> tuple[str, ...]:
    """Sentences for one survey: what was found of each pair, the scope of these claims, and what limits them."""
    found = [*pair_findings(design, comparisons, confidence), *place_findings(strengths), _scope(design, comparisons)]
    if len(design.models) < 2:
        found.append("There is one model only, so that there is nothing to compare.")
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
            "f: the variance that was estimated lies below what listeners or prompts alone would give; that floor is "
            "used instead, which keeps the test from claiming too much."
        )
    if genres:
        found.append(_genre_power(design))
    if any(one.equivalence for one in comparisons):
        found.append(
            "Equivalence: p is small where the difference is shown to lie within the margin, which must have been "
            "chosen before the ratings were seen; a large p shows nothing."
        )
    return tuple(found)


def _mixed(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> Iterator[str]:
    """Yield what stands behind the tests where ratings are missing."""
    maximal = [one for one in comparisons if one.method == "maximal mixed model"]
    answer = "a rating is" if design.kind == "ratings" else "a vote is"
    if any(not one.by_position for one in maximal):
        yield (
            "Maximal: where a listener rated one model of a pair and not the other, all ratings of the pair are "
            "compared in one maximal mixed model (REML, Satterthwaite): listeners and prompts each have an intercept "
            "and a slope of their own. It holds if whether a rating is missing has nothing to do with what it would "
            "have been."
        )
    if any(one.by_position for one in comparisons):
        yield (
            "Position: the file says when each rating was given, so that a steady drift during a session is taken out, "
            "as a covariate of a maximal mixed model (REML, Satterthwaite) of the pair's ratings."
        )
    if any(one.method == "mixed model" for one in comparisons):
        yield (
            "Where cells are missing, a mixed model (REML, Satterthwaite) takes the place of the crossed t; it holds "
            f"if whether {answer} missing has nothing to do with what it would have been."
        )
    if any(one.paired == 0 for one in maximal):
        yield (
            "Effect sizes of cells (P(higher), rank-biserial, d_z) need ratings of both models by one listener on one "
            "prompt; where there are none, they are left out."
        )


def _strained(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> Iterator[str]:
    """Yield what few listeners or prompts do to p and to intervals."""
    fewest = min(design.fewest_listeners, design.fewest_prompts)
    kind = "listener" if design.fewest_listeners == fewest else "prompt"
    each = "" if fewest in (design.listeners, design.prompts) else " for a model"
    few = f"With {counted(fewest, kind)}{each}"
    if fewest in _STRAINED and any(one.p is not None for one in comparisons):
        yield (
            f"{few} the p can be too small: where {kind}s differ strongly, "
            f"up to {_STRAINED[fewest]} of 100 such surveys find a difference at .05 where there is none, not 5."
        )
    if fewest == 2 and design.kind == "ratings":
        yield (
            f"{few} the intervals of the models' means are too narrow: they hold the true mean in 88 to 92 of 100 "
            "surveys."
        )


def _scope(design: SurveyDesign, comparisons: Sequence[SurveyComparison]) -> str:
    if design.listeners < 2 or design.prompts < 2:
        few = "one listener" if design.listeners < 2 else "one prompt"
        return f"With {few} only, nothing can be claimed for others: what is shown describes these answers."
    if comparisons and all(one.p is None for one in comparisons):
        return "No difference could be tested, for the reasons below the tables: none is claimed for others."
    clip = (
        ""
        if design.seeds > 1
        else " Each model played each prompt once, so what another seed would change counts as the prompt's."
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
        f"The table by genre is exploratory: {prompts} a genre {gives} a test {power}, so that no difference found is "
        "no sign of no difference. The p-values are adjusted over the table (Benjamini–Hochberg)."
    )
