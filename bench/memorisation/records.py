"""What a memorisation audit finds, as ``tunebench check memorisation --json`` prints it."""

from __future__ import annotations

from typing import TypedDict


class IntervalRecord(TypedDict):
    """A 95 % interval over prompts.

    ``low`` and ``high`` are None where ``note`` says why; ``p`` is one-sided, None where nothing is tested.
    """

    low: float | None
    high: float | None
    p: float | None
    prompts: int
    note: str | None


class RowRecord(IntervalRecord):
    """A row of the run.

    Attributes:
        trained_on_these: whether it was trained on these recordings.
        nearest_trained, nearest_held_out: similarity to the nearest recording of either kind, in [−1, 1].
        excess: the first less the second; the interval is its own.
        probability: that the nearest recording is one trained on, in [0, 1], with its interval.
    """

    model: str
    trained_on_these: bool
    clips: int
    nearest_trained: float
    nearest_held_out: float
    excess: float
    probability: float
    probability_low: float | None
    probability_high: float | None


class DifferenceRecord(IntervalRecord):
    """The excess of row ``b``, which was trained on these recordings, less that of its base ``a``."""

    a: str
    b: str
    estimate: float


class PairRecord(TypedDict):
    """A suspicious clip beside the training example that it is nearest to.

    Attributes:
        clip: its file, relative to the run folder.
        clip_time, example_time: where the most similar windows begin, in seconds.
        example, file: name and path of the training example.
        similarity, held_out: to the nearest recording trained on, and to the nearest held out.
        ratio: distance to the first over that to the second; near 0 is a copy.
    """

    model: str
    prompt: str
    seed: int
    clip: str
    clip_time: float
    example: str
    file: str
    example_time: float
    similarity: float
    held_out: float
    ratio: float


class AuditRecord(TypedDict):
    """One way in which the recordings are divided, with what is found for the rows that have it so.

    Attributes:
        embedder, view: what the similarity is of.
        divided: who says which recordings were trained on.
        trained, held_out: numbers of recordings.
        compared: how many of either kind are compared at a time.
        models: every row that is compared.
        differences: one for each row that was trained on these recordings and whose base is in the run.
        pairs: the most suspicious clips of these rows and their bases.
    """

    embedder: str
    view: str
    divided: str
    trained: int
    held_out: int
    compared: int
    models: list[RowRecord]
    differences: list[DifferenceRecord]
    pairs: list[PairRecord]
