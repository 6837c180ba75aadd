"""Bundles: a run in one file, with everything needed to recompute its tables from the audio.

Unpacked, a bundle is a run folder, except for embeddings, which are recomputed. ``bundle.json``, the last file
in it, describes the others and the versions that made them.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.atomic_write import replacing
from bench.bundle.consistency import wrong_configuration
from bench.bundle.copy_rows import copy_rows
from bench.bundle.submitter import SUBMITTER
from bench.bundle.zip_file import write_files
from bench.config.run_config import load_config
from bench.contracts.plugins import installed
from bench.environment import environment
from bench.errors import DataError, UsageError
from bench.leaderboard.render import read_board, read_cells, records
from bench.number_format import counted, first_few, plural
from bench.paths import StrPath
from bench.planning.metric_plan import embedding_key
from bench.progress import Progress, ProgressOption, shown
from bench.references.find import find_by_fingerprint
from bench.scores.aggregate import read_columns, read_set_scores
from bench.scores.clip_table import clip_table, written
from bench.scores.protocol import Protocol, protocol_of
from bench.storage.clip_file import made_files
from bench.storage.database import explained, present_layout, read_database
from bench.storage.failures import Failure
from bench.storage.layout import (
    CONFIG,
    DATABASE,
    ENDING,
    FORMAT,
    IMPORTED,
    INDEX,
    LEADERBOARD,
    SCORES,
    reference_name,
)
from bench.storage.own_clips import own_clips
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import unscored
from bench.storage.store import Store

_UNEMBEDDED = (
    "SELECT COUNT(*) FROM clips WHERE state = 'made' AND content NOT IN "
    "(SELECT content FROM embeddings WHERE embedder = ? AND view = ?)"
)
GROUPINGS = ("all", "genre", "level")


@dataclass(frozen=True)
class Bundle:
    """A written bundle.

    Attributes:
        path: its path.
        size: in bytes.
        clips: number of clips in it.
        lacking: number of planned clips not in it.
        failures: failures in the run, without a score in the bundle.
    """

    path: Path
    size: int
    clips: int
    lacking: int
    failures: tuple[Failure, ...]


def pack(
    folder: StrPath,
    file: StrPath | None = None,
    partial: bool = False,
    progress: ProgressOption = None,
    submitter: Mapping[str, str] | None = None,
) -> Bundle:
    """Pack a run folder, which may be in use. The same run and versions give the same bytes.

    Args:
        folder: the run.
        file: path of the bundle: a file, or a folder for a file named after the run; by default the working folder.
        partial: pack a run of which clips are missing.
        progress: receives the progress.
        submitter: who packs it, from `bench.bundle.submitter.describe_submitter`, shown on leaderboards.

    Raises:
        UsageError: the folder is not a run, clips are missing and ``partial`` is false, or it cannot be written.
        DataError: a file of the run is missing or has other audio, its rows are inconsistent, or it has no clips.
    """
    folder = Path(folder)
    name = folder.resolve().name
    source = present_layout(folder, read_database(folder))
    with shown(progress) as progress, tempfile.TemporaryDirectory(prefix="tunebench-") as scratch:
        copy = Path(scratch)
        try:
            target = _target(Path(file or ""), name)
            _copy_checked(folder, source, copy)
        finally:
            source.close()
        with Store.read(copy) as store:
            clips = {clip.path: clip.content for clip in own_clips(store)}
            (planned,) = store.rows("SELECT COUNT(*) FROM clips")[0]
            _refuse_holes(folder, len(clips), planned, partial)
            _refuse_other_configuration(folder, store)
            _refuse_unscored(folder, store)
            protocol = protocol_of(store)
            found = leaderboard_records(copy, folder, protocol, progress)
            (copy / LEADERBOARD).write_bytes(_json(found))
            (copy / SCORES).write_bytes(written(clip_table(store), "csv"))
            failures = tuple(store.failures())
            about = {**describe(name, store, protocol), "versions": versions()}
            if submitter:
                about[SUBMITTER] = dict(submitter)
            files: dict[str, Path] = {
                **{path: folder / path for path in clips},
                **_references(store, folder),
                CONFIG: folder / CONFIG,
                **{made: copy / made for made in (DATABASE, LEADERBOARD, SCORES)},
            }
        _refuse_gone(folder, files)
        progress.begin("packing files", len(files), 0)
        try:
            with replacing(target) as temporary:
                _write(temporary, files, clips, about, progress)
            return Bundle(target, target.stat().st_size, len(clips), planned - len(clips), failures)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {error.strerror or error}; name another file") from error


def _copy_checked(folder: Path, source: sqlite3.Connection, copy: Path) -> None:
    """Write the rows of a run for a bundle into a folder.

    Raises:
        DataError: they are inconsistent, or a clip has an unknown model or prompt.
    """
    try:
        with Store.read(folder) as store:
            own_clips(store)
            store.check("notes")
        with explained(folder):
            copy_rows(source, copy)
    except DataError as error:
        said = str(error)
        raise DataError(said if str(folder) in said else f"{folder}/run.db is damaged: {said}") from error.__cause__


def leaderboard_records(
    folder: Path, tested: Path, protocol: Protocol, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Return the leaderboard's records over all prompts, then by genre, then by level, each with its ``grouping``.

    Args:
        folder: the run folder.
        tested: a run folder with the embeddings that ranks by set metrics are tested on.
        protocol: of the run.
        progress: receives the progress of the tests.
    """
    ranks = read_board(tested, progress=progress).ranks
    found: list[dict[str, Any]] = []
    for grouping in GROUPINGS:
        cells = read_cells(folder, None if grouping == "all" else grouping)
        own = [cell for cell in cells if grouping == "all" or cell.group != "all"]
        for record in records(own, ranks, protocol):
            # Families are declared and cannot be recomputed from audio; the database has them.
            for name in ("families", "disputed"):
                del record[name]
            found.append({"grouping": grouping, **record})
    return found


