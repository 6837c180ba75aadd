"""Manifests: tables that say which file answers which prompt."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from io import StringIO
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple, TextIO

from bench.errors import DataError, UsageError, suggestion
from bench.text_file import read_text

MAX_SEED = 2**63 - 1
"""Largest seed that a run can store."""


class Entry(NamedTuple):
    """One line of a manifest: a prompt's id or exact text, a seed, a file in the manifest's folder, and what made it.

    ``model`` is None in a manifest of one model's clips.
    """

    line: int
    prompt: str
    seed: int
    file: str
    model: str | None = None


def read_manifest(path: Path) -> list[Entry]:
    """Read a CSV file with a header, or a JSONL file with an object on each line.

    Columns: ``prompt``, the id or the exact text; ``file``, relative to the manifest; ``seed``, a whole number, 0 if
    it is left out; ``model``, which made the clip, on every line or on none. Others, and empty lines, are ignored.

    Raises:
        UsageError: the name ends in neither ``.csv`` nor ``.jsonl``.
        DataError: a line is wrong, leads out of the folder, or answers the same prompt and seed as another of its
            model; the message names the line.
    """
    rows = {".csv": _csv_rows, ".jsonl": _json_rows}.get(path.suffix.lower())
    if rows is None:
        raise UsageError(f"{path}: a manifest is a .csv or a .jsonl file")
    entries: dict[tuple[str | None, str, int], Entry] = {}
    try:
        for line, row in rows(StringIO(read_text(path), newline="")):
            entry = _entry(line, row)
            first = entries.setdefault((entry.model, entry.prompt, entry.seed), entry)
            if first is not entry:
                whose = f" of model '{entry.model}'" if entry.model else ""
                raise _Mistake(
                    line, f"'{entry.prompt}', seed {entry.seed}{whose} is '{first.file}' on line {first.line} already"
                )
    except _Mistake as mistake:
        raise DataError(f"{path}: line {mistake.line}: {mistake}") from None
    if not entries:
        raise DataError(f"{path}: the manifest names no files")
    found = list(entries.values())
    if any(entry.model for entry in found) and (bare := next((entry for entry in found if not entry.model), None)):
        raise DataError(f"{path}: line {bare.line}: model is missing; other lines say which model made the clip")
    return found


def models_in(entries: Iterable[Entry]) -> list[str]:
    """Return the models that a manifest names, in the order in which they first appear; empty for one model's clips."""
    return list(dict.fromkeys(entry.model for entry in entries if entry.model is not None))


def entries_of(path: Path, model: str | None) -> list[Entry]:
    """Read the lines of one model.

    Args:
        path: the manifest.
        model: a value of its column ``model``; None where it names one model or none.

    Raises:
        UsageError: as `read_manifest`, or it names no such model, or several and ``model`` is None.
        DataError: as `read_manifest`.
    """
    status = path.stat()
    entries = _entries_by_model(path, status.st_size, status.st_mtime_ns)
    known = [name for name in entries if name is not None]
    if model is None and len(known) > 1:
        raise UsageError(
            f"{path} holds clips of {len(known)} models ({some(known)}): score them as a row each with "
            f"'tunebench score {shlex.quote(str(path))}', or name one with the parameter 'model'"
        )
    if model is not None and model not in known:
        names = f"{suggestion(model, known)}; it names {some(known)}" if known else ": it has no column 'model'"
        raise UsageError(f"{path} holds no clips of model '{model}'{names}")
    return list(entries[model]) if model is not None else list(chain.from_iterable(entries.values()))


@lru_cache(maxsize=4)
def _entries_by_model(path: Path, size: int, changed: int) -> Mapping[str | None, Sequence[Entry]]:
    """Return the lines of each model: in a manifest of many, each row asks for its own."""
    del size, changed  # only so that a manifest that was replaced is read again
    found: dict[str | None, list[Entry]] = {}
    for entry in read_manifest(path):
        found.setdefault(entry.model, []).append(entry)
    return found


def some(names: Sequence[str]) -> str:
    """Return the first few of some names, for a message."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


class _Mistake(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _csv_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(file, strict=True)
    try:
        columns = [(name or "").strip() for name in reader.fieldnames or ()]
        reader.fieldnames = columns
        for name in ("prompt", "file"):
            if name not in columns:
                raise _Mistake(1, f"no column '{name}'; the columns are {', '.join(columns)[:200] or 'none'}")
        for row in reader:
            if None in row:
                raise _Mistake(reader.line_num, "more fields than columns; put a text with commas in double quotes")
            yield reader.line_num, row
    except csv.Error as error:
        raise _Mistake(reader.line_num + 1, f"not valid CSV ({error})") from None


def _json_rows(file: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _Mistake(number, f"not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise _Mistake(number, 'not an object like {"prompt": "jazz-3", "file": "a.wav"}')
        yield number, row


def _entry(line: int, row: Mapping[str, Any]) -> Entry:
    prompt, file = (_text(line, row, name) for name in ("prompt", "file"))
    for flavour in (PurePosixPath(file), PureWindowsPath(file)):
        if flavour.anchor or ".." in flavour.parts:
            raise _Mistake(line, f"file is '{file}', must be a path inside the manifest's folder")
    seed = row.get("seed")
    if seed is None or seed == "":
        seed = 0
    elif isinstance(seed, str) and seed.strip().isdecimal() and len(seed) < 20:
        seed = int(seed)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise _Mistake(line, f"seed is {str(seed)[:40]!r}, must be a whole number from 0 to {MAX_SEED}")
    model = row.get("model")
    unnamed = model is None or (isinstance(model, str) and not model.strip())
    return Entry(line, prompt, seed, file, None if unnamed else _text(line, row, "model"))


def _text(line: int, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        state = "missing" if value is None or value == "" else f"{str(value)[:40]!r}, must be text"
        raise _Mistake(line, f"{name} is {state}")
    return value.strip()
