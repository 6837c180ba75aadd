"""Read files of prompts: CSV, TSV, JSON, JSON Lines, Parquet, and text with a prompt per line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import DataError, MissingError, UsageError
from bench.file_names import looked_for
from bench.regular_file import open_regular

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".txt")
"""Extensions of files of prompts; all except Parquet's may be followed by ``.gz``."""

LINE = "text"
"""The column of a text file with a prompt per line."""

_MOST_BYTES = 1 << 29
_BOMS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

Row = tuple[str, Mapping[str, Any]]
"""The place of a row, such as ``line 7``, and its cells by column."""


@dataclass(frozen=True)
class PromptTable:
    """A file of prompts.

    Attributes:
        path: path of the file.
        kind: its extension without the dot, and without ``.gz``.
        content: its bytes, uncompressed; empty for a Parquet file, which is read from disk by column.
        sha256: of the uncompressed bytes, 64 hexadecimal digits.
        encoding: text encoding.
    """

    path: Path
    kind: str
    content: bytes
    sha256: str
    encoding: str

    def columns(self) -> list[str]:
        """Return the names of the columns, in their order.

        Raises:
            DataError: the file is damaged or does not match its extension.
        """
        if self.kind == "parquet":
            return list(self._parquet().schema_arrow.names)
        if self.kind == "txt":
            return [LINE]
        if self.kind in ("csv", "tsv"):
            return self._header()[0]
        return list(dict.fromkeys(name for _, row in self._json_rows() for name in row))

    def rows(self, columns: Sequence[str]) -> Iterator[Row]:
        """Yield the rows, each with at least these columns; missing ones of JSON rows are None.

        Raises:
            DataError: as `columns`; a line has more or fewer cells than the header.
        """
        if self.kind == "parquet":
            yield from self._parquet_rows(columns)
        elif self.kind == "txt":
            for number, line in enumerate(io.StringIO(self._text()), 1):
                if line.strip():
                    yield f"line {number}", {LINE: line}
        elif self.kind in ("csv", "tsv"):
            yield from self._delimited_rows()
        else:
            for place, row in self._json_rows():
                yield place, {**dict.fromkeys(columns), **row}

    def _text(self) -> str:
        encoding = _BOMS.get(self.content[:2], self.encoding)
        try:
            text = self.content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path}: not {encoding.upper()} text (byte {error.start}); save it as UTF-8, or name its "
                "encoding, such as cp1252"
            ) from None
        if "\0" in text:
            raise DataError(f"{self.path}: contains zero bytes, so it is not a text table, or damaged")
        return text

    def _header(self) -> tuple[list[str], str]:
        """Return the names of the columns of a delimited text, and its separator."""
        text = io.StringIO(self._text(), newline="")
        first = next((line for line in text if line.strip()), "")
        marks = "\t" if self.kind == "tsv" else ",;\t"
        names: dict[str, list[str]] = {mark: next(csv.reader([first], delimiter=mark), []) for mark in marks}
        mark = max(marks, key=lambda mark: len(names[mark]))
        columns = [name.strip() for name in names[mark]]
        if not columns:
            raise DataError(f"{self.path}: the file is empty")
        if repeated := [name for name in columns if columns.count(name) > 1]:
            raise DataError(f"{self.path}: two columns have the name '{repeated[0]}'")
        return columns, mark

    def _delimited_rows(self) -> Iterator[Row]:
        columns, mark = self._header()
        reader = csv.reader(io.StringIO(self._text(), newline=""), delimiter=mark, strict=True)
        line, header = 1, True
        try:
            for cells in reader:
                place, line = f"line {line}", reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if header:
                    header = False
                    continue
                if len(cells) != len(columns):
                    raise DataError(
                        f"{self.path}: {place} has {len(cells)} cells, the header {len(columns)}; put a text that "
                        "holds the separator in double quotes"
                    )
                yield place, dict(zip(columns, cells, strict=True))
        except csv.Error as error:
            raise DataError(f"{self.path}: line {line}: not valid CSV ({error})") from None

    def _json_rows(self) -> Iterator[Row]:
        text = self._text()
        if self.kind == "json":
            try:
                yield from self._records(json.loads(text))
                return
            except json.JSONDecodeError as error:
                # MusicBench, among others, uses .json for JSON Lines.
                if not (error.msg == "Extra data" and text.lstrip().startswith("{")):
                    raise self._not_json(f"line {error.lineno}", error) from None
            except RecursionError as error:
                raise self._not_json("the file", error) from None
        for number, line in enumerate(io.StringIO(text), 1):
            if line.strip():
                place = f"line {number}"
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise self._not_json(place, error) from None
                yield self._record(place, row)

    def _records(self, content: Any) -> Iterator[Row]:
        """Yield rows of a whole JSON value: a list, a list within an object, or an object of texts by their ids."""
        if isinstance(content, dict):
            lists = [value for value in content.values() if isinstance(value, list)]
            if content and all(isinstance(value, str) for value in content.values()):
                content = [{"id": id, LINE: text} for id, text in content.items()]
            elif len(lists) == 1:
                content = lists[0]
        if not isinstance(content, list):
            raise DataError(f"{self.path}: must be a list of objects, or an object of texts by their ids")
        for number, row in enumerate(content, 1):
            yield self._record(f"item {number}", row)

    def _record(self, place: str, row: Any) -> Row:
        row = {LINE: row} if isinstance(row, str) else row
        if not isinstance(row, dict):
            raise DataError(f'{self.path}: {place} must be an object such as {{"id": "a", "text": "A slow waltz"}}')
        return place, row

    def _not_json(self, place: str, error: Exception) -> DataError:
        return DataError(f"{self.path}: {place}: not valid JSON ({error})")

    def _parquet(self) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path)

    def _parquet_rows(self, columns: Sequence[str]) -> Iterator[Row]:
        import pyarrow as pa

        number = 0
        try:
            for batch in self._parquet().iter_batches(batch_size=4096, columns=list(columns)):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise _damaged_parquet(self.path, error) from None