def describe(name: str, store: Store, protocol: Protocol) -> dict[str, Any]:
    """Return the index's facts on a run besides files and versions; all except the name follow from the run.

    Args:
        name: of the run.
        store: the run.
        protocol: of its tables.

    Returns:
        ``format``, ``name``, ``protocol``, ``models``, and the number of ``clips`` there are and of those ``planned``.
    """
    models = store.rows("SELECT label, fingerprint, identity FROM models ORDER BY position")
    (clips,), (planned,) = (
        store.rows(f"SELECT COUNT(*) FROM clips WHERE {which}")[0] for which in ("state = 'made'", "true")
    )
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
    }


def _write(
    path: Path, files: Mapping[str, Path], clips: Mapping[str, str], about: Mapping[str, Any], progress: Progress
) -> None:
    """Write the files, those of clips once they are checked: ``clips`` has their content hashes by name."""
    described: dict[str, dict[str, Any]] = {}
    audio = made_files([(files[name], clips[name]) for name in sorted(clips)])
    contents = ((name, next(audio) if name in clips else file) for name, file in sorted(files.items()))
    with zipfile.ZipFile(path, "w") as archive:
        for name, packed in write_files(archive, contents):
            described[name] = packed._asdict()
            progress.advance(1)
        list(write_files(archive, [(INDEX, _json({**about, "files": described}))]))


def versions() -> dict[str, str]:
    """Return the versions behind the numbers, by name: tunebench, Python, processor, and libraries."""
    facts = environment()
    libraries = (item.rpartition(" ") for item in facts.get("libraries", "").split(", ") if item)
    kept = ("tunebench", "python", "machine", "processor")
    return {**{n: facts[n] for n in kept if n in facts}, **{name: version for name, _, version in libraries}}


def _json(content: Any) -> bytes:
    return f"{json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)}\n".encode()


def _target(file: Path, name: str) -> Path:
    """Return the path of the bundle after checking it, before hours of work."""
    file = file / f"{name}{ENDING}" if file.is_dir() else file
    if file.is_dir():
        raise UsageError(f"{file} is a folder; name another file")
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: no permission to write to {file.parent}; name another file")
    return file


