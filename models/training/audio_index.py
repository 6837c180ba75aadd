"""The audio files of a dataset: each decoded once, and remembered by name, size and modification time."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from bench.atomic_write import replace_file
from bench.contracts.audio import content_hash, read_audio
from bench.errors import DataError
from bench.regular_file import read_bytes
from models.training.latent_files import is_latent, read_latent

SILENCE = 1e-3  # peak of −60 dB below full scale, under which audio is silent
FORMAT = 2


class IndexedAudio(NamedTuple):
    """A sound: `bench.contracts.audio.content_hash` of the whole file, and its length."""

    hash: str
    seconds: float


class AudioIndex:
    """The sounds of files.

    Args:
        memory: a JSON file in which they are kept for the next time; a damaged one is replaced. None keeps
            them in memory only.
    """

    def __init__(self, memory: Path | None = None) -> None:
        self._memory = memory
        self._known: dict[str, tuple[int, int, IndexedAudio]] = {}
        self._changed = False
        if memory is not None:
            self._known = _remembered(memory)

    def of(self, path: Path) -> IndexedAudio:
        """Return the sound of a file, or a latent's identity and the length of its recording.

        Raises:
            DataError: it cannot be decoded, is truncated, holds samples that are not finite, or is silent.
        """
        if is_latent(path):  # never remembered: it is read quickly, and depends on a second file
            latent = read_latent(path)
            return IndexedAudio(latent.hash, latent.seconds)
        try:
            state = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        name = str(path.resolve())
        size, changed, sound = self._known.get(name, (-1, -1, None))
        if sound is not None and (size, changed) == (state.st_size, state.st_mtime_ns):
            return sound
        audio = read_audio(path)
        if audio.peak < SILENCE:
            raise DataError(f"{path}: silent, its peak is {audio.peak:.2g} of full scale")
        sound = IndexedAudio(content_hash(audio), audio.duration)
        self._known[name] = (state.st_size, state.st_mtime_ns, sound)
        self._changed = True
        return sound

    def keep(self) -> None:
        """Write new entries to the memory, if there is one. If the disk refuses it, this only costs time."""
        if self._memory is None or not self._changed:
            return
        files = {name: [size, changed, *sound] for name, (size, changed, sound) in sorted(self._known.items())}
        with suppress(OSError, UnicodeEncodeError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._memory, json.dumps({"format": FORMAT, "files": files}, indent=0))
            self._changed = False


def _remembered(memory: Path) -> dict[str, tuple[int, int, IndexedAudio]]:
    try:
        content = json.loads(read_bytes(memory))
        if content["format"] != FORMAT:
            return {}
        return {
            str(name): (int(size), int(changed), IndexedAudio(str(digest), float(seconds)))
            for name, (size, changed, digest, seconds) in content["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
