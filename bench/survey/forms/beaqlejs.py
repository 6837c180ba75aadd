"""BeaqleJS: the JSON that each listener's browser submits or saves, one file per listener (version 1.0, 2019).

MUSHRA: ``[{"TestID", "Runtime", "rating": {label: value}, "filename": {label: file}}, …, {"UserName", "UserEmail",
"UserComment"}]``. Preference: ``{"TestID", "PresentationOrder": "A=B, B=A", "Runtime", "Preference": "A"}``, in which
the order says which file was shown as A (github.com/HSU-ANT/beaqlejs, js/beaqle.js). A folder of such files is a
survey; so is one file with a list of them, or one a line.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from bench.errors import DataError
from bench.survey.forms.clip_rows import by_map, unknown_clips
from bench.survey.forms.layout import Layout, Opened, Request
from bench.survey.forms.table import PART, TextTable

_CONTROLS = re.compile(r"(hidden)?reference|anchor\d*", re.IGNORECASE)
_ORDER = re.compile(r"A=([AB]), B=([AB])")


def recognises(table: TextTable) -> bool:
    """Return whether a table has test sets with ratings or preferences."""
    return "TestID" in table.header and bool({"rating", "Preference"} & set(table.header))


def open_export(table: TextTable, request: Request) -> Opened:
    """Bring the rating of each file of a test set into rows.

    Raises:
        DataError: a rating is not JSON written by BeaqleJS, or no file is a clip of the map.
        SurveyQuestion: some files are not in the clip map.
        UsageError: the caller named a column that the clip map replaces.
    """
    people = _people(table)
    if "Preference" in table.header:
        return _preferences(table, people)
    rows, lines = [], []
    for line, person, row in zip(table.lines, people, table.rows, strict=True):
        cells = dict(zip(table.header, row, strict=True))
        if not cells["rating"]:
            continue
        ratings, files = (_object(table, cells.get(name, "")) for name in ("rating", "filename"))
        for label, value in ratings.items():
            rows.append([person, cells["TestID"], label, files.get(label, label), value])
            lines.append(line)
    long = table._replace(header=["listener", "prompt", "model", "file", "value"], rows=rows, lines=lines, labels=())
    note = "Read as BeaqleJS's MUSHRA results: prompts are test sets, models the labels of their files."
    sources = {"listener": "UserName", "prompt": "TestID", "model": "rating"}
    if request.clips is not None:
        opened = by_map(long.only(["listener", "file", "value"]), request, request.clips)
        if opened is None:
            raise unknown_clips(long, request.clips)
        roles = {**opened.roles, "listener": "listener", "value": "value"}
        return replace(opened, roles=roles, sources=sources)
    long = long.only(["listener", "prompt", "model", "value"])
    controls = frozenset(name for name in long.column("model") if _CONTROLS.fullmatch(name))
    return Opened(long, {name: name for name in long.header}, sources=sources, notes=[note], controls=controls)


def _preferences(table: TextTable, people: list[str]) -> Opened:
    rows, lines = [], []
    for line, person, row in zip(table.lines, people, table.rows, strict=True):
        cells = dict(zip(table.header, row, strict=True))
        if not cells["TestID"]:
            continue
        order = _ORDER.fullmatch(cells.get("PresentationOrder", ""))
        shown_as = {"A": order[1], "B": order[2]} if order else {}
        rows.append([person, cells["TestID"], "A", "B", shown_as.get(cells["Preference"], cells["Preference"])])
        rows[-1].append(shown_as.get("A", "unknown"))
        lines.append(line)
    header = ["listener", "prompt", "a", "b", "choice", "side"]
    notes = ["Read as BeaqleJS's preferences: prompts are test sets, A and B the labels of their files."]
    sources = {"listener": "UserName", "prompt": "TestID", "choice": "Preference"}
    long = table._replace(header=header, rows=rows, lines=lines, labels=())
    return Opened(long, {name: name for name in header}, sources=sources, notes=notes)


def _people(table: TextTable) -> list[str]:
    """Return the listener of each row: the number of the file or list with the name in its last object."""
    parts = table.column(PART) if PART in table.header else ["1"] * len(table.rows)
    names = table.column("UserName") if "UserName" in table.header else [""] * len(table.rows)
    told = {part: name for part, name in zip(parts, names, strict=True) if name}
    unique = len(set(told.values())) == len(set(parts))
    return [told[part] if unique else part for part in parts]


def _object(table: TextTable, text: str) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in dict(json.loads(text or "{}")).items()}
    except (ValueError, TypeError) as error:
        raise DataError(f"{table.path}: a rating is not JSON written by BeaqleJS ({error})") from None


LAYOUT = Layout("beaqlejs", "BeaqleJS", recognises, open_export)
