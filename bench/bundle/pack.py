"""Bundles: a run in one file, with all that it takes to compute its tables again from the audio.

Unpacked, a bundle is a run folder, but for the embeddings, which are made of the audio. ``bundle.json``, the last file
in it, describes the others and what they were made with.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bundle.names import (
    CONFIG,
    DATABASE,
    ENDING,
    FORMAT,
    INDEX,
    LEADERBOARD,
    SCORES,
    audio_name,
    is_hash,
    is_known,
    reference_name,
)
from bench.bundle.run_rows import copy_rows
from bench.bundle.zip_file import write_files
from bench.config import load_config
from bench.database import explained, read_database
from bench.environment import environment
from bench.errors import DataError, TunebenchError, UsageError
from bench.export.clip_table import clip_table, written
from bench.leaderboard import read_board, read_cells, records
from bench.progress import Progress, Silent
from bench.protocol import protocol_of
from bench.reference import load_reference
from bench.reference_search import files_at
from bench.registry import installed
from bench.store import Store
from bench.summary import read_columns, read_set_scores
from bench.whole_file import replacing

_UNSCORED = (
    "SELECT COUNT(*) FROM clips JOIN metrics ON shown AND NOT of_sets WHERE state = 'made' AND NOT EXISTS (SELECT 1 "
    "FROM scores WHERE clip = clips.id AND metric = name AND scores.version = metrics.version "
    "AND scores.params_hash = metrics.params_hash AND scores.embedder = metrics.embedder)"
)
GROUPINGS = ("all", "genre", "level")


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written: where, its size in bytes, the clips in it, and how many planned ones are not."""

    path: Path
    size: int
    clips: int
    lacking: int


def pack(folder: Path, file: Path | None = None, partial: bool = False, progress: Progress | None = None) -> Bundle:
    """Pack a run folder; a driver may be at work in it. The same run gives the same bytes where versions are the same.

    Args:
        folder: the run.
        file: where the bundle goes; by default into the working folder, under the run's name.
        partial: pack a run of which clips are missing.
        progress: shows how far it is.

    Raises:
        UsageError: no run in the folder, clips are missing and ``partial`` is false, or the disk does not take it.
        DataError: a file that belongs to the run is gone, or the run holds no clips.
    """
    name = folder.resolve().name
    file = Path(f"{name}{ENDING}") if file is None else file
    progress = progress or Silent()
    with tempfile.TemporaryDirectory(prefix="tunebench-") as scratch:
        copy = Path(scratch)
        source = read_database(folder)
        try:
            with explained(folder):
                copy_rows(source, copy)
        finally:
            source.close()
        (copy / LEADERBOARD).write_bytes(leaderboard_json(copy, folder))
        with Store.read(copy) as store:
            clips = _audio(store, folder)
            (planned,) = store.rows("SELECT COUNT(*) FROM clips")[0]
            _refuse_holes(folder, len(clips), planned, partial)
            _refuse_unscored(folder, store)
            (copy / SCORES).write_bytes(written(clip_table(store), "csv"))
            about = _about(name, store, len(clips), planned)
            files: dict[str, Path] = {
                **clips,
                **_references(store, folder),
                CONFIG: folder / CONFIG,
                **{made: copy / made for made in (DATABASE, LEADERBOARD, SCORES)},
            }
        _refuse_gone(folder, files)
        progress.begin("packing", len(files), 0)
        try:
            with replacing(file) as temporary:
                _write(temporary, files, about, progress)
            return Bundle(file, file.stat().st_size, len(clips), planned - len(clips))
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror or error}; name another file") from error


