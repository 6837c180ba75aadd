"""Suites from published files of prompts: their columns, and the rows to use."""

from __future__ import annotations

import ast
import codecs
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from bench.contracts.prompt import Prompt, PromptSuite, Split
from bench.contracts.prompt_id import safe_id
from bench.contracts.prompt_table import PromptTable, Row, open_prompts
from bench.errors import DataError, UsageError, suggestion
from bench.hashing import fingerprint
from bench.schema import Settings

TEXTS = ("text", "prompt", "caption", "main_caption")
"""Columns of texts, as in Song Describer and MusicCaps (``caption``) and MusicBench (``main_caption``)."""

IDS = ("id", "prompt_id", "caption_id", "ytid")
"""Columns of ids, as in Song Describer (``caption_id``) and MusicCaps (``ytid``)."""

_FACTS = ("genre", "level", "bpm", "key", "lyrics")
_LONGEST_ID = 100

_SPLITS: Mapping[str, Split] = {
    **dict.fromkeys(("development", "dev", "train", "valid", "validation"), "development"),
    **dict.fromkeys(("test", "eval", "evaluation"), "test"),
}

Cell = str | bool | int | float | None


class SuiteFile(Settings):
    """A file of prompts, and how to read it.

    file: CSV, TSV, JSON, JSON Lines, Parquet, or text with a prompt per line; also with .gz. text and id: names of the
    columns; by default a known one. Without ids, rows are p1, p2 and so on. genre, level, bpm, key
    and lyrics: columns of optional fields; they are detected only in files with columns id and text.
    split: the column that says which prompts are for development (also train, dev, valid or validation) and which are
    for test (also eval or evaluation). where: required values of rows, or lists of values, by column. limit: number
    of these rows to use, from the first. repeated_ids: refuse, or number repetitions of an id. repeated_texts:
    refuse, or keep the first of a text. empty: refuse rows without a text, or skip them. encoding: text encoding.
    """

    file: Annotated[str, Field(min_length=1)]
    text: str | None = None
    id: str | None = None
    genre: str | None = None
    level: str | None = None
    bpm: str | None = None
    key: str | None = None
    lyrics: str | None = None
    split: str | None = None
    where: dict[str, Cell | list[Cell]] = Field(default={})
    limit: Annotated[int, Field(ge=1)] | None = None
    repeated_ids: Literal["refuse", "number"] = "refuse"
    repeated_texts: Literal["refuse", "first"] = "refuse"
    empty: Literal["refuse", "skip"] = "refuse"
    encoding: str = "utf-8"

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            return codecs.lookup(encoding).name
        except (LookupError, ValueError):
            raise ValueError(f"unknown encoding '{encoding}'; common are utf-8, utf-16, cp1252 and latin-1") from None


def load_suite_file(settings: SuiteFile) -> PromptSuite:
    """Read the prompts of a file.

    The suite is named after the file and a hash of its content and settings, so that another file, or
    other rows of it, make another suite. Ids are written by `bench.contracts.prompt_id.safe_id`.

    Raises:
        UsageError: no such file, no column of that name, or none or several that may hold the texts or ids.
        DataError: the file is damaged; a row has no text, no id or a repeated id or text; or no rows are left.
        MissingError: a library for reading it is not installed.
    """
    path = Path(settings.file).expanduser()
    table = open_prompts(path, settings.encoding)
    columns = _columns(settings, table)
    rows = list(_chosen(settings, table, columns))
    if not rows:
        raise DataError(f"{path}: {_why_nothing(settings, table)}")
    found = list(_with_ids(path, rows, columns.get("id"), settings.repeated_ids))
    prompts = tuple(_prompt(path, id, place, row, columns) for id, place, row in found)
    splits = _splits(path, found, columns.pop("split", None))
    # Splits are not part of the hash: declaring them does not make another suite.
    later = {name for name in ("lyrics",) if getattr(settings, name) is None}  # keeps names of suites without it
    content = settings.model_dump(mode="json", exclude={"file", "split"} | later)
    read = content | {"columns": columns, "sha256": table.sha256}
    return PromptSuite(f"{_stem(path)}-{fingerprint(read)[:8]}", 1, prompts, table.sha256, splits)


