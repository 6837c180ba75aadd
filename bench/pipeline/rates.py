"""How long a clip takes to make and to score: stated, measured in this run or an earlier one, or declared."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.errors import UsageError, suggestion
from bench.planning.metric_plan import PlannedMetric
from bench.planning.plan import Plan, PlannedModel
from bench.storage.store import Store
from bench.user_cache import UserCache

SCORING = "scoring"
SCORING_SPEED = 15.0  # seconds of audio scored in a second; the note metrics are held to it
_MOST_BYTES = 1 << 20

Source = Literal["stated", "measured in this run", "measured in an earlier run", "declared by the model", "assumed"]


@dataclass(frozen=True)
class Rate:
    """Seconds that one worker takes for a clip, and where that is known from."""

    seconds: float
    source: Source


def parse_rates(given: Iterable[str], rows: Collection[str]) -> dict[str, float]:
    """Read rates as they are stated, ``ROW=SECONDS``; ``scoring`` stands for all that is done to a clip that is made.

    Args:
        given: each of a row of the leaderboard; a row's name may hold ``=``.
        rows: what there is.

    Raises:
        UsageError: one is not written like that, is not a number from 0 up, or is of no such row.
    """
    known = (*rows, SCORING)
    found: dict[str, float] = {}
    for text in given:
        row, _, number = text.rpartition("=")
        try:
            seconds = float(number)
        except ValueError:
            seconds = math.nan
        if not row or not 0 <= seconds < math.inf:
            raise UsageError(
                f"rate '{text}' must be ROW=SECONDS, the seconds that one clip takes, such as {known[0]}=2.5"
            )
        if row not in known:
            raise UsageError(
                f"rate '{text}': there is no row '{row}'{suggestion(row, known)}; there are {', '.join(known)}"
            )
        found[row] = seconds
    return found


class Rates:
    """What is known of the rates of a plan.

    Args:
        plan: whose models and metrics.
        stated: seconds a clip by row, which count before all that was measured.
        here: the run that the plan is of, where it was begun.
    """

    def __init__(self, plan: Plan, stated: Mapping[str, float], here: Store | None) -> None:
        self._plan, self._stated = plan, stated
        self._made = here.seconds_per_clip() if here else {}
        self._scored = here.seconds_per_score() if here else {}
        self._earlier = UserCache("rates", _MOST_BYTES)

    def generating(self, model: PlannedModel) -> Rate | None:
        """Return how long a clip of a model takes to make; None where nobody knows."""
        if (stated := self._stated.get(model.label)) is not None:
            return Rate(stated, "stated")
        if (here := self._made.get(model.label)) is not None:
            return Rate(here, "measured in this run")
        if (earlier := self._kept(_key(model.fingerprint, self._plan.duration))) is not None:
            return Rate(earlier, "measured in an earlier run")
        return Rate(self._plan.duration / model.speed, "declared by the model") if model.speed else None

    def scoring(self, metrics: Sequence[PlannedMetric]) -> Rate:
        """Return how long some metrics take for a clip together."""
        if (stated := self._stated.get(SCORING)) is not None:
            return Rate(stated, "stated")
        source: Source = "measured in this run"
        total = 0.0
        for metric in metrics:
            seconds = self._scored.get(metric.params_hash)
            if seconds is None:
                source, seconds = (
                    "measured in an earlier run",
                    self._kept(_key(metric.params_hash, self._plan.duration)),
                )
            if seconds is None:
                return Rate(self._plan.duration / SCORING_SPEED, "assumed")
            total += seconds
        return Rate(total, source)

    def _kept(self, key: str) -> float | None:
        content = self._earlier.get(key)
        return None if content is None else float(content)


def keep_rates(store: Store, plan: Plan) -> None:
    """Keep what was measured in a run for the plans of later ones, in the user's folder for caches."""
    kept = UserCache("rates", _MOST_BYTES)
    made, scored = store.seconds_per_clip(), store.seconds_per_score()
    measured = {model.fingerprint: made.get(model.label) for model in plan.models}
    measured |= {metric.params_hash: scored.get(metric.params_hash) for metric in plan.metrics}
    for identity, seconds in measured.items():
        if seconds is not None:
            kept.put(_key(identity, plan.duration), repr(seconds).encode())
    kept.trim()


def _key(identity: str, duration: float) -> str:
    return f"{identity} {float(duration)!r}"
