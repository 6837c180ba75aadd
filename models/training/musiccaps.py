"""MusicCaps: 5,521 captioned clips of ten seconds, of which only the list is published (Agostinelli et al. 2023,
"MusicLM", arXiv:2301.11325). The audio is the reader's own, and every year less of it can be had."""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from pathlib import Path

from bench.errors import DataError, UsageError
from bench.recordings import ENDINGS
from models.training.dataset import Example, Skipped
from models.training.examples import Listing, caption_problem, file_problem, home_of, skip
from models.training.tables import TableRow, csv_columns, read_table

COLUMNS = ("ytid", "start_s", "end_s", "caption", "is_audioset_eval")
_YTID = re.compile(r"[A-Za-z0-9_-]{11}")


def is_musiccaps(path: Path) -> bool:
    """Whether a CSV file is keyed by ytid, as MusicCaps' list is."""
    return "ytid" in csv_columns(path)


def list_musiccaps(path: Path, audio: Path | None) -> Listing:
    """The clips of a list whose audio lies in a folder as ``<ytid>.wav``, or with another ending of audio.

    The recording is the ytid. A clip without a file is absent, not unusable.

    Args:
        path: MusicCaps' CSV file, whole or in part.
        audio: the folder.

    Raises:
        UsageError: no folder is named.
        DataError: a mistake in the list, two files for one clip, or no file at all.
    """
    if audio is None:
        raise UsageError("data: MusicCaps has no audio of its own; name the folder of <ytid>.wav files as 'audio'")
    table = read_table(path)
    for column in COLUMNS:
        table.column(column)
    files = _files(audio)
    home = home_of(audio)
    examples: list[Example] = []
    absent: list[Skipped] = []
    unusable: list[Skipped] = []
    longest: dict[str, float] = {}
    evaluation: dict[str, bool] = {}
    for row in table.rows:
        ytid = row.text("ytid")
        if not _YTID.fullmatch(ytid):
            raise DataError(f"{row.place}: ytid is {ytid[:40]!r}, must be 11 letters, digits, '-' or '_'")
        if ytid in evaluation:
            contradiction = evaluation[ytid] != _flag(row)
            more = ", and once for evaluation, once not: a leak" if contradiction else ""
            raise DataError(f"{row.place}: {ytid} is listed twice{more}")
        evaluation[ytid] = _flag(row)
        caption = " ".join(row.text("caption").split())
        file = files.get(ytid)
        if file is None:
            absent.append(Skipped(ytid, "no audio file"))
        elif problem := file_problem(file, home) or caption_problem(caption):
            unusable.append(skip(ytid, problem))
        else:
            examples.append(Example(ytid, ytid, file, caption, evaluation=evaluation[ytid]))
            longest[ytid] = _seconds(row, "end_s") - _seconds(row, "start_s")
    if not examples and not unusable:
        raise DataError(f"{audio}: none of the {len(table.rows)} clips of {path.name} is there, as <ytid>.wav or alike")
    about = {
        "listed": len(table.rows),
        "missing": len(absent),
        "listed_for_evaluation": sum(evaluation.values()),
        "unlisted_files": len(files.keys() - evaluation.keys()),
        "list_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "captions": "MusicCaps (Agostinelli et al. 2023), CC-BY-SA-4.0",
        "recording": "the ytid",
    }
    return Listing("MusicCaps", tuple(examples), tuple(unusable), tuple(absent), longest, about)


def _files(folder: Path) -> dict[str, Path]:
    # Names are compared as listed: some file systems take aBc for abc, which are two clips.
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ENDINGS:
            found[path.stem].append(path)
    for ytid, paths in found.items():
        if len(paths) > 1 and _YTID.fullmatch(ytid):
            raise DataError(f"two files for one clip: '{paths[0]}' and '{paths[1]}'; remove one")
    return {ytid: paths[0] for ytid, paths in found.items()}


def _flag(row: TableRow) -> bool:
    word = row.text("is_audioset_eval").lower()
    if word not in ("true", "false"):
        raise DataError(f"{row.place}: is_audioset_eval is '{word[:40]}', must be True or False")
    return word == "true"


def _seconds(row: TableRow, column: str) -> float:
    try:
        seconds = float(row.text(column))
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise DataError(f"{row.place}: {column} is '{row.text(column)[:40]}', must be a number of seconds")
    return seconds