def _columns(settings: SuiteFile, table: PromptTable) -> dict[str, str]:
    """Return the column of each part of a prompt, if there is one."""
    there = table.columns()
    found = {part: name for part in ("text", "id", *_FACTS, "split") if (name := getattr(settings, part)) is not None}
    for part, name in [*found.items(), *(("where", name) for name in settings.where)]:
        if name not in there:
            raise UsageError(
                f"{table.path}: {part}: there is no column '{name}'{suggestion(name, there)}; {_named(there)}"
            )
    own_layout = {"id", "text"} <= set(there)
    if "text" not in found:
        known = ["text"] if own_layout else [name for name in there if name.lower() in TEXTS]
        if len(known) != 1:
            which = f"{' and '.join(known)} may be the texts" if known else "no column is called text or caption"
            raise UsageError(f"{table.path}: {which}; set it with text=COLUMN; {_named(there)}")
        found["text"] = known[0]
    if "id" not in found:
        known = ["id"] if own_layout else [name for name in there if name.lower() in IDS]
        if len(known) > 1:
            raise UsageError(f"{table.path}: {' and '.join(known)} may be the ids; set it with id=COLUMN")
        if known:
            found["id"] = known[0]
    if own_layout:
        found = {part: part for part in _FACTS if part in there} | found
    return found


def _named(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 20} more" if len(columns) > 20 else ""
    return f"the columns are {', '.join(columns[:20]) or 'none'}{more}"


