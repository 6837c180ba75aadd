"""The clips of a run as one table: a row a planned clip, what it answers, how it is, and a column for each score."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Literal

from bench.export.own_clips import refuse_strays
from bench.export.spreadsheet import as_csv
from bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd

FileFormat = Literal["csv", "parquet", "json"]

# Said of every clip, in this order. Whole numbers that may be missing need pandas' own type.
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
_CLIPS = (
    "SELECT clips.id, model, prompt, text, genre, level, bpm, key, seed, CASE state WHEN 'made' THEN path END, state, "
    "CASE state WHEN 'made' THEN CAST(frames AS REAL) / clips.rate END, CASE state WHEN 'made' THEN clips.rate END "
    "FROM clips JOIN models ON label = model JOIN prompts ON prompts.id = prompt "
    "WHERE state != 'replaced' ORDER BY models.position, clips.rowid"
)
_SCORES = (
    "SELECT clip, value, COALESCE(reason, error) FROM scores WHERE metric = ? AND version = ? AND params_hash = ? "
    "AND embedder = ?"
)


def clip_table(store: Store) -> pd.DataFrame:
    """One row a planned clip, models and clips in the order of the plan.

    Columns: those of `DESCRIPTION` (``file`` is relative to the run folder; it, ``duration`` in seconds and
    ``sample_rate`` in Hz are null where the clip was not made), then for each clip metric that tables show its values
    (``harmonic-accuracy@1``, float64, NaN where there is none) and, where any clip has none for a reason, the reasons
    (``harmonic-accuracy@1 reason``).

    Raises:
        DataError: a clip is of no known model or prompt.
    """
    import pandas as pd

    refuse_strays(store)
    rows = store.rows(_CLIPS)
    ids = [id for id, *_ in rows]
    table = pd.DataFrame([row for _, *row in rows], columns=list(DESCRIPTION)).astype(DESCRIPTION)
    made = table["state"] == "made"
    for ref, *key in store.rows(
        "SELECT name || '@' || version, name, version, params_hash, embedder FROM metrics "
        "WHERE shown AND NOT of_sets ORDER BY position"
    ):
        scores = {clip: (value, reason) for clip, value, reason in store.rows(_SCORES, key)}
        found = [scores.get(id, (None, None)) for id in ids]
        # The score of a clip that is to be made again is of a sound that is gone.
        table[ref] = pd.Series([value for value, _ in found], dtype="float64").where(made)
        reasons = pd.Series([reason for _, reason in found], dtype="string").where(made)
        if reasons.notna().any():
            table[f"{ref} reason"] = reasons
    return table


def written(table: pd.DataFrame, style: FileFormat) -> bytes:
    """A table as the content of a file; what is missing is an empty field of CSV and ``null`` in Parquet and JSON.

    In CSV a text that a spreadsheet would take for a formula is preceded by an apostrophe.
    """
    if style == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if style == "csv":
        return as_csv(table)
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return (json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
