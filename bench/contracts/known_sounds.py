"""What audio files hold: decoded once, and remembered by name, size and time of change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.contracts.audio import content_hash, read_audio
from bench.errors import DataError
from bench.user_cache import UserCache

_MOST_BYTES = 200_000_000
_FORMAT = 1


class KnownSound(NamedTuple):
    """A sound: `bench.contracts.audio.content_hash` of the whole file, its length in seconds, and its peak."""

    content: str
    seconds: float
    peak: float


class KnownSounds:
    """The sounds of files; what was decoded is kept in the user's folder for caches."""

    def __init__(self) -> None:
        self._cache = UserCache("sounds", _MOST_BYTES)

    def of(self, path: Path) -> KnownSound:
        """The sound of a file.

        Raises:
            DataError, MissingError: as `bench.contracts.audio.read_audio`.
        """
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        key = json.dumps([_FORMAT, str(path.resolve()), state.st_size, state.st_mtime_ns])
        if (kept := self._cache.get(key)) is not None:
            return KnownSound(*json.loads(kept))
        audio = read_audio(path)
        sound = KnownSound(content_hash(audio), audio.duration, audio.peak)
        self._cache.put(key, json.dumps(sound).encode())
        return sound

    def trim(self) -> None:
        """Remove what was not used for longest, where there is too much."""
        self._cache.trim()


@contextmanager
def known_sounds() -> Iterator[KnownSounds]:
    """The sounds of files, with the cache tidied afterwards."""
    sounds = KnownSounds()
    try:
        yield sounds
    finally:
        sounds.trim()
