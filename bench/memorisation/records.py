"""Records of a memorization audit, as printed by ``tunebench check memorisation --json``."""

from __future__ import annotations

from typing import TypedDict


class IntervalRecord(TypedDict):
    """A 95 % interval over prompts.

    ``low`` and ``high`` are None if ``note`` says why; ``p`` is one-sided, None without a test.
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
        excess: the first minus the second, with its interval.
        probability: probability that the nearest recording is a training one, in [0, 1], with its interval.
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
    """The excess of row ``b``, which was trained on these recordings, minus that of its base ``a``."""

    a: str
    b: str
    estimate: float


class PairRecord(TypedDict):
    """A suspicious clip with its nearest training example.

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
    """One division of the recordings, with the results of its rows.

    Attributes:
        embedder, view: embedder and view of the similarity.
        divided: source of the division.
        trained, held_out: numbers of recordings.
        compared: number of either kind compared at a time.
        models: all compared rows.
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
