"""A small survey whose every answer is known, and ways to write a table of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bench.survey.ratings import Ratings

PROMPTS, MODELS = ("jazz-1", "jazz-2", "rock-1", "rock-2"), ("base", "tuned")
SCALES = ("Harmony", "Rhythm", "Genre Fit")
CLIPS = {f"c{n:02d}": clip for n, clip in enumerate(product(PROMPTS, MODELS), 1)}
PEOPLE = 5
# (scales, models, listeners, prompts), whole numbers from 1 to 5, each of which occurs on each scale.
TRUTH = np.random.default_rng(17).permutation(np.resize([1, 2, 3, 4, 5], 3 * 2 * PEOPLE * 4)).reshape(3, 2, PEOPLE, 4)
Rows = Sequence[Sequence[str]]


def answer(person: int, clip: str, scale: str) -> str:
    """What a listener, counted from 0, answered about a clip on a scale."""
    prompt, model = CLIPS[clip]
    return str(TRUTH[SCALES.index(scale), MODELS.index(model), person, PROMPTS.index(prompt)])


def holds_truth(found: object, scales: Iterable[str] = SCALES, shown: dict[str, str] | None = None) -> bool:
    """Whether ratings are those of the survey, with its scales under the names that ``shown`` gives them."""
    assert isinstance(found, Ratings)
    assert (found.models, found.prompts) == (MODELS, PROMPTS)
    names = {scale: (shown or {}).get(scale, scale) for scale in scales}
    assert set(found.scales) == set(names.values())
    for scale, name in names.items():
        np.testing.assert_array_equal(found.cube(name), TRUTH[SCALES.index(scale)])
    return True


def map_text(key: str = "clip", label: Callable[[str], str] = str, more: Iterable[str] = ()) -> str:
    """A clip map that names the clips by one key, with rows for scales."""
    rows = [f"{label(clip)},{prompt},{model},{prompt.split('-')[0]}," for clip, (prompt, model) in CLIPS.items()]
    head = f"{key},prompt,model,genre,scale"
    return "\n".join([head, *rows]) + "\n" if not more else "\n".join([head, *rows, *more]) + "\n"


def delimited(rows: Rows, separator: str = ",") -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=separator).writerows(rows)
    return buffer.getvalue()


def _moved(rows: Rows) -> str:
    """The same with the columns after the first in another order."""
    order = [0, *np.random.default_rng(2).permutation(np.arange(1, len(rows[0])))]
    return delimited([[row[position] for position in order] for row in rows])


def _xlsx(rows: Rows) -> bytes:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append([int(cell) if cell.isdecimal() else cell or None for cell in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


FORMS: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "comma": ("e.csv", lambda rows: delimited(rows).encode()),
    "semicolon": ("e.csv", lambda rows: delimited(rows, ";").encode()),
    "tab": ("e.tsv", lambda rows: delimited(rows, "\t").encode()),
    "utf-16": ("e.txt", lambda rows: delimited(rows, "\t").encode("utf-16")),
    "windows-1252": ("e.csv", lambda rows: delimited(rows).encode("cp1252")),
    "gzip": ("e.csv.gz", lambda rows: gzip.compress(delimited(rows).encode())),
    "moved": ("e.csv", lambda rows: _moved(rows).encode()),
    "xlsx": ("e.xlsx", _xlsx),
    "json": ("e.json", lambda rows: json.dumps([dict(zip(rows[0], row, strict=True)) for row in rows[1:]]).encode()),
    "json lines": (
        "e.jsonl",
        lambda rows: "\n".join(json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]).encode(),
    ),
}
"""Rewritings of a table of text: the name of its file, and its content."""


def write_form(folder: Path, form: str, rows: Rows) -> Path:
    """Write a table in one of the forms."""
    name, content = FORMS[form]
    if form == "windows-1252":  # a column of remarks in which a letter is beyond ASCII
        rows = [[*row, "Remark" if number == 0 else "café" if number > 2 else ""] for number, row in enumerate(rows)]
        (folder / name).write_bytes(delimited(rows).encode("cp1252"))
    else:
        (folder / name).write_bytes(content(rows))
    return folder / name