def _refuse_holes(folder: Path, made: int, planned: int, partial: bool) -> None:
    if not made:
        raise DataError(f"{folder}: no clips have been made yet; make them with 'tunebench run'")
    if made < planned and not partial:
        raise UsageError(
            f"{planned - made} of {planned} clips in {folder} are not made; make them with 'tunebench run', or pack "
            "what there is with --partial"
        )


def _refuse_other_configuration(folder: Path, store: Store) -> None:
    """Refuse a configuration that lacks a row of the tables."""
    if (folder / CONFIG).exists():
        rows = store.rows("SELECT plugin, params FROM metrics WHERE shown ORDER BY position")
        shown = [plugin for plugin, params in rows if IMPORTED not in json.loads(params)]
        for line in wrong_configuration(load_config(folder / CONFIG), store, shown):
            raise UsageError(f"{folder}/{line}; repeat the command that made or scored it")


def _refuse_unscored(folder: Path, store: Store) -> None:
    """Refuse a run with missing scores or tests, as its tables could not be reproduced."""
    imported = {metric.ref for metric in shown_metrics(store) if IMPORTED in metric.params}
    lacking = unscored(store)
    absent = sum(one.metric not in imported for one in lacking)
    of_sets = [column.ref for column in read_columns(store) if column.of_sets]
    compared = read_set_scores(store, None)
    models = {clip.model for clip in store.made()}
    absent += sum((model, ref, "all") not in compared for model in models for ref in of_sets)
    if absent:
        raise UsageError(f"{absent} scores in {folder} are not computed yet; run 'tunebench score {folder}' first")
    for column in sorted(imported):
        clips = [f"{one.model} {one.prompt} (seed {one.seed})" for one in lacking if one.metric == column]
        if clips:
            raise UsageError(
                f"{counted(len(clips), 'clip')} in {folder} {plural(len(clips), 'is', 'are')} not in the file that "
                f"'{column}' was imported from: {', '.join(first_few(clips, 3))}; import a file with their scores by "
                f"'tunebench score {folder} --import FILE --column {column},…', or the same file to store these as "
                "undefined"
            )
    with Store.read(folder) as original:
        if bare := _unembedded(original):
            raise UsageError(f"{bare} clips in {folder} are not embedded; run 'tunebench score {folder}' first")


def _unembedded(store: Store) -> int:
    """Return the number of clips without a row for the embedder of a shown set metric; failures have a row."""
    pairs = store.rows("SELECT DISTINCT embedder, view FROM embeddings")
    held = {embedding_key([embedder], view): (embedder, view) for embedder, view in pairs}
    wanted = store.rows("SELECT DISTINCT embedder FROM metrics WHERE shown AND of_sets")
    return max((store.rows(_UNEMBEDDED, held.get(key, ("", "")))[0][0] for (key,) in wanted), default=0)


def _refuse_gone(folder: Path, files: Mapping[str, Path]) -> None:
    gone = [name for name, path in files.items() if not path.is_file()]
    if gone:
        more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
        raise DataError(f"{folder}: {gone[0]} is missing{more}; repeat the command that made the run")


def _references(store: Store, folder: Path) -> dict[str, Path]:
    """Return the files of the references that shown metrics compare with, by content."""
    rows = store.rows("SELECT DISTINCT reference, reference_name FROM metrics WHERE shown AND reference != ''")
    wanted: dict[str, str] = dict(rows)
    configured = load_config(folder / CONFIG).reference if (folder / CONFIG).exists() else ""
    places: list[str | Path] = [folder / "references", configured, *installed("reference")]
    found = find_by_fingerprint(wanted, filter(None, places))
    for fingerprint, name in wanted.items():
        if fingerprint not in found:
            raise DataError(
                f"{folder}: the reference '{name}' behind its scores was changed or is gone; restore it, or run "
                f"'tunebench score {folder}' to use the present one"
            )
    return {reference_name(fingerprint): path for fingerprint, (path, _) in found.items()}
