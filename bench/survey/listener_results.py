"""What an analysis says of the listeners: how far they agree, how each of them rates, and what groups of them say."""

from __future__ import annotations

from dataclasses import dataclass


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
