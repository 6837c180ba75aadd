"""The analysis of a survey: the parts that are always included, and optional ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bench.errors import UsageError
from bench.survey.bradley_terry import strength_fits
from bench.survey.comparison import compare, compare_within_genres, model_ratings, omnibus
from bench.survey.conclusions import conclusions
from bench.survey.listener_agreement import agreement
from bench.survey.listener_groups import group_means
from bench.survey.listener_table import listener_ratings
from bench.survey.naive_tests import customary_tests
from bench.survey.ordinal_ratings import ordinal_models
from bench.survey.pair_test import JointFits, pairs_of
from bench.survey.pair_votes import cells_called_bad, votes_of
from bench.survey.ratings import Preferences, Ratings
from bench.survey.results import Analysis, SurveyComparison, SurveyDesign, record
from bench.survey.sides import side_choices, side_warnings

__all__ = ["Analysis", "analyse", "record"]


def analyse(
    survey: Ratings | Preferences,
    margin: float | None = None,
    confidence: float = 0.95,
    all_at_once: bool = False,
    compare_tests: bool = False,
    resamples: int = 2000,
    by_listener: Sequence[str] = (),
) -> Analysis:
    """Compare the models of a survey, for listeners and prompts such as these.

    Args:
        survey: checked answers.
        margin: the smallest difference that matters, in rating steps, for a test of equivalence of every pair; > 0.
        confidence: confidence of the intervals, in (0, 1).
        all_at_once: also test whether the models of a scale differ at all.
        compare_tests: also show the customary tests, with their simulated false-positive rates.
        resamples: bootstrap resamples of listeners and prompts, for intervals without a formula.
        by_listener: columns about listeners, such as musicianship, for means by group.

    Raises:
        UsageError: a margin or confidence is out of range, an option needs ratings but these are preferences, or a
            column of ``by_listener`` does not exist or has too many values.
    """
    if margin is not None and not (margin > 0 and np.isfinite(margin)):
        raise UsageError(f"the margin is {margin:g}, must be above 0")
    if not 0 < confidence < 1:
        raise UsageError(f"the confidence is {confidence:g}, must be between 0 and 1, such as 0.95")
    ratings = survey if isinstance(survey, Ratings) else None
    if ratings is None and (all_at_once or compare_tests):
        what = "the omnibus test needs" if all_at_once else "the customary tests need"
        raise UsageError(f"{what} ratings, but these are preferences")
    joint = JointFits(ratings) if ratings else None
    pairs = pairs_of(survey, joint)
    design = _design(survey)
    sides = () if isinstance(survey, Ratings) else side_choices(survey, confidence)
    warnings = {} if isinstance(survey, Ratings) else side_warnings(survey, sides)
    comparisons = tuple(_warned(one, warnings) for one in compare(pairs, confidence, margin, resamples))
    strengths = () if isinstance(survey, Ratings) else strength_fits(survey, confidence)
    genres = compare_within_genres(pairs, survey.prompts, survey.genres, confidence) if len(design.genres) > 1 else ()
    return Analysis(
        design=design,
        exclusions=survey.exclusions,
        notes=survey.notes,
        models=model_ratings(ratings, confidence) if ratings else (),
        comparisons=comparisons,
        agreement=agreement(ratings) if ratings else (),
        ordinal=ordinal_models(ratings) if ratings else (),
        listeners=listener_ratings(ratings) if ratings else (),
        genres=genres,
        omnibus=omnibus(ratings, joint) if ratings and joint and all_at_once else (),
        customary=customary_tests(ratings, comparisons) if ratings and compare_tests else (),
        claims=conclusions(design, comparisons, genres, strengths, confidence),
        confidence=confidence,
        strengths=strengths,
        sides=sides,
        by_listener=group_means(survey, by_listener),
    )


def with_unscreened(found: Analysis, survey: Ratings | Preferences, confidence: float = 0.95) -> Analysis:
    """Add to an analysis the comparisons without exclusion of listeners.

    Args:
        found: the analysis with exclusions.
        survey: the same file with all listeners; models that ``found`` does not compare are ignored.
        confidence: confidence of the intervals, in (0, 1).
    """
    joint = JointFits(survey) if isinstance(survey, Ratings) else None
    compared = {(one.a, one.b, one.scale) for one in found.comparisons}
    before = compare(pairs_of(survey, joint), confidence)
    return replace(found, unscreened=tuple(one for one in before if (one.a, one.b, one.scale) in compared))


def _warned(one: SurveyComparison, warnings: Mapping[tuple[str, str, str], str]) -> SurveyComparison:
    said = warnings.get((one.a, one.b, one.scale))
    return one if said is None else replace(one, warnings=(*one.warnings, said))


class _Answered(NamedTuple):
    """Numbers of listeners and prompts with an answer, of cells, and of missing cells."""

    listeners: int
    prompts: int
    cells: int
    missing: int


def _clip(survey: Ratings | Preferences) -> list[str]:
    """Return the columns that identify the rated clip, without its seed."""
    return ["prompt", "model"] if isinstance(survey, Ratings) else ["prompt", "a", "b"]


def _design(survey: Ratings | Preferences) -> SurveyDesign:
    genres = list(survey.genres.values())
    answered = {scale: _answered(survey, scale) for scale in survey.scales}
    every = [one for there in answered.values() for one in there]
    bad = 0 if isinstance(survey, Ratings) else int((survey.table["outcome"] == "both bad").sum())
    return SurveyDesign(
        kind="ratings" if isinstance(survey, Ratings) else "preferences",
        listeners=len(survey.listeners),
        prompts=len(survey.prompts),
        models=survey.models,
        scales=survey.scales,
        genres={genre: genres.count(genre) for genre in sorted(set(genres))},
        answers=len(survey.table),
        missing={scale: sum(one.missing for one in there) for scale, there in answered.items()},
        ranges=dict(survey.ranges),
        seeds=int(survey.table.groupby(_clip(survey))["seed"].nunique().max()),
        repeated=len(survey.table) - bad - sum(one.cells for one in every),
        excluded=survey.excluded,
        fewest_listeners=min((one.listeners for one in every), default=0),
        fewest_prompts=min((one.prompts for one in every), default=0),
        rows=survey.rows,
        rows_lost=survey.rows_lost,
        share_lost=survey.rows_lost / survey.rows if survey.rows else 0.0,
        both_bad=bad,
    )


def _answered(survey: Ratings | Preferences, scale: str) -> list[_Answered]:
    """Return the counts on one scale for each model or requested pair."""
    if isinstance(survey, Ratings):
        places = len(survey.listeners) * len(survey.prompts)
        rated = ~np.isnan(survey.cube(scale))
        return [
            _Answered(int(one.any(axis=1).sum()), int(one.any(axis=0).sum()), int(one.sum()), places - int(one.sum()))
            for one in rated
        ]
    called_bad = cells_called_bad(survey, scale)
    found = []
    for pair, one in votes_of(survey, scale).items():
        listeners, prompts = set(one.listeners.tolist()), set(one.prompts.tolist())
        apart = called_bad.get(pair, set()) - set(zip(one.listeners.tolist(), one.prompts.tolist(), strict=True))
        filled = sum(listener in listeners and prompt in prompts for listener, prompt in apart)
        found.append(_Answered(len(listeners), len(prompts), len(one.scores), max(0, one.missing - filled)))
    return found
