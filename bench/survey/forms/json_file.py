"""Read tables from JSON: a list of objects, one object per line (JSON Lines), or an object with such a list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.survey.forms.table import PART, TextTable, tidy, written


def parse_json(path: Path, text: str, certain: bool) -> TextTable | None:
    """Read objects as rows, with a column for each key in the order of their first appearance.

    A value that is itself a list or an object stays JSON. A list of lists, one per participant, becomes one table with
    a column `PART`.

    Args:
        path: the file, for messages.
        text: its content.
        certain: whether it must be JSON; otherwise None is returned if it is not.

    Raises:
        DataError: it is not JSON, or not a table.
    """
    try:
        found, lines = _load(text)
    except (ValueError, RecursionError) as error:
        if certain:
            raise DataError(f"{path}: not valid JSON ({error})") from None
        return None
    objects: list[dict[str, Any]] = []
    places: list[int] = []
    for number, entry in enumerate(_entries(found), 1):
        for value in entry if isinstance(entry, list) else [entry]:
            if not isinstance(value, dict):
                raise DataError(f"{path}: entry {number} is not a JSON object; write a list of objects, one per row")
            if len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
                value = inner  # as in LimeSurvey's older exports: {"7": {…}}
            objects.append({PART: number, **value} if isinstance(entry, list) else value)
            places.append(lines[number - 1] if lines else number)
    names = dict.fromkeys(key for value in objects for key in value)
    rows = [[_cell(value.get(name)) for name in names] for value in objects]
    if not names:
        raise DataError(f"{path}: empty")
    return TextTable(path, [tidy(name) for name in names], rows, places)


def _load(text: str) -> tuple[Any, list[int]]:
    """Return the content, and the line of each entry if it is JSON Lines."""
    try:
        return json.loads(text, object_pairs_hook=_object), []
    except json.JSONDecodeError as whole:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        try:
            return [json.loads(line, object_pairs_hook=_object) for _, line in lines], [number for number, _ in lines]
        except json.JSONDecodeError:
            raise whole from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a duplicate key")
    return found


def _entries(found: Any) -> list[Any]:
    """Return the rows: a list itself, or the only list of objects within an object, such as {"responses": […]}."""
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        return lists[0] if len(lists) == 1 else [found]
    return found if isinstance(found, list) else [found]


def _cell(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else written(value)
