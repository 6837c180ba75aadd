"""Results about votes: strengths, their differences, and bias for a side."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Strength:
    """One model among preferences.

    Attributes:
        strength, low, high: in log-odds, with mean 0 over the models.
        elo: the same for display, 1500 + 400/ln 10 of it: 400 points are odds of 10 to 1.
        best, worst: the places consistent with the tests of differences, 1 is first.
        wins, ties, losses: answers about it.
        both_bad: answers that called it and its rival bad, which are not ties and are not used for strengths.
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
    """b minus a in log-odds; ``p_holm`` is adjusted over all pairs of the scale."""

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
        ties: "half wins" (Bradley–Terry, a tie is half a win for both) or "Davidson", whose strengths are for answers
            without ties, so the two are on different scales.
        nu: Davidson's parameter: between equals a tie is ν/2 times as likely as an answer.
        listeners, effective_listeners: their number, and Kish's effective number for equal numbers of answers.
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
        known: whether the file says which side that was; otherwise a is assumed.
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
