"""The clip map: a table with the prompt and model of each clip, file or question of a survey.

Its columns are ``clip`` (the label that listeners saw), ``file`` and ``question`` (the text of a question or the name
of its column), of which one is enough, and ``prompt``, ``model``, ``genre``, ``scale`` and ``seed``, of which prompt
and model are needed. A row with an empty ``model`` is a clip that is not compared, such as one for
practice. A row with only a question and a scale names the scale of a column of ratings, or of its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bench.errors import DataError
from bench.survey.forms.column_names import plain
from bench.survey.forms.table_file import read_table

_KEYS = ("clip", "file", "question")
_FACTS = ("prompt", "model", "genre", "scale", "seed")
EXAMPLE = "clip,file,question,prompt,model,genre,scale,seed"


class Clip(NamedTuple):
    """Facts about a clip; "" if unknown, and no model if the clip is not compared."""

    prompt: str
    model: str
    genre: str = ""
    scale: str = ""
    seed: str = ""


@dataclass(frozen=True)
class ClipMap:
    """Clips by their labels, files and questions, all in lower case.

    Attributes:
        path: the map's file.
        labels: clips by their name in a question: a label, a question, or a file name.
        files: clips by their file, with slashes; leading parts of the path may be missing.
        scales: names of scales by their column or code.
    """

    path: Path
    labels: Mapping[str, Clip]
    files: Mapping[str, Clip]
    scales: Mapping[str, str]

    def in_cell(self, text: str) -> Clip | None:
        """Return the clip that a cell names: by its label, or by its file with or without folders and extension."""
        parts = _as_file(text).split("/")
        endings = ("/".join(parts[at:]) for at in range(len(parts)))
        found = self.labels.get(text.casefold()) or next(filter(None, map(self.files.get, endings)), None)
        return found or self.labels.get(parts[-1])

    def in_question(self, text: str) -> tuple[Clip, str] | None:
        """Return the clip named in a question or column name, and the rest of the text.

        The longest label counts; it must be delimited from letters, digits and hyphens.

        Raises:
            DataError: the text names two clips.
        """
        whole = self.labels.get(text.casefold())
        if whole is not None:
            return whole, ""
        found = list(self._pattern.finditer(text)) if self.labels else []
        clips = {self.labels[match[0].casefold()] for match in found}
        if len(clips) > 1:
            raise DataError(f"{self.path}: the question '{text}' names two clips: {', '.join(m[0] for m in found[:2])}")
        if not clips:
            return None
        start, end = found[0].span()
        if re.fullmatch(r" \(\d+\)", text[end:]):  # a repeated column name
            return None
        return clips.pop(), " ".join(f"{text[:start]} {text[end:]}".split())

    def scale(self, text: str) -> str:
        """Return the name of a scale: from the map, else as in the file."""
        return self.scales.get(text.casefold(), text)

    @cached_property
    def clips(self) -> frozenset[Clip]:
        """All clips of the map."""
        return frozenset(self.labels.values()) | frozenset(self.files.values())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest = sorted(self.labels, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])", re.IGNORECASE)


def read_clip_map(path: Path) -> ClipMap:
    """Read a clip map, a table of any kind that `read_table` opens.

    Raises:
        DataError: a needed column or value is missing, or a label is used for two clips.
        UsageError, MissingError: as `read_table`.
    """
    table = read_table(path)
    columns = {plain(name): position for position, name in enumerate(table.header)}
    keys = [key for key in _KEYS if key in columns]
    if not keys or "prompt" not in columns or "model" not in columns:
        raise DataError(
            f"{path}: a clip map needs the columns prompt and model, and one of clip, file and question; "
            f"it has {', '.join(table.header)}; all of them are {EXAMPLE}"
        )
    labels: dict[str, Clip] = {}
    files: dict[str, Clip] = {}
    scales: dict[str, str] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = {name: _unguarded(row[columns[name]]) if name in columns else "" for name in (*_KEYS, *_FACTS)}
        names = [cells[key] for key in keys if cells[key]]
        clip = Clip(*(cells[fact] for fact in _FACTS))
        if names == [cells["question"]] and clip.scale and not (clip.prompt or clip.model):
            scales[cells["question"].casefold()] = clip.scale
            continue
        if not names or (clip.model and not clip.prompt):
            missing = "a prompt" if names else "a clip, file or question"
            raise DataError(f"{path}: line {line} has no {missing}")
        for key in keys:
            _enter(files if key == "file" else labels, cells[key], key, clip, f"{path}: line {line}")
    return ClipMap(path, labels, _unambiguous(files), scales)


def _unguarded(cell: str) -> str:
    """Return a text without the apostrophe that `bench.spreadsheet` adds against formulas."""
    return cell[1:] if re.match(r"'[=+\-@＝＋－＠]", cell) else cell


def _enter(known: dict[str, Clip], name: str, key: str, clip: Clip, where: str) -> None:
    """Add a name of a clip; rows of one clip may differ only in scale."""
    if not name:
        return
    name = _as_file(name) if key == "file" else name.casefold()
    before = known.setdefault(name, clip)
    if before == clip:
        return
    if before._replace(scale=clip.scale) != clip:
        raise DataError(f"{where}: '{name}' is used for two clips, {_told(before)} and {_told(clip)}")
    known[name] = clip._replace(scale="")


def _unambiguous(files: Mapping[str, Clip]) -> dict[str, Clip]:
    """Return files by every unique suffix of their path, from the whole path down to the name."""
    found: dict[str, Clip | None] = {}
    for name, clip in files.items():
        parts = name.split("/")
        for at in range(len(parts)):
            ending = "/".join(parts[at:])
            found[ending] = clip if found.get(ending, clip) == clip else None
    return {name: clip for name, clip in found.items() if clip is not None} | dict(files)


def _as_file(text: str) -> str:
    """Return a path or URL in lower case, with slashes, without an audio extension or a query."""
    text = text.casefold().replace("\\", "/")
    text = re.sub(r"[?#].*$", "", text) if "://" in text else text
    return str(PurePosixPath(re.sub(r"\.(wav|flac|mp3|ogg|opus|m4a|aac|aif|aiff|webm)$", "", text))) if text else ""


def _told(clip: Clip) -> str:
    return " ".join(part for part in (clip.prompt, clip.model, clip.seed) if part) or "one that is not compared"


def shown(names: Iterable[str], most: int = 4) -> str:
    """Return the first few names for a message."""
    listed = list(dict.fromkeys(names))
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(f"'{name}'" for name in listed[:most]) + more
