"""Audio files without a row in a run folder: adopted if their label identifies a clip, else set aside.

A run that was killed between a file and its row leaves such audio, and so does a database that was put back from a
backup or lost its write-ahead log. Whole audio is never removed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.storage.clip_file import THREADS, read_clip, read_label
from bench.storage.task_results import ClipMade

UNKNOWN = "audio/unknown"

# Only files with names that we give are ever touched.
_CLIP = re.compile(r"[0-9a-f]{16}\.flac")
_PART = re.compile(r"\.[0-9a-f]{16}\.flac\.\d+\.part")


@dataclass(frozen=True)
class Settled:
    """The result for audio without a row.

    Attributes:
        adopted: clips whose files are whole and in their place, to be recorded.
        set_aside: where the other files lie now, relative to the run folder.
    """

    adopted: Sequence[ClipMade] = ()
    set_aside: Sequence[str] = ()

    @property
    def told(self) -> str:
        """A message for the user; empty if nothing was set aside."""
        if not self.set_aside:
            return ""
        many = len(self.set_aside)
        what = "1 audio file belongs" if many == 1 else f"{many} audio files belong"
        return (
            f"{what} to no clip of this run or differ from their label, and were moved to {UNKNOWN} "
            f"({self.set_aside[0].rpartition('/')[2]}{', …' if many > 1 else ''}); if run.db was restored from a "
            "backup, 'tunebench check run --repair' says more"
        )


def settle_orphans(folder: Path, known: Collection[str], wanted: Mapping[str, str]) -> Settled:
    """Adopt or set aside each audio file without a row, and remove remains of interrupted writes.

    A file is a clip's if its label names the clip and its samples are the ones that the label names. One in another
    clip's place, or set aside earlier, is moved to its own place if nothing is there.

    Args:
        folder: the run's.
        known: paths that rows vouch for, relative to ``folder``.
        wanted: by id, the paths of the clips that have no audio yet.

    Raises:
        OSError: a file cannot be moved.
    """
    misplaced = [path for path in _without_row(folder, known) if wanted.get(_named_by(folder / path)) != path]
    aside = [set_aside(folder, path) for path in misplaced]
    places = [path for path in wanted.values() if (folder / path).is_file()]
    for path in sorted(_unknown(folder)) if len(places) < len(wanted) else ():
        target = wanted.get(_named_by(folder / path))
        if target and not (folder / target).exists():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).rename(folder / target)
            places.append(target)
    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(read_clip, (folder / path for path in places)))
    for path, clip in zip(places, found, strict=True):
        if clip is None:
            aside.append(set_aside(folder, path))
    moved = [path for path in dict.fromkeys(aside) if (folder / path).exists()]
    return Settled([clip for clip in found if clip is not None], moved)


def _without_row(folder: Path, known: Collection[str]) -> list[str]:
    # Where a disk knows no case, the folder of the models "A" and "a" is one, and listed under one of the names.
    ours = {path.casefold() for path in known}
    found: list[str] = []
    for path in audio_files(folder):
        name = path.rpartition("/")[2]
        if _PART.fullmatch(name):
            (folder / path).unlink(missing_ok=True)
        elif _CLIP.fullmatch(name) and path.casefold() not in ours:
            found.append(path)
    return sorted(found)


def audio_files(folder: Path) -> Iterator[str]:
    """Yield every file of the audio of a run, relative to its folder; as text, since there may be very many."""
    with suppress(FileNotFoundError), os.scandir(folder / "audio") as models:
        for model in models:
            if model.is_dir():
                with os.scandir(model.path) as files:
                    yield from (f"audio/{model.name}/{file.name}" for file in files)


def _unknown(folder: Path) -> Iterator[str]:
    return (f"{UNKNOWN}/{file.name}" for file in (folder / UNKNOWN).glob("*-*.flac"))


def _named_by(file: Path) -> str:
    label = read_label(file)
    return label.clip if label else ""


def set_aside(folder: Path, path: str) -> str:
    """Move an audio file out of the clips' folders, keeping its path in the name; return its new path.

    Args:
        folder: the run's.
        path: ``audio/MODEL/NAME``, relative to ``folder``, as the new path is.

    Raises:
        OSError: it cannot be moved.
    """
    _, model, name = path.split("/")
    stem = f"{model}-{name.removesuffix('.flac')}"
    target, number = f"{UNKNOWN}/{stem}.flac", 1
    while (folder / target).exists():
        number += 1
        target = f"{UNKNOWN}/{stem}-{number}.flac"
    (folder / UNKNOWN).mkdir(exist_ok=True)
    (folder / path).rename(folder / target)
    return target
