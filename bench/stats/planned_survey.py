"""A planned survey: its design, its tests, and its simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bench.stats.survey_model import FIVE_POINT, OpinionVariances, Scale

Cells = Literal["complete", "latin", "between"]
Criterion = Literal["given", "any", "all"]


@dataclass(frozen=True)
class PlannedDesign:
    """The design of a survey and the tests of its analysis.

    The last model differs from all others by the effect, on some scales; the others are alike. Every pair of models on
    every scale is a test, and Holm's adjustment is over all of them.

    Attributes:
        models: how many, ≥ 2.
        scales: on how many each clip is rated, ≥ 1.
        differing: scales on which the last model differs, 1 to ``scales``.
        correlation: of the opinions of one listener about one clip on two scales, in [0, 1).
        cells: "complete": every listener rates every model on every prompt; "latin": each prompt from one model,
            in turns; "between": every prompt, from one model; or a share in (0, 1) of all cells, at random.
        votes: whether listeners choose the better of each two models instead of rating them; complete only.
        ties: share of votes between equal models that are ties, in [0, 1).
        criterion: what counts as success: that a ``given`` true difference is found, ``any`` of them, or ``all``.

    Raises:
        ValueError: something outside its range.
    """

    models: int = 2
    scales: int = 1
    differing: int = 1
    correlation: float = 0.0
    cells: Cells | float = "complete"
    votes: bool = False
    ties: float = 0.0
    criterion: Criterion = "given"

    def __post_init__(self) -> None:
        share = isinstance(self.cells, str) or 0 < self.cells < 1
        if self.models < 2 or not 1 <= self.differing <= self.scales or not share:
            raise ValueError("a design needs at least 2 models, 1 scale, 1 differing scale, and a share of cells")
        if not (0 <= self.correlation < 1 and 0 <= self.ties < 1):
            raise ValueError(f"correlation and ties must be shares below 1, got {self.correlation} and {self.ties}")
        if self.votes and self.cells != "complete":
            raise ValueError("votes are planned for complete designs, in which every listener chooses in every cell")

    @property
    def plain(self) -> bool:
        """Whether it is one test of two models that every listener rates on every prompt."""
        return (self.models, self.scales, self.cells, self.votes) == (2, 1, "complete", False)

    @property
    def tests(self) -> int:
        """How many differences are tested."""
        return self.scales * self.models * (self.models - 1) // 2

    @property
    def true(self) -> int:
        """How many of them are not 0."""
        return self.differing * (self.models - 1)

    @property
    def least_listeners(self) -> int:
        """The minimum number of listeners of such a survey."""
        return self.models if self.cells in ("latin", "between") else 2

    def answers(self, prompts: int) -> float:
        """Return how many answers a listener gives, on average."""
        if self.votes:
            return self.scales * prompts * self.models * (self.models - 1) / 2
        share = self.cells if isinstance(self.cells, float) else 1.0 if self.cells == "complete" else 1 / self.models
        return self.scales * prompts * self.models * share


@dataclass(frozen=True)
class Simulation:
    """How surveys are simulated, and what is asked and tested in them.

    Attributes:
        components: variances of the latent opinion.
        scale: lowest and highest rating.
        runs: simulated surveys, ≥ 1.
        seed: of ``numpy.random.default_rng``.
        level: two-sided significance level.
        centre: mean opinion of both models, in steps of a five-point scale from its middle.
        design: what is asked and tested; by default two models on one scale, every cell rated.

    Raises:
        ValueError: no runs.
    """

    components: OpinionVariances
    scale: Scale = FIVE_POINT
    runs: int = 2000
    seed: int = 0
    level: float = 0.05
    centre: float = 0.0
    design: PlannedDesign = field(default_factory=PlannedDesign)

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ValueError(f"power needs at least 1 simulated survey, got {self.runs}")
