"""What an analysis says of votes: strengths, their differences, and the habit of choosing a side."""

from __future__ import annotations

from dataclasses import dataclass


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
