"""Content hashes and fingerprints of audio files, computed once and cached by name, size and modification time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.contracts.audio import content_hash, read_audio
from bench.contracts.sound_fingerprint import SHIFTS, VERSION, Fingerprint, sound_fingerprints
from bench.errors import DataError
from bench.user_cache import UserCache

_MOST_BYTES = 1_000_000_000
_FORMAT = 1


class KnownSound(NamedTuple):
    """A sound: `bench.contracts.audio.content_hash` of the whole file, its length in seconds, and its peak."""

    content: str
    seconds: float
    peak: float


class KnownSounds:
    """A cache of the sounds of files, in the user's cache folder."""

    def __init__(self) -> None:
        self._cache = UserCache("sounds", _MOST_BYTES)

    def of(self, path: Path) -> KnownSound:
        """Return the sound of a file.

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
        self._keep_prints(sound.content, sound_fingerprints(audio))
        return sound

    def prints_of(self, path: Path, content: str | None = None) -> tuple[str, tuple[Fingerprint, ...]]:
        """Return the content hash and `bench.contracts.sound_fingerprint.sound_fingerprints` of a file.

        Args:
            path: the file.
            content: its hash, if known.

        Raises:
            DataError, MissingError: as `bench.contracts.audio.read_audio`.
        """
        content = content or self.of(path).content
        kept = self._cache.get(_prints_key(content))
        if kept is None:
            return content, self._keep_prints(content, sound_fingerprints(read_audio(path)))
        sizes = np.frombuffer(kept[: 4 * len(SHIFTS)], dtype="<u4")
        numbers = np.frombuffer(kept[4 * len(SHIFTS) :], dtype="<u4").astype(np.uint32)
        return content, tuple(np.split(numbers, np.cumsum(sizes)[:-1].astype(np.intp)))

    def _keep_prints(self, content: str, prints: tuple[Fingerprint, ...]) -> tuple[Fingerprint, ...]:
        if len(prints) == len(SHIFTS):
            sizes = np.array([len(one) for one in prints], dtype="<u4")
            numbers = np.concatenate(prints).astype("<u4")
            self._cache.put(_prints_key(content), sizes.tobytes() + numbers.tobytes())
        return prints

    def trim(self) -> None:
        """Remove least recently used entries over the limit."""
        self._cache.trim()


def _prints_key(content: str) -> str:
    return json.dumps([_FORMAT, "fingerprints", VERSION, list(SHIFTS), content])


@contextmanager
def known_sounds() -> Iterator[KnownSounds]:
    """Yield the sounds of files, and trim the cache afterwards."""
    sounds = KnownSounds()
    try:
        yield sounds
    finally:
        sounds.trim()
