"""The history of a training so far, which its checkpoints and its card hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from models.card import Losses, ScoredOn
from models.training.validation import ValidationLosses


@dataclass
class History:
    """Steps, losses and time.

    Attributes:
        step: number of optimizer steps done.
        seconds: time spent in steps, without encoding, validation and checkpoints.
        train_last: mean loss of the last step.
        peak_memory: most bytes in use.
        judgements: validation losses; the first one is the base's.
        best_step: of the lowest validation loss after step 0, which is the base's; None before there is one.
        stale: validations since the last that was better by ``min_delta``.
        scored_on: texts that the training was scored on, each choice of them once; None if it began before these were
            recorded.
    """

    step: int = 0
    seconds: float = 0.0
    train_last: float | None = None
    peak_memory: int = 0
    judgements: list[ValidationLosses] = field(default_factory=list)
    best_step: int | None = None
    stale: int = 0
    scored_on: list[ScoredOn] | None = field(default_factory=list)
    _bar: float = float("inf")  # the loss that the next validation has to beat by min_delta

    def add(self, judgement: ValidationLosses, min_delta: float) -> bool:
        """Add a validation; return whether it is the best of what was trained, however good the base itself may be.

        Args:
            judgement: of the weights as they are now.
            min_delta: a loss that is not lower by more than this counts as `stale`, ≥ 0.
        """
        best = min((j.loss for j in self.judgements if j.step), default=float("inf"))
        self.judgements.append(judgement)
        if judgement.loss < self._bar - min_delta:
            self._bar, self.stale = judgement.loss, 0
        else:
            self.stale += 1
        if judgement.step and judgement.loss < best:
            self.best_step = judgement.step
            return True
        return False

    def add_prompts(self, scored: ScoredOn) -> None:
        """Record texts that the training was scored on."""
        if self.scored_on is not None and scored not in self.scored_on:
            self.scored_on.append(scored)

    def exhausted(self, patience: int) -> bool:
        """Return whether so many validations in a row brought no improvement; never for a patience of 0."""
        return bool(patience) and self.stale >= patience

    def losses(self) -> Losses:
        """Return the losses in the card's form."""
        told = [(j.step, j.loss, {f"{time:g}": loss for time, loss in j.by_time.items()}) for j in self.judgements]
        return Losses(self.train_last, told, self.best_step, self.judgements[0].loss if self.judgements else None)

    def as_json(self) -> dict[str, Any]:
        """Return the history for a checkpoint."""
        return {
            "seconds": self.seconds,
            "train_last": self.train_last,
            "peak_memory": self.peak_memory,
            "judgements": [[j.step, j.loss, list(j.by_time.items())] for j in self.judgements],
            "best_step": self.best_step,
            "stale": self.stale,
            "bar": self._bar if self.judgements else None,
            "scored_on": None if self.scored_on is None else [asdict(scored) for scored in self.scored_on],
        }

    @classmethod
    def from_json(cls, step: int, content: Mapping[str, Any]) -> History:
        """Restore the history from a checkpoint of this step.

        Args:
            step: optimizer steps that are done.
            content: as `as_json` returned it.
        """
        known = content.get("scored_on")
        return cls(
            step=step,
            seconds=content["seconds"],
            train_last=content["train_last"],
            peak_memory=content["peak_memory"],
            judgements=[ValidationLosses(s, loss, dict(by_time)) for s, loss, by_time in content["judgements"]],
            best_step=content["best_step"],
            stale=content["stale"],
            scored_on=None if known is None else [ScoredOn(**scored) for scored in known],
            _bar=float("inf") if content["bar"] is None else content["bar"],
        )
