"""A record of the media made, one line per prompt, so that rebuilding a report makes only missing ones."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from bench.atomic_write import replace_file
from bench.hashing import canonical_json
from bench.report.context import ClipMedia


class MediaRecord:
    """A file of JSON lines, ``[key, {clip id: media}]``; a line is added once its files are complete."""

    def __init__(self, path: Path, lines: dict[str, str], file: IO[str]) -> None:
        self._path = path
        self._lines = lines
        self._file = file

    @classmethod
    def open(cls, path: Path) -> MediaRecord:
        """Read the existing lines, ignoring invalid and truncated ones, and open for appending."""
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        lines = {key: line for line in text.splitlines() if (key := _key(line))}
        file = path.open("a", encoding="utf-8")
        if text and not text.endswith("\n"):
            file.write("\n")
        return cls(path, lines, file)

    def __enter__(self) -> MediaRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def recall(self, key: Any) -> dict[str, ClipMedia]:
        """Return the media of a key; empty if unknown."""
        line = self._lines.get(canonical_json(key))
        if line is None:
            return {}
        try:
            return {id: _media(**fields) for id, fields in json.loads(line)[1].items()}
        except (TypeError, ValueError, AttributeError):
            return {}

    def add(self, key: Any, made: Mapping[str, ClipMedia | str]) -> None:
        """Record media, unless one of the clips has a problem, which may be fixed by next time."""
        media = {id: vars(one) for id, one in made.items() if isinstance(one, ClipMedia)}
        if len(media) < len(made):
            return
        line = canonical_json([key, media])
        self._lines[canonical_json(key)] = line
        self._file.write(f"{line}\n")
        self._file.flush()

    def keep(self, keys: Iterable[Any]) -> None:
        """Drop all other keys, and sort lines in the order of ``keys``."""
        lines = [self._lines[name] for name in map(canonical_json, keys) if name in self._lines]
        replace_file(self._path, "".join(f"{line}\n" for line in lines))


def _key(line: str) -> str | None:
    try:
        key, _ = json.loads(line)
        return canonical_json(key)
    except (TypeError, ValueError):
        return None


def _media(
    audio: str, spectrogram: str, waveform: list[float], duration: float, loudness: float | None, gain: float
) -> ClipMedia:
    return ClipMedia(
        str(audio), str(spectrogram), tuple(map(float, waveform)), float(duration),
        None if loudness is None else float(loudness), float(gain),
    )  # fmt: skip