def leaderboard_json(folder: Path, tested: Path | None = None) -> bytes:
    """The leaderboard's records over all prompts, then by genre, then by level, each with its ``grouping``.

    ``tested`` is a run folder with the embeddings that ranks by set metrics are tested on, if not this one.
    """
    board = read_board(tested or folder)
    found: list[dict[str, Any]] = []
    with Store.read(folder) as store:
        protocol = protocol_of(store)
    for grouping in GROUPINGS:
        cells = read_cells(folder, None if grouping == "all" else grouping)
        own = [cell for cell in cells if grouping == "all" or cell.group != "all"]
        found += [{"grouping": grouping, **record} for record in records(own, board.ranks, protocol)]
    return (json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write(path: Path, files: Mapping[str, Path], about: Mapping[str, Any], progress: Progress) -> None:
    described: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(path, "w") as archive:
        for name, packed in write_files(archive, sorted(files.items())):
            described[name] = packed._asdict()
            progress.advance(1)
        index = json.dumps({**about, "files": described}, indent=1, ensure_ascii=False, allow_nan=False)
        list(write_files(archive, [(INDEX, f"{index}\n".encode())]))


def _about(name: str, store: Store, clips: int, planned: int) -> dict[str, Any]:
    protocol = protocol_of(store)
    models = store.rows("SELECT label, fingerprint, identity FROM models ORDER BY position")
    return {
        "format": FORMAT,
        "name": name,
        "protocol": {"id": protocol.id, "line": protocol.line, "content": protocol.content},
        "models": [
            {"model": label, "fingerprint": print_, "identity": json.loads(identity)}
            for label, print_, identity in models
        ],
        "clips": clips,
        "planned": planned,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """What the numbers rest on here, by name: tunebench, Python, processor, and libraries."""
    facts = environment()
    libraries = (item.rpartition(" ") for item in facts.get("libraries", "").split(", ") if item)
    kept = ("tunebench", "python", "machine", "processor")
    return {**{n: facts[n] for n in kept if n in facts}, **{name: version for name, _, version in libraries}}


def _audio(store: Store, folder: Path) -> dict[str, Path]:
    found = {}
    for clip in store.made():
        # Nothing is packed under a name that is not our own, nor from a place that a database alone vouches for.
        if not is_hash(clip.id) or clip.path != audio_name(clip.model, clip.id) or not is_known(clip.path):
            raise DataError(
                f"{folder}: the clip {clip.id[:16]!r} lies at {clip.path[:200]!r}, where no clip of ours is"
            )
        found[clip.path] = folder / clip.path
    return found


def _refuse_holes(folder: Path, made: int, planned: int, partial: bool) -> None:
    if not made:
        raise DataError(f"{folder}: no clip is made yet; make them with 'tunebench run'")
    if made < planned and not partial:
        raise UsageError(
            f"{planned - made} of {planned} clips in {folder} are not made; make them with 'tunebench run', or pack "
            "what there is with --partial"
        )


def _refuse_unscored(folder: Path, store: Store) -> None:
    """A table with a hole that scoring would fill does not come out of the audio again."""
    (absent,) = store.rows(_UNSCORED)[0]
    of_sets = [column.ref for column in read_columns(store) if column.of_sets]
    compared = read_set_scores(store, None)
    models = {clip.model for clip in store.made()}
    absent += sum((model, ref, "all") not in compared for model in models for ref in of_sets)
    if absent:
        raise UsageError(f"{absent} scores in {folder} are not computed yet; run 'tunebench score {folder}' first")


def _refuse_gone(folder: Path, files: Mapping[str, Path]) -> None:
    gone = [name for name, path in files.items() if not path.is_file()]
    if gone:
        more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
        raise DataError(f"{folder}: {gone[0]} is gone{more}; run the command that made the run once more")


def _references(store: Store, folder: Path) -> dict[str, Path]:
    """The files of the references that shown metrics compare with, found by their content."""
    rows = store.rows("SELECT DISTINCT reference, reference_name FROM metrics WHERE shown AND reference != ''")
    wanted: dict[str, str] = dict(rows)
    found: dict[str, Path] = {}
    configured = load_config(folder / CONFIG).reference if (folder / CONFIG).exists() else ""
    places: list[str | Path] = [folder / "references", configured, *installed("reference")]
    for path in (path for place in places if place and len(found) < len(wanted) for path in files_at(place)):
        try:
            fingerprint = load_reference(path).fingerprint
        except TunebenchError:
            continue  # it lies there and is none
        if fingerprint in wanted:
            found.setdefault(reference_name(fingerprint), path)
    for fingerprint, name in wanted.items():
        if reference_name(fingerprint) not in found:
            raise DataError(
                f"{folder}: the reference '{name}' that it was compared with is nowhere as it was; compare with what "
                "there is now by 'tunebench score'"
            )
    return found
