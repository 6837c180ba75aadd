"""The pages of a leaderboard of bundles: static files that load nothing from elsewhere and trust no text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.bundle.accept import Accepted, Refused
from bench.bundle.board_rows import ProtocolTable, Row, bundle_name
from bench.bundle.verification import SCOPE, value_text
from bench.leaderboard.grid import ARROWS, decimals_of
from bench.leaderboard.ranks import RankRange
from bench.leaderboard.render import records
from bench.number_format import NONE, counted, number
from bench.plain_text import whole_characters
from bench.printable import printable
from bench.report.number_format import places, spread
from bench.scores.aggregate import Cell

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
_SHARED = ("report.css", "load.js", "sort.js", "skip.js", "edges.js", "icon.svg")
"""Parts shared with the pages of a report."""
_DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "none": "not ranked"}
_MOST_DIFFERENCES, _MOST_RECORDED = 20, 1000  # of a refused bundle, on the page and in its data


@dataclass(frozen=True)
class Box:
    """A number of a row as shown; ``at`` is the position of its interval, in percent of the width."""

    value: float | None
    text: str
    spread: str
    count: str
    note: str
    rank: RankRange | None
    stated: bool
    at: tuple[float | None, float | None, float | None]


def write_board(
    title: str,
    tables: Sequence[ProtocolTable],
    accepted: Sequence[Accepted],
    refused: Sequence[Refused],
    out: Path,
    audio: Mapping[str, str],
) -> None:
    """Write the pages and their data into an empty folder. The same arguments give the same bytes.

    Args:
        title: of the board.
        tables: by protocol.
        accepted, refused: bundles.
        out: the folder.
        audio: by content of a clip, its file in the folder; empty for pages that play nothing.
    """
    environment = _environment()
    (out / "static").mkdir()
    for name in _SHARED:
        shutil.copyfile(str(files("bench.report") / "static" / name), out / "static" / name)
    for file in sorted((HERE / "static").iterdir()):
        shutil.copyfile(file, out / "static" / file.name)
    common = {"title": title, "tables": tables, "listen": bool(audio), "tool": f"tunebench {version('tunebench')}"}
    pages: dict[str, tuple[str, Mapping[str, Any]]] = {
        "index.html": (
            "board.html",
            {
                "grids": list(map(_boxes, tables)),
                "bundles": list(_bundles(tables, accepted)),
                "refused": _refusals(refused),
            },
        )
    }
    if audio:
        for table in tables:
            own = {"table": table, "prompts": list(_prompts(table, audio))}
            pages[f"listen/{table.protocol.id}.html"] = ("listen.html", own)
    for name, (template, content) in pages.items():
        root = "../" * name.count("/")
        (out / name).parent.mkdir(exist_ok=True)
        html = environment.get_template(template).render(root=root, **common, **content)
        (out / name).write_text(whole_characters(html), encoding="utf-8")
    (out / "data").mkdir()
    text = json.dumps(board_record(title, tables, accepted, refused), indent=1, ensure_ascii=False, allow_nan=False)
    (out / "data" / "leaderboard.json").write_text(whole_characters(text) + "\n", encoding="utf-8")


def board_record(
    title: str, tables: Sequence[ProtocolTable], accepted: Sequence[Accepted], refused: Sequence[Refused]
) -> dict[str, Any]:
    """Return the content of the pages as JSON: rows and cells by protocol, then bundles, then refused ones."""
    return {
        "title": title,
        "protocols": [
            {
                "id": table.protocol.id,
                "line": table.protocol.line,
                "content": table.protocol.content,
                "rows": [
                    {
                        "name": row.name,
                        "model": row.label,
                        "fingerprint": row.fingerprint,
                        "bundles": [bundle.sha256 for bundle in row.bundles],
                        "clips": len(row.clips),
                        "planned": row.planned,
                        "cells": [
                            {**record, "computed": record["metric"] not in row.stated}
                            for record in records(row.cells, table.ranks, table.protocol)
                        ],
                    }
                    for row in table.rows
                ],
                "notes": list(table.notes),
            }
            for table in tables
        ],
        "bundles": [
            {
                "sha256": bundle.sha256,
                "name": bundle.found.name,
                "submitter": dict(bundle.found.submitter),
                "clips": bundle.found.clips,
                "numbers": bundle.found.numbers,
                "tolerance": bundle.found.tolerance,
                "unchecked": dict(bundle.found.unchecked),
            }
            for bundle in accepted
        ],
        "refused": [
            {
                "file": one.file.name,
                "sha256": one.sha256 or None,
                "reasons": list(one.reasons[:_MOST_RECORDED]),
                "differs": [
                    {**d.place._asdict(), "quantity": d.quantity, "stored": d.then, "recomputed": d.now}
                    for d in one.deviations[:_MOST_RECORDED]
                ],
                "differing": len(one.deviations),
            }
            for one in refused
        ],
        "verified_with": f"tunebench {version('tunebench')}",
    }


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,  # not Markup, which is trusted
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["readable"] = lambda value: json.dumps(value, indent=1, ensure_ascii=False, default=str)
    environment.globals.update(policy=POLICY, arrows=ARROWS, directions=_DIRECTIONS, scope=SCOPE, counted=counted)
    return environment


def _boxes(table: ProtocolTable) -> list[tuple[Row, list[Box]]]:
    """Return the rows of a table, each with a box for each of its columns."""
    cells = [cell for row in table.rows for cell in row.cells]
    decimals = decimals_of(cells)
    scales = {
        column.ref: places(
            end
            for cell in cells
            if cell.column.ref == column.ref
            for end in (cell.estimate.value, cell.estimate.low, cell.estimate.high)
        )
        for column in table.columns
    }
    found = []
    for row in table.rows:
        own = {cell.column.ref: cell for cell in row.cells}
        boxes = []
        for column in table.columns:
            cell, scale = own[column.ref], scales[column.ref]
            e = cell.estimate
            at = (scale(e.low), scale(e.value), scale(e.high))
            boxes.append(_box(cell, decimals[column.ref], table.ranks.get((row.name, column.ref)), row, at))
        found.append((row, boxes))
    return found


def _box(
    cell: Cell, decimals: int, rank: RankRange | None, row: Row, at: tuple[float | None, float | None, float | None]
) -> Box:
    e = cell.estimate
    return Box(
        value=e.value,
        text=NONE if e.value is None else number(e.value, decimals),
        spread="" if e.value is None else spread(e.value, e.low, e.high, decimals),
        count="" if e.n == cell.planned else f"{e.n if e.value is not None else 0} of {cell.planned}",
        note=e.reason or "",
        rank=rank,
        stated=cell.column.ref in row.stated,
        at=at,
    )


def _bundles(tables: Sequence[ProtocolTable], accepted: Sequence[Accepted]) -> Iterator[dict[str, Any]]:
    """Yield the page's data on each bundle."""
    rows: dict[str, list[str]] = {}
    older: dict[str, list[str]] = {}
    for table in tables:
        for row in table.rows:
            for bundle in row.bundles:
                rows.setdefault(bundle.sha256, []).append(row.name)
        for row, newer in table.replaced:
            for bundle in row.bundles:
                holder = bundle_name(newer.bundles[0])
                older.setdefault(bundle.sha256, []).append(
                    f"{row.label}: {counted(len(row.clips), 'clip')}, all of which are in '{newer.name}' of {holder} "
                    f"{newer.bundles[0].sha256[:12]}, which has {len(newer.clips)}"
                )
    for bundle in accepted:
        found = bundle.found
        yield {
            "name": bundle_name(bundle),
            "sha256": bundle.sha256,
            "by": found.submitter.get("name") or found.submitter.get("link", ""),
            "link": found.submitter.get("link", ""),
            "rows": rows.get(bundle.sha256, []),
            "older": older.get(bundle.sha256, []),
            "clips": found.clips,
            "said": f"all {found.numbers} numbers agree within {found.tolerance:g}" if found.numbers else "",
            "unchecked": found.unchecked,
        }


def _refusals(refused: Sequence[Refused]) -> list[dict[str, Any]]:
    return [
        {
            "file": one.file.name,
            "sha256": one.sha256,
            "reasons": one.reasons[:_MOST_DIFFERENCES],
            "more_reasons": max(0, len(one.reasons) - _MOST_DIFFERENCES),
            "differences": [
                {
                    "file": d.place.file,
                    "model": d.place.model,
                    "metric": d.place.metric,
                    "group": d.place.group,
                    "quantity": d.quantity,
                    "then": value_text(d.then),
                    "now": value_text(d.now),
                }
                for d in one.deviations[:_MOST_DIFFERENCES]
            ],
            "more": max(0, len(one.deviations) - _MOST_DIFFERENCES),
        }
        for one in refused
    ]


def _prompts(table: ProtocolTable, audio: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield each prompt with the clips of rows for it."""
    clips: dict[str, list[tuple[str, int, str]]] = {}
    for row in table.rows:
        for clip in row.clips:
            clips.setdefault(clip.prompt, []).append((row.name, clip.seed, audio[clip.content]))
    for id, prompt in table.protocol.content["prompts"].items():
        yield {"id": id, "text": prompt["text"], "clips": clips.get(id, [])}