def is_prompt_table(name: str) -> bool:
    """Return whether a name has an extension of files of prompts.

    >>> is_prompt_table("musiccaps-public.csv"), is_prompt_table("a.JSONL.gz"), is_prompt_table("quick@1")
    (True, True, False)
    """
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


def open_prompts(path: Path, encoding: str = "utf-8") -> PromptTable:
    """Open a file of prompts.

    Raises:
        UsageError: no such file, or an extension not of files of prompts.
        DataError: it cannot be read, is too large, or does not match its extension.
        MissingError: a library for reading it is not installed.
    """
    plain = path.name.lower().removesuffix(".gz")
    kind = next((ending[1:] for ending in ENDINGS if plain.endswith(ending)), None)
    if kind is None:
        raise UsageError(f"{path}: prompts are read from files ending in {', '.join(ENDINGS)}, optionally with .gz")
    try:
        with open_regular(path) as file:
            if kind == "parquet":
                return _checked(path, hashlib.file_digest(file, "sha256").hexdigest())
            packed = path.name.lower().endswith(".gz")
            content = _read(path, gzip.GzipFile(fileobj=file) if packed else file)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file{looked_for(path)}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a complete gzip file ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError:  # a zero byte in the name
        raise UsageError(f"{str(path)!r} is not a valid file name") from None
    return PromptTable(path, kind, content, hashlib.sha256(content).hexdigest(), encoding)


def _read(path: Path, file: io.BufferedIOBase) -> bytes:
    content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path}: has more than {_MOST_BYTES >> 20} MiB; save its prompts as Parquet, or fewer of them")
    return content


def _checked(path: Path, sha256: str) -> PromptTable:
    """Return a Parquet file after checking that it opens."""
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise MissingError(f"{path}: reading Parquet needs {error.name}: pip install {error.name}") from None
    table = PromptTable(path, "parquet", b"", sha256, "")
    try:
        table.columns()
    except (pa.ArrowException, OSError) as error:
        raise _damaged_parquet(path, error) from None
    return table


def _damaged_parquet(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a complete Parquet file ({' '.join(str(error).split())[:120]})")
