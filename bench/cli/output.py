"""Write results to stdout, in the width and characters that it supports, or with ``--output`` to a file."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from bench.text_table import Layout

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to this file, in the format of its extension, such as .csv, .md or .txt.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Short for --format json.")]

_ENDINGS = {
    ".txt": "table",
    ".csv": "csv",
    ".json": "json",
    ".md": "markdown",
    ".parquet": "parquet",
    ".tex": "latex",
}
Style = TypeVar("Style", bound=StrEnum)


def style_of(given: Style | None, as_json: bool, output: Path | None, styles: type[Style]) -> Style:
    """Return how to write a result: as asked for, else by the file's extension, else as a table.

    Args:
        given: the value of ``--format``, if given.
        as_json: whether ``--json`` is given.
        output: the output file, if any.
        styles: formats that the command supports.

    Raises:
        UsageError: the extension is missing or names a format that this command does not write.
    """
    from bench.errors import UsageError

    if as_json:
        return styles("json")
    if given is not None:
        return given
    if output is None:
        return styles("table")
    style = _ENDINGS.get(output.suffix.lower())
    if style not in set(styles):
        known = ", ".join(ending for ending, name in _ENDINGS.items() if name in set(styles))
        raise UsageError(f"{output}: the file's extension selects the format; use one of {known}, or --format")
    return styles(style)


def page_layout(output: Path | None = None) -> Layout:
    """Return the layout of tables for the file, the terminal, or a pipe, whose width COLUMNS may set."""
    from bench.cli.streams import shown_encoding
    from bench.text_table import Layout

    return Layout() if output else Layout(_columns(), shown_encoding(sys.stdout))


def _columns() -> int | None:
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    except (OSError, ValueError):  # no terminal, or no file
        return None


def emit(content: str | bytes, style: str, output: Path | None = None) -> None:
    """Print a result, or write it to a file atomically.

    Raises:
        UsageError: the file cannot be written, or a binary result would go to the terminal.
    """
    from bench.ascii_signs import AS_JSON, in_encoding
    from bench.cli.streams import shown_encoding
    from bench.errors import UsageError
    from bench.printable import printable

    encoding = shown_encoding(sys.stdout)
    if output is not None:
        _write(content if isinstance(content, bytes) else f"{content}\n".encode(), output)
    elif isinstance(content, bytes):
        raise UsageError(f"{style} cannot be printed to the terminal; name a file with --output")
    elif style == "json":
        print(content.encode(encoding, AS_JSON).decode(encoding), flush=True)
    elif style == "csv" and content != in_encoding(content, encoding):  # data are not altered
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{printable(content)}\n".encode(errors="replace"))
        sys.stdout.buffer.flush()
    else:
        print(content, flush=True)


def _write(content: bytes, output: Path) -> None:
    from bench.atomic_write import replacing
    from bench.errors import UsageError

    try:
        if output.is_symlink() or (output.exists() and not output.is_file()):
            output.write_bytes(content)  # /dev/stdout, a pipe: what is there is written to, and never replaced
            return
        with replacing(output) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
