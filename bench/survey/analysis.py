"""The analysis of a survey: everything that is always said about it, and what was asked for beside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from bench.errors import UsageError
from bench.survey.bradley_terry import strengths
from bench.survey.comparison import compare, compare_within_genres, differences, model_ratings, omnibus
from bench.survey.conclusions import conclusions
from bench.survey.listener_agreement import agreement
from bench.survey.listener_groups import group_means
from bench.survey.naive_tests import customary_tests
from bench.survey.ratings import Preferences, Ratings
from bench.survey.results import Analysis, ModelRating, Strength, SurveyDesign, record

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
        confidence: of the intervals, in (0, 1).
        all_at_once: test whether the models of a scale differ at all, too.
        compare_tests: show the customary tests beside ours, with their simulated false-positive rates.
        resamples: of listeners and prompts, wherever an interval has no formula.
        by_listener: columns about the listeners, such as musicianship, to show the means of groups by.

    Raises:
        UsageError: a margin or confidence out of its range, or something asked of preferences that needs ratings.
    """
    if margin is not None and not (margin > 0 and np.isfinite(margin)):
        raise UsageError(f"the margin is a difference above 0, got {margin:g}")
    if not 0 < confidence < 1:
        raise UsageError(f"the confidence is a share between 0 and 1, such as 0.95, got {confidence:g}")
    ratings = survey if isinstance(survey, Ratings) else None
    if ratings is None and (all_at_once or compare_tests):
        what = "the omnibus test needs" if all_at_once else "the customary tests need"
        raise UsageError(f"{what} ratings, and these are preferences")
    pairs = differences(survey)
    design = _design(survey)
    comparisons = compare(pairs, confidence, margin, resamples)
    genres = compare_within_genres(pairs, survey.prompts, survey.genres, confidence) if len(design.genres) > 1 else ()
    return Analysis(
        design=design,
        exclusions=survey.exclusions,
        notes=survey.notes,
        models=_models(survey, confidence, resamples),
        comparisons=comparisons,
        agreement=agreement(ratings) if ratings else (),
        genres=genres,
        omnibus=omnibus(ratings) if ratings and all_at_once else (),
        customary=customary_tests(ratings, comparisons) if ratings and compare_tests else (),
        claims=conclusions(design, comparisons, genres),
        confidence=confidence,
        by_listener=group_means(survey, by_listener),
    )


def _models(
    survey: Ratings | Preferences, confidence: float, resamples: int
) -> tuple[ModelRating, ...] | tuple[Strength, ...]:
    if isinstance(survey, Ratings):
        return model_ratings(survey, confidence)
    return strengths(survey, confidence, resamples)


def _clip(survey: Ratings | Preferences) -> list[str]:
    """The columns that name the clip that was rated, but for its seed."""
    return ["prompt", "model"] if isinstance(survey, Ratings) else ["prompt", "a", "b"]


def _design(survey: Ratings | Preferences) -> SurveyDesign:
    genres = list(survey.genres.values())
    places = len(survey.listeners) * len(survey.prompts)
    filled = {}
    for scale in survey.scales:
        if isinstance(survey, Ratings):
            filled[scale] = (len(survey.models) * places, int((~np.isnan(survey.cube(scale))).sum()))
        else:
            asked = [survey.signs(a, b, scale) for a, b in combinations(survey.models, 2)]
            asked = [signs for signs in asked if not np.isnan(signs).all()]
            filled[scale] = (len(asked) * places, sum(int((~np.isnan(signs)).sum()) for signs in asked))
    return SurveyDesign(
        kind="ratings" if isinstance(survey, Ratings) else "preferences",
        listeners=len(survey.listeners),
        prompts=len(survey.prompts),
        models=survey.models,
        scales=survey.scales,
        genres={genre: genres.count(genre) for genre in sorted(set(genres))},
        answers=len(survey.table),
        missing={scale: total - there for scale, (total, there) in filled.items()},
        ranges=dict(survey.ranges),
        seeds=int(survey.table.groupby(_clip(survey))["seed"].nunique().max()),
        repeated=len(survey.table) - sum(there for _, there in filled.values()),
        excluded=survey.excluded,
        rows=survey.rows,
        rows_lost=survey.rows_lost,
        share_lost=survey.rows_lost / survey.rows if survey.rows else 0.0,
    )
