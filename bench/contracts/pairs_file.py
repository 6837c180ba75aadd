"""Files that assign recordings to prompts, for scores against each prompt's own reference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from bench.contracts.prompt import Prompt
from bench.contracts.prompt_id import safe_id
from bench.contracts.prompt_table import PromptTable, open_prompts
from bench.errors import DataError, UsageError, suggestion
from bench.file_names import as_on_disk, looked_for
from bench.schema import Settings

PROMPTS = ("prompt", "prompt_id", "id", "caption_id", "ytid", "text", "caption", "main_caption")
"""Columns that name a prompt, by its id or its text; the first one present is used."""

FILES = ("file", "audio", "path", "reference", "filename", "location")
"""Columns that name a recording, likewise."""


class PairsFile(Settings):
    """A file that names a recording for each prompt, and how to read it.

    file: CSV, TSV, JSON, JSON Lines or Parquet, also with .gz; a suite's own file works, and so does a reference file
    made from one. prompt: the column with the prompt's id or text. audio: the column with the recording's file.
    folder: folder of the recordings; by default that of the file.
    """

    file: Annotated[str, Field(min_length=1)]
    prompt: str | None = None
    audio: str | None = None
    folder: str | None = None


def read_pairs(settings: PairsFile, prompts: Sequence[Prompt]) -> dict[str, Path]:
    """Read the recording of each prompt, by the prompt's id; without prompts missing in the file.

    A row names a prompt by its id, as in the suite's file or as written by tunebench, or by its exact text. Rows of
    other prompts are ignored.

    Raises:
        UsageError: there is no such file or column, or it names none of the prompts.
        DataError: the file is damaged, names no recording for a prompt, two for one, or a missing one.
        MissingError: a library for reading it is not installed.
    """
    path = Path(settings.file).expanduser()
    table = open_prompts(path, "utf-8")
    prompt = _column(table, "prompt", settings.prompt, PROMPTS)
    audio = _column(table, "audio", settings.audio, FILES)
    folder = path.parent if settings.folder is None else Path(settings.folder).expanduser()
    ids = _names(prompts)
    found: dict[str, Path] = {}
    places: dict[str, str] = {}
    for place, row in table.rows([prompt, audio]):
        named = _text(row[prompt])
        id = ids.get(named) or ids.get(safe_id(named))
        if id is None:
            continue
        name = _text(row[audio])
        if not name:
            raise DataError(f"{path}: {place}: the column '{audio}' is empty")
        file = as_on_disk(folder / name)
        if not file.is_file():
            raise DataError(f"{path}: {place}: there is no file {file}{looked_for(file)}; correct it, or set 'folder'")
        if found.setdefault(id, file) != file:
            raise DataError(f"{path}: {place}: prompt '{id}' has another recording on {places[id]}; keep one")
        places.setdefault(id, place)
    if not found:
        example = prompts[0].id if prompts else "id"
        raise UsageError(
            f"{path}: no row names a prompt of this suite by its id (such as {example}) or exact text in the column "
            f"'{prompt}'; set the column with 'prompt'"
        )
    return found


def _names(prompts: Sequence[Prompt]) -> dict[str, str]:
    """Return the id by possible names of a prompt; an id takes precedence over another prompt's text."""
    texts: dict[str, str | None] = {}
    for prompt in {prompt.id: prompt for prompt in prompts}.values():
        # A text shared by two prompts is ambiguous.
        texts[prompt.text.strip()] = None if prompt.text.strip() in texts else prompt.id
    return {text: id for text, id in texts.items() if id} | {prompt.id: prompt.id for prompt in prompts}


def _column(table: PromptTable, part: str, named: str | None, known: Sequence[str]) -> str:
    there = table.columns()
    listed = ", ".join(there[:20]) or "none"
    if named is not None:
        if named not in there:
            hint = suggestion(named, there)
            raise UsageError(f"{table.path}: {part}: there is no column '{named}'{hint}; the columns are {listed}")
        return named
    spelled = {name.lower(): name for name in reversed(there)}
    column = next((spelled[name] for name in known if name in spelled), None)
    if column is None:
        what = {"prompt": "an id or text of a prompt", "audio": "a file"}[part]
        raise UsageError(
            f"{table.path}: no column is recognized as {what}; set it with '{part}: COLUMN' (there are {listed})"
        )
    return column


def _text(cell: Any) -> str:
    """Return a cell as text; whole numbers that a table holds as 859.0 are 859."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None or cell != cell else str(cell).strip()
