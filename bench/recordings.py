"""Recordings that a reference set is made of: audio files in a folder, or listed in a manifest."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench.errors import DataError, UsageError
from bench.file_kind import AUDIO_ENDINGS
from bench.file_names import as_on_disk
from bench.hashing import fingerprint
from bench.text_file import read_text

ENDINGS = frozenset(AUDIO_ENDINGS)

GenreFrom = Literal["folder", "manifest"]


class Recording(NamedTuple):
    """An audio file; ``id`` is its path relative to the folder or manifest, with forward slashes."""

    id: str
    path: Path
    genre: str | None = None


def read_recordings(source: Path, genre_from: GenreFrom | None = None) -> list[Recording]:
    """Return the recordings in a folder, as `recordings_in`, or of a manifest, as `recordings_of`.

    Raises:
        UsageError: there is no such folder or manifest; or as in these.
        DataError: as in these.
    """
    if not source.exists():
        raise UsageError(f"there is no folder or manifest {source}")
    return recordings_in(source, genre_from) if source.is_dir() else recordings_of(source, genre_from)


def recordings_in(folder: Path, genre_from: GenreFrom | None = None) -> list[Recording]:
    """Return all audio files in a folder and its subfolders, ordered by path; hidden ones are left out.

    Args:
        folder: the folder.
        genre_from: ``folder`` takes the first subfolder's name as the genre.

    Raises:
        UsageError: ``genre_from`` asks for a manifest.
        DataError: it contains no audio.
    """
    if genre_from == "manifest":
        raise UsageError(f"{folder} is a folder; genres from a manifest need a .csv or .jsonl file")
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() in ENDINGS and not any(part.startswith(".") for part in inside.parts) and path.is_file():
            genre = inside.parts[0] if genre_from == "folder" and len(inside.parts) > 1 else None
            found.append(Recording(inside.as_posix(), path, genre))
    if not found:
        raise DataError(f"{folder}: contains no audio ({', '.join(sorted(ENDINGS))})")
    return found


def recordings_of(manifest: Path, genre_from: GenreFrom | None = None) -> list[Recording]:
    """Return the files of a manifest: a CSV file with a header, or a JSONL file with an object on each line.

    Columns: ``file``, relative to the manifest, and optionally ``genre``. Others are ignored.

    Args:
        manifest: the file.
        genre_from: where genres come from: the column, or the first folder of ``file``.

    Raises:
        UsageError: the name ends in neither ``.csv`` nor ``.jsonl``.
        DataError: it cannot be read, a line has no file or a repeated one, or requested genres are missing.
    """
    rows = {".csv": _csv_rows, ".jsonl": _json_rows}.get(manifest.suffix.lower())
    if rows is None:
        raise UsageError(f"{manifest}: a manifest is a .csv or a .jsonl file; or use a folder of audio")
    found: dict[str, Recording] = {}
    text = read_text(manifest)
    try:
        for line, row in rows(StringIO(text, newline="")):
            file, genre = row.get("file"), row.get("genre") or None
            if not isinstance(file, str) or not file.strip():
                raise DataError(f"line {line}: no file named in the column 'file'")
            if genre_from == "folder":
                genre = Path(file).parts[0] if len(Path(file).parts) > 1 else None
            elif genre_from == "manifest" and genre is None:
                raise DataError(f"line {line}: no genre in the column 'genre'")
            path = as_on_disk(manifest.parent / file.strip())
            recording = Recording(Path(file.strip()).as_posix(), path, genre and str(genre))
            if found.setdefault(recording.id, recording) is not recording:
                raise DataError(f"line {line}: '{recording.id}' is listed twice")
    except (csv.Error, ValueError) as error:
        raise DataError(f"{manifest}: not a valid {manifest.suffix[1:].upper()} file ({error})") from None
    except DataError as error:
        raise DataError(f"{manifest}: {error}") from None
    if not found:
        raise DataError(f"{manifest}: the manifest lists no files")
    return list(found.values())


def folders_of(recordings: Sequence[Recording]) -> list[str]:
    """Return the first folders of the recordings, sorted; empty if all are in one folder."""
    folders = {Path(recording.id).parts[0] if "/" in recording.id else "" for recording in recordings}
    return sorted(folders - {""}) if len(folders) > 1 else []


def state_of(recordings: Sequence[Recording]) -> str:
    """Return a fingerprint of names, sizes and modification times; if it changes, a file may have changed."""
    states = [(r.id, r.genre, (found := r.path.stat()).st_size, found.st_mtime_ns) for r in recordings]
    return fingerprint(states)


def _csv_rows(manifest: StringIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(manifest)
    for row in reader:
        yield reader.line_num, row


def _json_rows(manifest: StringIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(manifest, 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise DataError(f'line {number}: not an object like {{"file": "a.wav", "genre": "jazz"}}')
            yield number, row