def _chosen(settings: SuiteFile, table: PromptTable, columns: Mapping[str, str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows that count, each with its number from 1 in the whole file."""
    needed = list(dict.fromkeys([*columns.values(), *settings.where]))
    seen: dict[str, str] = {}
    left = settings.limit
    for number, (place, row) in enumerate(table.rows(needed), 1):
        if left == 0:
            return
        if not all(_matches(row[name], wanted) for name, wanted in settings.where.items()):
            continue
        text = _text(row[columns["text"]], f"{table.path}: {place}: {columns['text']}")
        if not text:
            if settings.empty == "skip":
                continue
            raise DataError(f"{table.path}: {place}: {columns['text']} is empty; skip such rows with empty=skip")
        first = seen.setdefault(text, place)
        if first != place:
            if settings.repeated_texts == "first":
                continue
            raise DataError(
                f"{table.path}: {place} has the same text as {first}, and would be the same clips; keep the first of "
                "each with repeated_texts=first"
            )
        left = None if left is None else left - 1
        yield number, (place, {name: row[name] for name in columns.values()})


def _with_ids(
    path: Path, rows: Sequence[tuple[int, Row]], column: str | None, repeated: str
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the id of each prompt, safe for file names, with the row's place and cells."""
    given = [f"p{number}" if column is None else _id(row[column]) for number, (_, row) in rows]
    taken, times, first = set(given), Counter[str](), dict[str, str]()
    for id, (_, (place, row)) in zip(given, rows, strict=True):
        times[id] += 1
        own = id
        if times[id] > 1:
            if repeated == "refuse":
                raise DataError(
                    f"{path}: {place} has the {column} {id!r:.80}, as {first[id]} has; number such rows with "
                    "repeated_ids=number"
                )
            while own in taken:
                own = f"{id}-{times[id]}"
                times[id] += own in taken
            taken.add(own)
        first.setdefault(id, place)
        safe = safe_id(own)
        if not own or len(safe) > _LONGEST_ID:
            said = f"is longer than {_LONGEST_ID} characters as a file name has it" if own else "is empty"
            raise DataError(f"{path}: {place}: {column} {said}; name another column with id=COLUMN")
        yield safe, place, row


def _prompt(path: Path, id: str, place: str, row: Mapping[str, Any], columns: Mapping[str, str]) -> Prompt:
    where = f"{path}: {place}: "
    facts = {part: _FACT[part](row[columns[part]], where + columns[part]) for part in _FACT if part in columns}
    try:
        return Prompt(id, _text(row[columns["text"]], where), **facts)
    except DataError as error:
        said = str(error).removeprefix(f"prompt '{id}': ")
        raise DataError(f"{where}{said}") from None


def _splits(path: Path, rows: Sequence[tuple[str, str, Mapping[str, Any]]], column: str | None) -> Mapping[str, Split]:
    """Return the purpose in a column by prompt id, without empty cells."""
    if column is None:
        return {}
    splits: dict[str, Split] = {}
    for id, place, row in rows:
        said = _text(row[column], f"{path}: {place}: {column}").lower()
        if not said:
            continue
        if said not in _SPLITS:
            raise DataError(f"{path}: {place}: {column} is {said!r:.60}, must be development or test")
        splits[id] = _SPLITS[said]
    return splits


def _id(cell: Any) -> str:
    """Return an id as in its file; integers stored as 859.0 are 859."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if _is_missing(cell) else str(cell).strip()


def _text(cell: Any, where: str) -> str:
    if _is_missing(cell):
        return ""
    if not isinstance(cell, str):
        raise DataError(f"{where} is {cell!r:.60}, must be text")
    return cell.strip()


def _genre(cell: Any, where: str) -> str | None:
    """Return a genre; of a list, as Python or JSON writes it, too, all of them, with commas."""
    if isinstance(cell, str) and cell.strip().startswith("["):
        try:
            cell = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise DataError(f"{where} is {cell!r:.60}, must be a genre or a list of genres") from None
    genres = [_text(item, where) for item in (cell if isinstance(cell, list) else [cell])]
    return ", ".join(filter(None, genres)) or None


def _number(cell: Any, where: str) -> float | None:
    if _is_missing(cell) or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        if isinstance(cell, bool):
            raise ValueError
        return float(cell)
    except (TypeError, ValueError):
        raise DataError(f"{where} is {cell!r:.60}, must be a number") from None


def _level(cell: Any, where: str) -> int | None:
    number = _number(cell, where)
    if number is not None and not number.is_integer():
        raise DataError(f"{where} is {cell!r:.60}, must be an integer")
    return None if number is None else int(number)


_FACT: Mapping[str, Callable[[Any, str], Any]] = {
    "genre": _genre,
    "level": _level,
    "bpm": _number,
    "key": lambda cell, where: _text(cell, where) or None,
    "lyrics": lambda cell, where: _text(cell, where) or None,
}


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _matches(cell: Any, wanted: Any) -> bool:
    """Return whether a cell equals a value, or one of several; text of a number or boolean equals it."""
    if isinstance(wanted, list):
        return any(_matches(cell, one) for one in wanted)
    if isinstance(cell, list):
        return any(_matches(one, wanted) for one in cell)
    text = "" if _is_missing(cell) else str(cell).strip()
    if wanted is None:
        return not text
    if isinstance(wanted, bool):
        return text.lower() == str(wanted).lower()
    if isinstance(wanted, int | float):
        try:
            return not isinstance(cell, bool) and float(text) == wanted
        except ValueError:
            return False
    return text == str(wanted)


def _stem(path: Path) -> str:
    """Return the name of a file without its extensions, in characters allowed in suite names."""
    stem = re.sub(r"(\.gz)?$", "", path.name, flags=re.IGNORECASE).rpartition(".")[0]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-")[:60] or "prompts"


def _why_nothing(settings: SuiteFile, table: PromptTable) -> str:
    """Return why no rows are left, with values of the first column."""
    if not settings.where:
        return "contains no prompts"
    column = next(iter(settings.where))
    held = list(dict.fromkeys(str(row[column]) for _, row in table.rows([column])))
    return f"where matches no row; {column} has {', '.join(held[:8])[:200] or 'nothing'}"
