"""Time to make and to score a clip: stated, measured in this run or an earlier one, or declared."""

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
SCORING_SPEED = 15.0  # seconds of audio scored per second, guaranteed for the note metrics
_MOST_BYTES = 1 << 20

Source = Literal["stated", "measured in this run", "measured in an earlier run", "declared by the model", "assumed"]


@dataclass(frozen=True)
class Rate:
    """Seconds per clip of one worker, with the source of the figure."""

    seconds: float
    source: Source


def parse_rates(given: Iterable[str], rows: Collection[str]) -> dict[str, float]:
    """Parse rates ``ROW=SECONDS``; ``scoring`` means all scoring of a clip.

    Args:
        given: one per row of the leaderboard; a row's name may contain ``=``.
        rows: existing rows.

    Raises:
        UsageError: one has another form, is not a number of at least 0, or names an unknown row.
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
    """Known rates of a plan.

    Args:
        plan: the plan.
        stated: seconds per clip by row; these take precedence over measured ones.
        here: the run of the plan, if it exists.
    """

    def __init__(self, plan: Plan, stated: Mapping[str, float], here: Store | None) -> None:
        self._plan, self._stated = plan, stated
        self._made = here.seconds_per_clip() if here else {}
        self._scored = here.seconds_per_score() if here else {}
        self._earlier = UserCache("rates", _MOST_BYTES)

    def generating(self, model: PlannedModel) -> Rate | None:
        """Return the time to make a clip of a model; None if unknown."""
        if (stated := self._stated.get(model.label)) is not None:
            return Rate(stated, "stated")
        if (here := self._made.get(model.label)) is not None:
            return Rate(here, "measured in this run")
        if (earlier := self._kept(_key(model.fingerprint, self._plan.duration))) is not None:
            return Rate(earlier, "measured in an earlier run")
        return Rate(self._plan.duration / model.speed, "declared by the model") if model.speed else None

    def scoring(self, metrics: Sequence[PlannedMetric]) -> Rate:
        """Return the total time of some metrics for a clip."""
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
    """Store measured rates of a run in the user's cache folder, for plans of later runs.

    Args:
        store: the run.
        plan: says which models and metrics the rates are of, and for which duration.
    """
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
