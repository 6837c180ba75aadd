"""The tables of a bundle as numbers by their place, as packed and as a run gives them now."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.bundle.names import LEADERBOARD, SCORES
from bench.bundle.pack import GROUPINGS
from bench.bundle.verification import Numbers, Place
from bench.bundle.zip_file import read_json
from bench.errors import DataError
from bench.export.clip_table import DESCRIPTION, clip_table
from bench.leaderboard import read_cells
from bench.store import Store

Table = dict[Place, Numbers]


def packed_leaderboard(folder: Path) -> Table:
    """What ``leaderboard.json`` says.

    Raises:
        DataError: it is no leaderboard.
    """
    records = read_json(folder / LEADERBOARD)
    try:
        return {
            Place(*(_text(record[name]) for name in Place._fields)): Numbers(
                *(_number(record[name]) for name in Numbers._fields)
            )
            for record in records
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"its {LEADERBOARD} is none ({error})") from None


def packed_scores(folder: Path, metrics: Iterable[str]) -> Table:
    """What ``scores.csv`` says of some clip metrics.

    Raises:
        DataError: it is no table of clips.
    """
    found: Table = {}
    try:
        with (folder / SCORES).open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            columns = [metric for metric in metrics if metric in (rows.fieldnames or ())]
            for row in rows:
                clip = (row["model"], _clip(row["prompt"], row["seed"]))
                for metric in columns:
                    value = float(row[metric]) if row[metric] else None
                    found[Place(clip[0], metric, "clip", clip[1])] = Numbers(_number(value))
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise DataError(f"its {SCORES} is no table of clips ({error})") from None
    return found


def leaderboard_now(folder: Path, metrics: Iterable[str]) -> Table:
    """What the leaderboard of a run says now of some metrics."""
    wanted = set(metrics)
    return {
        Place(cell.model, cell.column.ref, grouping, cell.group): Numbers(
            cell.estimate.value, cell.estimate.low, cell.estimate.high, cell.estimate.n
        )
        for grouping in GROUPINGS
        for cell in read_cells(folder, None if grouping == "all" else grouping)
        if cell.column.ref in wanted and (grouping == "all" or cell.group != "all")
    }


def scores_now(folder: Path, metrics: Iterable[str]) -> Table:
    """What the scores of single clips are now, of some clip metrics."""
    with Store.read(folder) as store:
        table = clip_table(store)
    columns = [metric for metric in metrics if metric in table.columns and metric not in DESCRIPTION]
    return {
        Place(row["model"], metric, "clip", _clip(row["prompt"], row["seed"])): Numbers(_number_or_none(row[metric]))
        for row in table.to_dict("records")
        for metric in columns
    }


def _clip(prompt: Any, seed: Any) -> str:
    return f"{prompt}, seed {seed}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not text")
    return value


def _number(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r:.60} is not a number")
    return float(value)


def _number_or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
