"""The clips of a run as one table: a row per planned clip, with its prompt, properties, and a column per score."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bench.spreadsheet import as_csv
from bench.storage.own_clips import refuse_strays
from bench.storage.read_clips import PlannedRow, planned_rows
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import held_scores, score_columns
from bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd

FileFormat = Literal["csv", "parquet", "json"]

# Columns of every clip, in order. Nullable integers need pandas' own type.
DESCRIPTION: dict[str, str] = {
    "model": "string",
    "prompt": "string",
    "text": "string",
    "genre": "string",
    "level": "Int64",
    "bpm": "float64",
    "key": "string",
    "seed": "int64",
    "file": "string",
    "state": "string",
    "duration": "float64",
    "sample_rate": "Int64",
}


def clip_table(store: Store) -> pd.DataFrame:
    """Return one row per planned clip, models and clips in the order of the plan.

    Columns: those of `DESCRIPTION` (``file`` is relative to the run folder; it, ``duration`` in seconds and
    ``sample_rate`` in Hz are null if the clip was not made), then for each clip metric that tables show its values
    (``harmonic-accuracy@1``, float64, NaN if missing) and, if any clip has a reason instead, the reasons
    (``harmonic-accuracy@1 reason``).

    Raises:
        DataError: a clip has an unknown model or prompt.
    """
    import pandas as pd

    refuse_strays(store)
    clips, scores = planned_rows(store), score_columns(store)
    table = pd.DataFrame(_descriptions(store, clips), columns=list(DESCRIPTION)).astype(DESCRIPTION)
    # Columns are in the order of the whole plan, the table has one model after the other.
    order = np.argsort(np.argsort([clip.place for clip in clips]))
    at = {clip.place: row for row, clip in enumerate(clips)}
    reasons: dict[str, list[str | None]] = {}
    for score in held_scores(store, without_value=True):
        column = reasons.setdefault(score.metric, [None] * len(clips))
        column[at[score.place]] = score.error if score.reason is None else score.reason
    for metric in (m for m in shown_metrics(store) if not m.of_sets):
        table[metric.ref] = scores[metric.ref].value[order]
        if metric.ref in reasons:
            table[f"{metric.ref} reason"] = pd.Series(reasons[metric.ref], dtype="string")
    return table


def _descriptions(store: Store, clips: Iterable[PlannedRow]) -> list[tuple[Any, ...]]:
    """Return the fields of `DESCRIPTION` for each clip."""
    prompts, found = store.prompts(), []
    for clip in clips:
        p = prompts[clip.prompt]
        asked = (clip.model, p.id, p.text, p.genre, p.level, p.bpm, p.key, clip.seed)
        made = clip.state == "made"
        duration = clip.frames / clip.rate if made and clip.frames and clip.rate else None
        found.append((*asked, clip.path if made else None, clip.state, duration, clip.rate if made else None))
    return found


def written(table: pd.DataFrame, style: FileFormat) -> bytes:
    """Return a table as file content; missing values are empty fields in CSV and ``null`` in Parquet and JSON.

    In CSV, text that a spreadsheet would take for a formula gets an apostrophe, unless it is an id.
    """
    if style == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if style == "csv":
        return as_csv(table)
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return json_lines(rows).encode()


def json_lines(value: Sequence[Any] | Mapping[str, Any]) -> str:
    """Return JSON in which each row of a list, and of the lists in an object, has its own line.

    Indented JSON takes ten times as long, which is seconds for a table of 100,000 clips.
    """
    if isinstance(value, Mapping):
        items = (
            f"{_compact(name)}: {_rows(item) if isinstance(item, list) else _compact(item)}"
            for name, item in value.items()
        )
        return "{\n" + ",\n".join(items) + "\n}\n"
    return _rows(value) + "\n"


def _rows(items: Sequence[Any]) -> str:
    return "[\n" + ",\n".join(map(_compact, items)) + "\n]" if items else "[]"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
