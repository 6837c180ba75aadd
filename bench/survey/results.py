"""What an analysis found, in the order and with the names in which it is written as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from bench.survey.ratings import Exclusion


@dataclass(frozen=True)
class SurveyDesign:
    """What was asked of whom.

    Attributes:
        kind: "ratings" or "preferences".
        genres: with the number of prompts of each; empty where the file names none.
        answers: those that count.
        missing: empty cells of listeners × prompts × models (or pairs that were asked for), on each scale.
        ranges: lowest and highest possible rating or comparison score of each scale; empty for plain preferences.
        seeds: the most seeds that one model's clips of one prompt had.
        repeated: answers beyond the first in one cell, such as those to further seeds; they were averaged.
        excluded: answers left out; ``exclusions`` lists them.
        fewest_listeners, fewest_prompts: that any model has ratings of on a scale (or a pair, that was asked for).
        rows: rows of the file that hold answers.
        rows_lost: those of which no answer counts; ``share_lost`` is their share.
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


@dataclass(frozen=True)
class ModelRating:
    """One model on one scale: the mean with its crossed interval, and where the ratings lie.

    ``n`` counts rated cells; median and quartiles are over them. ``reason`` says why there is no interval.
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
class Strength:
    """One model among preferences.

    Attributes:
        strength, low, high: in log-odds, the mean over the models 0.
        elo: the same for display, 1500 + 400/ln 10 of it: 400 points are odds of 10 to 1.
        best, worst: the places that the tests of differences leave open, 1 is first.
        wins, ties, losses: answers about it.
        both_bad: answers that called it and its rival bad, which are no ties and enter no strength.
    """

    model: str
    strength: float | None
    low: float | None
    high: float | None
    elo: float | None
    best: int
    worst: int
    wins: int
    ties: int
    losses: int
    both_bad: int


@dataclass(frozen=True)
class StrengthDifference:
    """b less a in log-odds; ``p_holm`` is adjusted over all pairs of the scale."""

    a: str
    b: str
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None


@dataclass(frozen=True)
class StrengthFit:
    """The strengths of all models on one scale.

    Attributes:
        ties: "half wins" (Bradley–Terry, a tie is half a win for both) or "Davidson", whose strengths are of answers
            that are no ties, so that the two are not on one scale.
        nu: Davidson's parameter: between equals a tie is ν/2 times as likely as an answer.
        listeners, effective_listeners: how many there are, and Kish's number of as many answers each.
        reason: why something is missing, or that half wins had to be added; "" otherwise.
    """

    scale: str
    ties: str
    models: tuple[Strength, ...]
    differences: tuple[StrengthDifference, ...]
    nu: float | None
    listeners: int
    effective_listeners: float | None
    reason: str


@dataclass(frozen=True)
class SideChoice:
    """How often the side shown first was chosen on one scale, of ``votes`` that chose a side; ``p`` is of one half.

    Attributes:
        known: whether the file says which side that was; otherwise a is taken for it.
        reason: why there is no interval, "" if there is one.
    """

    scale: str
    votes: int
    share: float
    low: float | None
    high: float | None
    p: float | None
    known: bool
    reason: str


@dataclass(frozen=True)
class VarianceComponents:
    """Of the differences, each ≥ 0 and in squared rating steps."""

    listener: float
    prompt: float
    residual: float


@dataclass(frozen=True)
class EquivalenceTest:
    """TOST within ±margin: ``p``, and the 90 % interval that must lie within."""

    margin: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class SurveyComparison:
    """b less a on one scale, or the share that preferred b less the share that preferred a.

    Attributes:
        p_holm: p adjusted over all scales and pairs.
        method: "crossed t", "mixed model" (cells missing), "maximal mixed model" (cells with a rating of one model) or
            "clustered votes" (nothing to cross).
        floored: whether the variance floor bound.
        listeners, prompts, cells: what the estimate rests on: cells with an answer about either model.
        missing: the other cells of the survey's listeners × prompts.
        paired: cells with a rating of both, which the effect sizes rest on.
        superiority: chance that b is rated above a in a cell, ties half, with its bootstrap interval.
        rank_biserial: matched pairs, −1 to 1.
        d_z: of listener means, of ``d_z_unit``.
        by_position: whether the position at which each rating was given is a covariate of the test.
        reason: why there is no test, "" if there is one.
        warnings: what the design cannot tell apart from a difference, a code and a sentence each.
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
    """b less a on one scale within the prompts of one genre; ``p_bh`` is adjusted over the whole table."""

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
class Agreement:
    """How far the listeners agree on the clips (prompt × model) of one scale; ``reasons`` say why a number is missing.

    Attributes:
        alpha: Krippendorff's, ordinal.
        icc: ICC(2,k), of the clips that all listeners rated.
        kendall_w: of the same clips.
        clips, complete: rated by two or more listeners, and by all.
    """

    scale: str
    alpha: float | None
    icc: float | None
    kendall_w: float | None
    clips: int
    complete: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class OrdinalModel:
    """Ratings of one scale as steps of a latent scale: a description, without p or intervals.

    Attributes:
        reference: the model at 0.
        log_odds: of a rating above any step instead of up to it, by model, against the reference; empty without a fit.
        thresholds: by the rating that each is the upper end of, for an average listener, an average prompt and the
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
class ListenerRating:
    """How one listener rates on one scale (ITU-T P.913), in rating steps.

    Attributes:
        ratings: cells of prompt × model with a rating of theirs.
        bias: how much higher than the average listener they rate equal clips.
        inconsistency: standard deviation around the clips' quality and their own bias.
        reason: why a number is missing, or was found in another way.
    """

    scale: str
    listener: str
    ratings: int
    bias: float | None
    inconsistency: float | None
    reason: str


@dataclass(frozen=True)
class GroupMean:
    """The mean of one model on one scale among a group of listeners, or of the preferences for b over a.

    Attributes:
        column: what the listeners were asked, such as musicianship.
        group: what those of the group said.
        name: the model, or the pair as "b − a".
        listeners, cells: what it rests on.
    """

    column: str
    group: str
    scale: str
    name: str
    mean: float | None
    listeners: int
    cells: int


@dataclass(frozen=True)
class OmnibusTest:
    """Do the models differ at all on one scale? ``p_holm`` is adjusted over the scales."""

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
    """A usual but mistaken test of one comparison: its p, and how often it is significant at .05 without a difference.

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
    """Everything that was found; ``claims`` are the sentences that say what may be concluded, and what not."""

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


def known(value: float) -> float | None:
    """The number, or None where there is none."""
    return float(value) if math.isfinite(value) else None


def record(found: Any) -> Any:
    """Findings as JSON knows them: objects, lists, numbers, ``null``."""
    if isinstance(found, Exclusion):
        return {"reason": found.reason, "column": found.column, "count": found.count, "rows": list(found.rows)}
    if is_dataclass(found):
        return {field.name: record(getattr(found, field.name)) for field in fields(found)}
    if isinstance(found, Mapping):
        return {str(key): record(value) for key, value in found.items()}
    if isinstance(found, tuple | list):
        return [record(value) for value in found]
    return known(found) if isinstance(found, float) else found
