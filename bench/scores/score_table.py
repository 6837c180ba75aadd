"""The scores of a run as a tidy table: one row per clip and metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.storage.own_clips import refuse_strays
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import shown_scores
from bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd

# Nullable integers need pandas' own type.
COLUMNS: dict[str, str] = {
    "model": "string",
    "prompt": "string",
    "genre": "string",
    "level": "Int64",
    "seed": "int64",
    "metric": "string",
    "value": "float64",
    "unit": "string",
    "direction": "string",
    "reason": "string",
    "failed": "bool",
}


def score_table(store: Store) -> pd.DataFrame:
    """Return one row for each planned clip and shown clip metric, with the columns of `COLUMNS`: by model, metric and
    clip.

    ``value`` is in ``unit``, and NaN if missing; then ``reason`` says why, unless the score is not
    computed yet. ``failed`` is whether making or scoring the clip went wrong, which the next run retries; what is
    undefined (silence, too few notes) has not failed.

    Raises:
        DataError: a clip has an unknown model or prompt.
    """
    import pandas as pd

    refuse_strays(store)
    about = {metric.ref: (metric.unit, metric.direction) for metric in shown_metrics(store)}
    rows = [
        (
            *(score.model, score.prompt, score.genre, score.level, score.seed, score.metric, score.value),
            *about[score.metric],
            None if score.value is not None else score.lacks,
            score.value is None and score.reason is None and (score.error or score.clip_error) is not None,
        )
        for score in shown_scores(store)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
