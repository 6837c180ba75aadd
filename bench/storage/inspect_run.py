"""Find damage in a run folder: its database, and the audio referred to by rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench.environment import usable_cores
from bench.errors import DataError, one_line
from bench.storage.clip_file import made_audio
from bench.storage.database import present_layout, read_database
from bench.storage.digests import SCHEMA, Mismatch, digested_tables
from bench.storage.integrity import damage_of
from bench.storage.orphans import UNKNOWN

_REBUILT = "rebuilt from config.yaml"
_SALVAGED = "rebuilt from its readable parts, the audio and config.yaml"
_AGAIN = "dropped; 'tunebench score' computes them again"
_REMEDIES = {
    SCHEMA: "the rows are copied into a new database",
    "clips": f"{_REBUILT}; audio files whose label names their clip are kept, other clips are generated again",
    "notes": "read from the label of the audio file; if it has none, the clip is generated again",
    "about": _REBUILT,
    "models": _REBUILT,
    "prompts": _REBUILT,
    "whole_plan": _REBUILT,
    "metrics": "'tunebench score' shows them again",
    "scores": _AGAIN,
    "set_scores": _AGAIN,
    "embeddings": _AGAIN,
}


@dataclass(frozen=True)
class Finding:
    """A damaged or lost part of a run.

    Attributes:
        file: what holds it, relative to the run folder.
        problem: what is wrong.
        remedy: what ``--repair`` does about it.
    """

    file: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.problem}"


def inspect_database(folder: Path) -> list[Finding]:
    """Compare a run's whole database with its digests.

    Returns:
        What is damaged or lost; one finding of the whole file where that cannot be read.

    Raises:
        UsageError: there is no run in the folder.
    """
    try:
        with closing(present_layout(folder, read_database(folder))) as db:
            return [_finding(found) for found in _all_damage(db)]
    except DataError as error:
        said = one_line(error.__cause__) if error.__cause__ else str(error)
        return [Finding("run.db", said.split(";")[0], _SALVAGED)]


def inspect_audio(folder: Path, clips: Mapping[str, tuple[str, str]]) -> dict[str, Finding]:
    """Decode the audio of clips and compare it with its recorded hash.

    Args:
        folder: the run's.
        clips: path and content hash by id.

    Returns:
        By id, what is wrong with the audio of a clip.
    """

    def inspected(clip: tuple[str, str]) -> Finding | None:
        path, content = clip
        if not (folder / path).exists():
            return Finding(path, "lost", "the clip is made again by 'tunebench run'")
        try:
            made_audio(folder / path, content)
        except DataError as error:
            problem = str(error).removeprefix(f"{folder / path}: ").split(";")[0]
            return Finding(path, problem, "moved to audio/unknown; the clip is made again by 'tunebench run'")
        return None

    # Decoding and hashing leave the interpreter to other threads.
    with ThreadPoolExecutor(min(8, usable_cores())) as threads:
        found = threads.map(inspected, clips.values())
        return {id: finding for id, finding in zip(clips, found, strict=True) if finding is not None}


def inspect_orphans(folder: Path, clips: Mapping[str, tuple[str, str]]) -> list[Finding]:
    """Return the audio files without a row; ``clips`` is the result of `recorded_audio`.

    Files that were set aside earlier are left out.
    """
    known = {path.casefold() for path, _ in clips.values()}
    found = sorted(file.relative_to(folder).as_posix() for file in (folder / "audio").glob("*/*.flac"))
    remedy = f"kept if its label names its clip; otherwise moved to {UNKNOWN}"
    return [
        Finding(path, "no row in run.db refers to this file", remedy)
        for path in found
        if path.casefold() not in known and not path.startswith(f"{UNKNOWN}/") and not Path(path).name.startswith(".")
    ]


def recorded_audio(folder: Path) -> dict[str, tuple[str, str]]:
    """Return by id the path and content hash of all clips whose audio should exist; empty if that is unreadable."""
    try:
        with closing(read_database(folder)) as db:
            rows = db.execute("SELECT id, path, content FROM clips WHERE content IS NOT NULL ORDER BY rowid")
            return {id: (path, content) for id, path, content in rows}
    except (DataError, sqlite3.Error):
        return {}


def _all_damage(db: sqlite3.Connection) -> Iterator[Mismatch | str]:
    """Yield the damage of every table, including unreadable ones."""
    for table in (SCHEMA, *digested_tables(db)):
        try:
            yield from damage_of(db, table)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            yield f"{table}: {error}"


def _finding(found: Mismatch | str) -> Finding:
    if isinstance(found, str):
        return Finding("run.db", found, _REMEDIES[SCHEMA])
    remedy = "rewritten" if found.kind == "digest" else _REMEDIES.get(found.table, _AGAIN)
    return Finding("run.db", str(found), remedy)
