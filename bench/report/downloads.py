"""The tables of a report as files for other programs: CSV, JSON, and provenance.

In CSV, text that a spreadsheet would take for a formula gets an apostrophe, unless it is an id.
JSON is unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.comparison.tables import records as paired_records
from bench.comparison.tables import spread_out
from bench.leaderboard.family_orders import disputed, family_orders
from bench.leaderboard.render import records
from bench.report.context import ReportContext
from bench.scores.clip_table import clip_table, json_lines, written
from bench.spreadsheet import as_csv
from bench.storage.read_clips import PlannedRow, made_rows
from bench.storage.read_metrics import shown_metrics
from bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd


def write_downloads(content: ReportContext, store: Store, out: Path) -> None:
    """Write ``data/`` of a report: leaderboard, comparisons and scores as CSV and JSON, and ``provenance.json``.

    ``scores`` has a row per planned clip; see `bench.scores.clip_table.clip_table`.
    """
    folder = out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    clips = clip_table(store)
    tables = {"leaderboard": leaderboard_records(content), "comparisons": comparison_records(content)}
    for name, rows in tables.items():
        _write_json(folder / f"{name}.json", rows)
        (folder / f"{name}.csv").write_bytes(as_csv(_table(rows)))
    (folder / "scores.json").write_bytes(written(clips, "json"))
    (folder / "scores.csv").write_bytes(written(clips, "csv"))
    _write_json(folder / "provenance.json", provenance(content, store))


def leaderboard_records(content: ReportContext) -> list[dict[str, Any]]:
    """Return a record per cell, as in `bench.leaderboard.render.records`, with ``grouping``."""
    disputes = disputed(family_orders(content.cells, content.comparisons))
    found = records(content.cells, content.ranks, content.protocol, disputes)
    genres = {prompt.genre for prompt in content.prompts}
    counted: dict[tuple[str, str, str], int] = {}
    for row in found:
        # A genre may have the same name as a level; cells of genres come first.
        key = (row["model"], row["metric"], row["group"])
        counted[key] = counted.get(key, 0) + 1
        of_genre = row["group"] in genres and counted[key] == 1
        row["grouping"] = "all" if row["group"] == "all" else "genre" if of_genre else "level"
    return found


def comparison_records(content: ReportContext) -> list[dict[str, Any]]:
    """Return one record per comparison, as ``tunebench compare --json`` gives it, with ``chance`` spread out."""
    return [spread_out(record) for record in paired_records(content.comparisons, (content.protocol, content.protocol))]


def provenance(content: ReportContext, store: Store) -> dict[str, Any]:
    """Return the provenance of models, metrics and clips: hashes, versions and seeds; and failures."""
    keys = {m.ref: {"params_hash": m.params_hash, "embedder_key": m.embedder} for m in shown_metrics(store)}
    return {
        "title": content.title,
        "about": dict(content.about),
        "recorded": store.about(),
        "protocol": {"id": content.protocol.id, "line": content.protocol.line, "content": content.protocol.content},
        "models": [
            {
                **asdict(model),
                "identity": json.loads(model.identity),
                "provenance": json.loads(model.provenance),
            }
            for model in content.models
        ],
        "metrics": [{**asdict(one), **keys[one.ref]} for one in content.infos],
        "clips": [_provenance_of(clip) for clip in made_rows(store)],
        "cautions": [asdict(caution) for caution in content.cautions],
        "failures": [asdict(group) for group in content.failures],
        "methods": list(content.methods),
    }


def _provenance_of(clip: PlannedRow) -> dict[str, Any]:
    names = ("id", "model", "prompt", "seed", "content", "rate", "channels", "frames", "peak", "gain", "seconds")
    found = {"sample_rate" if name == "rate" else name: getattr(clip, name) for name in names}
    return {**found, "provenance": dict(clip.made_with)}


def _table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    flat = [{name: "; ".join(v) if isinstance(v, list | tuple) else v for name, v in row.items()} for row in rows]
    return pd.DataFrame(flat)


def _write_json(path: Path, value: Sequence[Any] | Mapping[str, Any]) -> None:
    path.write_text(json_lines(value), encoding="utf-8")
