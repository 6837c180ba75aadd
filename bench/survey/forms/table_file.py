"""Tables in common file formats (CSV, TSV, JSON, JSON Lines, Excel, Parquet, each gzipped or not), read as text."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataError, UsageError
from bench.regular_file import read_bytes
from bench.survey.forms.delimited_text import decode, parse_delimited
from bench.survey.forms.header_rows import merge_header_rows
from bench.survey.forms.json_file import parse_json
from bench.survey.forms.spreadsheet_file import parse_xlsx
from bench.survey.forms.table import LARGEST, PART, TextTable, tidy, written

_GZIP, _ZIP, _OLD_EXCEL = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def read_table(path: Path, number_repeated: bool = False) -> TextTable:
    """Read a file, with its format detected from content and name; or all files of a folder, one per participant.

    Args:
        path: the file or folder.
        number_repeated: whether to number columns with the same name, as in forms that repeat questions.

    Raises:
        UsageError: no such file, or an Excel file with several tables.
        DataError: it cannot be read, is damaged, has no rows, or has a duplicate or unnamed column.
        MissingError: an Excel file, and openpyxl is not installed.
    """
    if path.is_dir():
        return _folder(path, number_repeated)
    table = _file(path)
    for position, column in enumerate(table.header):
        if not column and any(row[position] for row in table.rows):
            raise DataError(f"{path}: column {position + 1} has no name")
        if column and column in table.header[:position] and not number_repeated:
            raise DataError(f"{path}: the column '{column}' occurs twice")
    table = _numbered(table)
    if not table.rows:
        raise DataError(f"{path}: no rows below the header")
    return table


def _numbered(table: TextTable) -> TextTable:
    """Return the table with columns of the same name numbered."""
    counts = Counter(table.header)
    seen: Counter[str] = Counter()
    header = []
    for name in table.header:
        seen[name] += 1
        header.append(name if not name or seen[name] == 1 else f"{name} ({seen[name]})")
    return table._replace(header=header, repeated=[name for name, count in counts.items() if name and count > 1])


def _folder(path: Path, number_repeated: bool) -> TextTable:
    """Return the rows of all files of a folder, numbered consecutively; missing columns are empty."""
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise UsageError(f"{path}: a folder without files")
    tables = [read_table(file, number_repeated) for file in files]
    header = list(dict.fromkeys(name for table in tables for name in table.header if name))
    names = [PART, *(name for name in header if name != PART)]
    rows = []
    for file, table in zip(files, tables, strict=True):
        for row in table.rows:
            cells = {**dict(zip(table.header, row, strict=True)), PART: file.name.partition(".")[0]}
            rows.append([cells.get(name, "") for name in names])
    labels = {name: label for table in tables for name, label in zip(table.header, table.labels, strict=False)}
    notes = dict.fromkeys(note for table in tables for note in table.notes)
    counted = f"{len(files)} files are read as one table; rows are numbered consecutively, in the order of file names."
    lines, comma = list(range(1, len(rows) + 1)), any(table.decimal_comma for table in tables)
    told = [labels.get(name, "") for name in names] if labels else ()
    repeated = list(dict.fromkeys(name for table in tables for name in table.repeated))
    return TextTable(path, names, rows, lines, comma, told, (counted, *notes), repeated)


def _file(path: Path) -> TextTable:
    """Return a file's rows below one header row."""
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    name = path.name.lower()
    if content.startswith(_GZIP):
        content, name = _unpacked(path, content), name.removesuffix(".gz")
    return merge_header_rows(_parse(path, content, name))


def _parse(path: Path, content: bytes, name: str) -> TextTable:
    if content.startswith(b"PAR1") or name.endswith((".parquet", ".pq")):
        return _parquet(path, content)
    if content.startswith(_ZIP):
        return parse_xlsx(path, content)
    if content.startswith(_OLD_EXCEL):
        raise DataError(f"{path}: an Excel file from before 2007, which is not supported; save it as CSV or .xlsx")
    text, notes = decode(path, content)
    json_name = name.endswith((".json", ".jsonl", ".ndjson"))
    if json_name or text.lstrip()[:1] in ("[", "{"):
        found = parse_json(path, text, certain=json_name)
        if found is not None:
            return found._replace(notes=notes)
    return parse_delimited(path, text)._replace(notes=notes)


def _unpacked(path: Path, content: bytes) -> bytes:
    try:
        with gzip.open(io.BytesIO(content)) as file:
            found = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: not a valid gzip file ({error})") from None
    if len(found) > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST >> 20} MB when unpacked, too large for a survey")
    return found


def _parquet(path: Path, content: bytes) -> TextTable:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
        columns: list[Sequence[Any]] = [column.to_pylist() for column in table.columns]
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a valid Parquet file ({str(error).splitlines()[0]})") from None
    rows = [[written(value) for value in row] for row in zip(*columns, strict=True)]
    return TextTable(path, [tidy(str(name)) for name in table.column_names], rows, list(range(1, len(rows) + 1)))
