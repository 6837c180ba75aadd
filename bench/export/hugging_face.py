"""Clips with their scores as a Hugging Face ``audiofolder``: audio, one table of metadata, a card, and Croissant.

The metadata are Parquet, so that types survive: a column that is null in its first ten thousand rows, a prompt that
reads like a date or like ``NA``, a seed of 63 bits.

Files are named by nothing but digits and the first digits of their clip: the loader takes a folder named ``test`` for a
split. They are copies, since people edit what they have exported, and a run's audio is never rewritten.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.atomic_write import replace_file, replacing
from bench.errors import DataError, UsageError, suggestion
from bench.export.croissant import croissant
from bench.export.dataset_card import column_meanings, dataset_card, described
from bench.leaderboard.render import read_cells
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.regular_file import read_bytes
from bench.scores.aggregate import Cell
from bench.scores.clip_table import clip_table, written
from bench.scores.protocol import protocol_of
from bench.storage.clip_file import made_files
from bench.storage.own_clips import own_clips
from bench.storage.store import Store, StoredClip

if TYPE_CHECKING:
    import pandas as pd

METADATA = "metadata.parquet"
CARD = "README.md"
CROISSANT = "croissant.json"
_MARK = ".tunebench-export.json"  # marks a folder as ours, with its audio files
_AUDIO = re.compile(r"audio/[0-9a-f]{2}/[0-9a-f]{16}\.flac")
_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}")


@dataclass(frozen=True)
class Exported:
    """Numbers of clips in the folder, of planned clips not made, and of removed older ones."""

    clips: int
    lacking: int
    removed: int


def export(
    run: StrPath,
    folder: StrPath,
    models: Collection[str] = (),
    licence: str = "other",
    progress: ProgressOption = None,
) -> Exported:
    """Write the made clips of a run as a dataset; an older export in the folder is updated.

    The metadata and the card are written last, so that a folder with them is complete.

    Args:
        run: a run folder.
        folder: a new or empty folder, or an earlier export.
        models: only these models' clips.
        licence: the hub's identifier of the clips' license, such as ``cc-by-4.0``.
        progress: receives the progress.

    Raises:
        UsageError: no such run or model, the folder has other content, or cannot be written to.
        DataError: no clip is made, or the audio of one is missing, damaged or different.
    """
    if not _LICENCE.fullmatch(licence):
        raise UsageError(
            f"license {licence!r} is not one of the hub's identifiers; write it like 'cc-by-4.0' or 'other'"
        )
    run, folder = Path(run), Path(folder)
    with Store.read(run) as store:
        chosen = _chosen(store, run, models)
        table, about, protocol = clip_table(store), store.about(), protocol_of(store)
    files = {clip.path: _name(run, clip) for clip in chosen}
    if models:
        table = table[table["model"].isin(list(models))]
    planned = len(table)
    table = _metadata(table, files)
    cells = [cell for cell in read_cells(run) if not models or cell.model in models]
    card = dataset_card(
        run.resolve().name, about["suite"], protocol.line, cells, list(table.columns), len(table), licence
    )
    before = _ours(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _mark(folder, before | set(files.values()))
        with shown(progress) as told:
            _copy(run, folder, chosen, files, told)
        content = written(table, "parquet")
        with replacing(folder / METADATA) as temporary:
            temporary.write_bytes(content)
        about_files = _croissant(run, about["suite"], licence, content, cells, table)
        replace_file(folder / CROISSANT, json.dumps(about_files, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        replace_file(folder / CARD, card)
        gone = before - set(files.values())
        _remove(folder, gone)
        _mark(folder, set(files.values()))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}; the same command resumes") from error
    return Exported(len(table), planned - len(table), len(gone))


def _metadata(table: pd.DataFrame, files: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of the clips that are exported, with their files' names in the dataset first."""
    table = table[table["file"].isin(list(files))]
    table.insert(0, "file_name", table["file"].map(files).astype("string"))
    # A reason column may belong to another model, and all exported clips are made.
    empty = [name for name in table.columns if name.endswith(" reason") and table[name].isna().all()]
    return table.drop(columns=["file", "state", *empty])


def _croissant(
    run: Path, suite: str, licence: str, content: bytes, cells: Sequence[Cell], table: pd.DataFrame
) -> dict[str, Any]:
    """Return the Croissant metadata of the exported table with this file content."""
    meanings = column_meanings(cells, list(table.columns))
    meanings["file_name"] = "path of the clip's audio beside this file"
    columns = {name: (str(table[name].dtype), meanings.get(name, "")) for name in table.columns}
    metadata = METADATA, hashlib.sha256(content).hexdigest()
    return croissant(run.resolve().name, described(suite, len(table)), licence, metadata, columns)


def _chosen(store: Store, run: Path, models: Collection[str]) -> list[StoredClip]:
    known = store.labels()
    for name in models:
        if name not in known:
            raise UsageError(f"{run} has no model '{name}'{suggestion(name, known)}; it has {', '.join(known)}")
    chosen = [clip for clip in own_clips(store) if not models or clip.model in models]
    if not chosen:
        raise DataError(f"{run}: no clips have been made yet; make them with 'tunebench run'")
    return chosen


def _name(run: Path, clip: StoredClip) -> str:
    if not (run / clip.path).is_file():
        raise DataError(f"{run}: {clip.path} is missing; make it again with 'tunebench run'")
    return f"audio/{clip.id[:2]}/{clip.id[:16]}.flac"


def _ours(folder: Path) -> set[str]:
    """Return the audio files of an earlier export in a folder; empty if the folder is missing or empty."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    try:
        names = json.loads(read_bytes(folder / _MARK))["files"]
        # Even if the list was forged, only files with our names are removed.
        return {name for name in names if isinstance(name, str) and _AUDIO.fullmatch(name)}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(f"{folder} is not an export of tunebench; name a new folder") from None


def audio_of(folder: Path) -> list[str]:
    """Return the audio files of an exported dataset, relative to its folder.

    Raises:
        UsageError: the folder is not an export.
    """
    if not (folder / _MARK).is_file():
        raise UsageError(f"{folder} is not an export of tunebench")
    return sorted(_ours(folder))


def _mark(folder: Path, files: set[str]) -> None:
    replace_file(folder / _MARK, json.dumps({"format": 1, "files": sorted(files)}, indent=0))


def _copy(run: Path, folder: Path, clips: Sequence[StoredClip], files: Mapping[str, str], progress: Progress) -> None:
    progress.begin("copying clips", len(clips), 0)
    contents = made_files([(run / clip.path, clip.content) for clip in clips])
    for clip, content in zip(clips, contents, strict=True):
        target = folder / files[clip.path]
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(content)
        progress.advance(1)


def _remove(folder: Path, names: Collection[str]) -> None:
    for name in names:
        path = folder / name
        path.unlink(missing_ok=True)
        if path.parent.exists() and not any(path.parent.iterdir()):
            path.parent.rmdir()
