"""MusicCaps: 5,521 captioned clips of ten seconds, of which only the list is published (Agostinelli et al. 2023,
"MusicLM", arXiv:2301.11325). Users bring their own audio; every year fewer of the clips are available."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.errors import DataError, UsageError
from bench.recordings import ENDINGS
from models.training.dataset import Example, Skipped
from models.training.examples import Listing, caption_problem, file_problem, home_of, skip
from models.training.tables import TableRow, csv_columns, read_table

COLUMNS = ("ytid", "start_s", "end_s", "caption", "is_audioset_eval")
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")

# Names that downloaders give to a clip's file, without the ending. The Y before AudioSet's ids may begin an id as well.
_TIMES = r"(?P<start>\d+(?:\.\d+)?)[_-](?P<end>\d+(?:\.\d+)?)"
_NAMES = (
    re.compile(rf"(?P<ytid>{_YTID.pattern})(?:[_-]{_TIMES})?"),
    re.compile(rf"Y(?P<ytid>{_YTID.pattern})(?:[_-]{_TIMES})?"),
    re.compile(rf"(?:.* )?\[(?P<ytid>{_YTID.pattern})\](?:-\[{_TIMES}\])?"),
)


class _File(NamedTuple):
    """A file that may be a clip's, and the stretch of the recording that its name states, if it states one."""

    path: Path
    stretch: tuple[float, float] | None


def is_musiccaps(path: Path) -> bool:
    """Return whether a CSV file is keyed by ytid, as MusicCaps' list is."""
    return "ytid" in csv_columns(path)


def list_musiccaps(path: Path, audio: Path | None) -> Listing:
    """List the clips whose audio is in a folder, named as downloaders name it, with any audio ending.

    The names are ``<ytid>.wav``, ``Y<ytid>.wav``, or ``[<ytid>].wav`` also after a title, and each with the stretch of
    the recording, ``<ytid>_30_40.wav`` or ``[<ytid>]-[30-40].wav``, in seconds or milliseconds. A file of another
    stretch than the list's is another clip. The recording is the ytid. A clip without a file is absent, not unusable.

    Args:
        path: MusicCaps' CSV file, whole or in part.
        audio: the folder.

    Raises:
        UsageError: no folder is named.
        DataError: there is a mistake in the list, two files for one clip, or no file at all.
    """
    if audio is None:
        raise UsageError("data: MusicCaps has no audio of its own; name the folder of its clips as 'audio'")
    table = read_table(path)
    for column in COLUMNS:
        table.column(column)
    there = [path for path in sorted(audio.iterdir()) if path.suffix.lower() in ENDINGS]
    files = _by_ytid(there)
    home = home_of(audio)
    examples: list[Example] = []
    absent: list[Skipped] = []
    unusable: list[Skipped] = []
    longest: dict[str, float] = {}
    evaluation: dict[str, bool] = {}
    used: set[Path] = set()
    for row in table.rows:
        ytid = _new_id(row, evaluation)
        evaluation[ytid] = _flag(row)
        caption = " ".join(row.text("caption").split())
        stretch = _seconds(row, "start_s"), _seconds(row, "end_s")
        file = _file_of(stretch, files.get(ytid, []))
        if file is None:
            absent.append(Skipped(ytid, _nothing(stretch, files.get(ytid, []))))
            continue
        used.add(file)
        if problem := file_problem(file, home) or caption_problem(caption):
            unusable.append(skip(ytid, problem))
        else:
            examples.append(Example(ytid, ytid, file, caption, evaluation=evaluation[ytid]))
            longest[ytid] = stretch[1] - stretch[0]
    if not examples and not unusable:
        raise DataError(
            f"{audio}: none of the {len(table.rows)} clips of {path.name} is there, as <ytid>.wav, Y<ytid>.wav, "
            f"<ytid>_30_40.wav or [<ytid>]-[30-40].wav; of the first one, {absent[0].id}, there is {absent[0].why}"
        )
    about = {
        "listed": len(table.rows),
        "missing": len(absent),
        "listed_for_evaluation": sum(evaluation.values()),
        "unlisted_files": len(set(there) - used),
        "list_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "captions": "MusicCaps (Agostinelli et al. 2023), CC-BY-SA-4.0",
        "recording": "the ytid",
    }
    return Listing("MusicCaps", tuple(examples), tuple(unusable), tuple(absent), longest, about)


def _new_id(row: TableRow, before: Mapping[str, bool]) -> str:
    """Return the id of a row, which no earlier row has; the earlier ones are given with whether they are for
    evaluation."""
    ytid = row.text("ytid")
    if not _YTID.fullmatch(ytid):
        raise DataError(f"{row.place}: ytid is {ytid[:40]!r}, must be 11 letters, digits, '-' or '_'")
    if ytid in before:
        more = ", and once for evaluation, once not: a leak" if before[ytid] != _flag(row) else ""
        raise DataError(f"{row.place}: {ytid} is listed twice{more}")
    return ytid


def ids_in_name(stem: str) -> dict[str, tuple[float, float] | None]:
    """Return the ids that a file's name, without its ending, may hold, each with the stretch stated beside it."""
    names = filter(None, (pattern.fullmatch(stem) for pattern in _NAMES))
    return {
        name["ytid"]: (float(name["start"]), float(name["end"])) if name["start"] is not None else None
        for name in names
    }


def _by_ytid(paths: Sequence[Path]) -> dict[str, list[_File]]:
    """Return the files that may be clips of each ytid."""
    # Names are compared as listed: some file systems take aBc for abc, which are two clips.
    found: defaultdict[str, list[_File]] = defaultdict(list)
    for path in paths:
        for ytid, stretch in ids_in_name(path.stem).items():
            found[ytid].append(_File(path, stretch))
    return found


def _file_of(stretch: tuple[float, float], files: Sequence[_File]) -> Path | None:
    """Return the file of a clip among those of its recording."""
    milliseconds = (1000 * stretch[0], 1000 * stretch[1])
    paths = [file.path for file in files if file.stretch in (None, stretch, milliseconds)]
    if len(paths) > 1:
        raise DataError(f"two files for one clip: '{paths[0]}' and '{paths[1]}'; remove one")
    return paths[0] if paths else None


def _nothing(stretch: tuple[float, float], files: Sequence[_File]) -> str:
    others = f" of {stretch[0]:g} to {stretch[1]:g} s, only {files[0].path.name}" if files else ""
    return f"no audio file{others}"


def _flag(row: TableRow) -> bool:
    word = row.text("is_audioset_eval").lower()
    if word not in ("true", "false"):
        raise DataError(f"{row.place}: is_audioset_eval is '{word[:40]}', must be True or False")
    return word == "true"


def _seconds(row: TableRow, column: str) -> float:
    try:
        seconds = float(row.text(column).replace(",", "."))  # a list with semicolons has decimal commas
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise DataError(f"{row.place}: {column} is '{row.text(column)[:40]}', must be a number of seconds")
    return seconds
