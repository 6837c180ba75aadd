"""The results of an analysis, in the order and with the names of its JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from bench.survey.listener_results import Agreement, GroupMean, ListenerRating
from bench.survey.ratings import Exclusion
from bench.survey.vote_results import SideChoice, StrengthFit


@dataclass(frozen=True)
class SurveyDesign:
    """The design of a survey.

    Attributes:
        kind: "ratings" or "preferences".
        genres: number of prompts by genre; empty without genres.
        answers: number that count; ``both_bad`` of them call both models bad.
        missing: empty cells of listeners × prompts × models (or requested pairs), on each scale; an answer
            that both are bad fills its cell.
        ranges: lowest and highest possible rating or comparison score of each scale; empty for plain preferences.
        seeds: maximum number of seeds of a model's clips for a prompt.
        repeated: answers beyond the first in one cell, such as those to further seeds, which were averaged.
        excluded: answers left out; ``exclusions`` lists them.
        fewest_listeners, fewest_prompts: minimum over models (or requested pairs) and scales.
        rows: rows of the file with answers.
        rows_lost: those without an answer that counts; ``share_lost`` is their share.
    """

    kind: Literal["ratings", "preferences"]
    listeners: int
    prompts: int
    models: tuple[str, ...]
    scales: tuple[str, ...]
    genres: Mapping[str, int]
    answers: int
    missing: Mapping[str, int]
    ranges: Mapping[str, tuple[float, float]]
    seeds: int
    repeated: int
    excluded: int
    fewest_listeners: int
    fewest_prompts: int
    rows: int
    rows_lost: int
    share_lost: float
    both_bad: int = 0


@dataclass(frozen=True)
class ModelRating:
    """One model on one scale: the mean with its crossed interval, and quartiles.

    ``n`` counts rated cells; median and quartiles are over them. ``reason`` says why the interval is missing.
    """

    model: str
    scale: str
    mean: float | None
    low: float | None
    high: float | None
    median: float | None
    q1: float | None
    q3: float | None
    n: int
    missing: int
    method: str | None
    reason: str


@dataclass(frozen=True)
class VarianceComponents:
    """Variance components of the differences, each ≥ 0 and in squared rating steps."""

    listener: float
    prompt: float
    residual: float


@dataclass(frozen=True)
class EquivalenceTest:
    """TOST within ±margin: ``p``, and the 90 % interval that must be within the margin."""

    margin: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class SurveyComparison:
    """b minus a on one scale, or the share that preferred b minus the share that preferred a.

    Attributes:
        p_holm: p adjusted over all scales and pairs.
        method: "crossed t", "mixed model" (cells missing), "maximal mixed model" (cells with a rating of one model) or
            "clustered votes" (nothing to cross).
        floored: whether the variance floor applied.
        listeners, prompts, cells: numbers behind the estimate; cells with an answer about either model.
        missing: the other cells of the survey's listeners × prompts.
        paired: cells with a rating of both, used for the effect sizes.
        superiority: chance that b is rated above a in a cell, ties half, with its bootstrap interval.
        rank_biserial: matched pairs, −1 to 1.
        d_z: effect size of listener means, or of ``d_z_unit``.
        by_position: whether the position at which each rating was given is a covariate of the test.
        reason: why there is no test, "" if there is one.
        warnings: effects of the design confounded with a difference, each a code and a sentence.
    """

    a: str
    b: str
    scale: str
    estimate: float | None
    low: float | None
    high: float | None
    t: float | None
    df: float | None
    p: float | None
    p_holm: float | None
    method: str | None
    se: float | None
    floored: bool | None
    listeners: int
    prompts: int
    cells: int
    missing: int
    paired: int
    superiority: float | None
    superiority_low: float | None
    superiority_high: float | None
    rank_biserial: float | None
    d_z: float | None
    d_z_unit: str
    components: VarianceComponents | None
    equivalence: EquivalenceTest | None
    by_position: bool
    reason: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenreComparison:
    """b minus a on one scale within the prompts of one genre; ``p_bh`` is adjusted over the whole table."""

    genre: str
    a: str
    b: str
    scale: str
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_bh: float | None
    prompts: int
    method: str | None
    reason: str


@dataclass(frozen=True)
class OrdinalModel:
    """Ratings of one scale as steps of a latent scale: descriptive, without p or intervals.

    Attributes:
        reference: the model at 0.
        log_odds: of a rating above any step instead of up to it, by model, against the reference; empty without a fit.
        thresholds: by the rating below each, for an average listener, an average prompt and the
            reference.
        listener_sd, prompt_sd: of the random intercepts, in log-odds.
        reason: why there is none, "" if there is.
    """

    scale: str
    reference: str
    log_odds: Mapping[str, float]
    thresholds: Mapping[str, float]
    listener_sd: float | None
    prompt_sd: float | None
    reason: str


@dataclass(frozen=True)
class OmnibusTest:
    """Test of whether the models differ at all on one scale. ``p_holm`` is adjusted over the scales."""

    scale: str
    f: float | None
    df_models: float | None
    df_error: float | None
    p: float | None
    p_holm: float | None
    method: str | None
    reason: str


@dataclass(frozen=True)
class CustomaryTest:
    """A customary but invalid test of one comparison: its p, and its false-positive rate at .05.

    ``false_positives`` is simulated at this survey's listeners, prompts and variances.
    """

    a: str
    b: str
    scale: str
    test: str
    p: float | None
    false_positives: float | None
    reason: str


@dataclass(frozen=True)
class Analysis:
    """All results; ``claims`` are sentences on valid conclusions and their limits."""

    design: SurveyDesign
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...]
    models: tuple[ModelRating, ...]
    comparisons: tuple[SurveyComparison, ...]
    agreement: tuple[Agreement, ...]
    ordinal: tuple[OrdinalModel, ...]
    listeners: tuple[ListenerRating, ...]
    genres: tuple[GenreComparison, ...]
    omnibus: tuple[OmnibusTest, ...]
    customary: tuple[CustomaryTest, ...]
    claims: tuple[str, ...]
    confidence: float
    strengths: tuple[StrengthFit, ...] = ()
    sides: tuple[SideChoice, ...] = ()

    by_listener: tuple[GroupMean, ...] = ()
    unscreened: tuple[SurveyComparison, ...] = ()


def known(value: float) -> float | None:
    """Return the number, or None where there is none."""
    return float(value) if math.isfinite(value) else None


def record(found: Any) -> Any:
    """Return results as JSON values: objects, lists, numbers, ``null``."""
    if isinstance(found, Exclusion):
        return {"reason": found.reason, "column": found.column, "count": found.count, "rows": list(found.rows)}
    if is_dataclass(found):
        return {field.name: record(getattr(found, field.name)) for field in fields(found)}
    if isinstance(found, Mapping):
        return {str(key): record(value) for key, value in found.items()}
    if isinstance(found, tuple | list):
        return [record(value) for value in found]
    return known(found) if isinstance(found, float) else found
