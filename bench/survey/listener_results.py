"""Results about listeners: agreement, rating behavior of each, and means of groups."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Agreement of listeners on the clips (prompt × model) of one scale; ``reasons`` say why a number is missing.

    Attributes:
        alpha: Krippendorff's α, ordinal.
        icc: ICC(2,k), for the clips that all listeners rated.
        kendall_w: Kendall's W, for the same clips.
        clips, complete: clips rated by at least two listeners, and by all.
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
    """Rating behavior of one listener on one scale (ITU-T P.913), in rating steps.

    Attributes:
        ratings: number of rated cells of prompt × model.
        bias: how much higher than the average listener they rate equal clips.
        inconsistency: standard deviation around the clips' quality and their own bias.
        reason: why a number is missing, or was estimated in another way.
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
        column: the question to listeners, such as musicianship.
        group: the answer of this group.
        name: the model, or the pair as "b − a".
        listeners, cells: numbers behind the mean.
    """

    column: str
    group: str
    scale: str
    name: str
    mean: float | None
    listeners: int
    cells: int
