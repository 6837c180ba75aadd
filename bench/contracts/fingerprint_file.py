"""Files of acoustic fingerprints beside a reference or an adapter, for finding leaks without the audio."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.atomic_write import replacing
from bench.contracts.sound_fingerprint import VERSION, Fingerprint
from bench.errors import DataError, UsageError

NAME = "fingerprints.npz"
"""In the folder of an adapter or a checkpoint; beside ``music.safetensors`` it is ``music.fingerprints.npz``."""

_LARGEST = 1 << 30  # bytes, unpacked


@dataclass(frozen=True, eq=False)
class PrintedRecording:
    """A recording with its acoustic fingerprints.

    Attributes:
        id: its id.
        content: `bench.contracts.audio.content_hash`.
        prints: `bench.contracts.sound_fingerprint.sound_fingerprints`.
    """

    id: str
    content: str
    prints: tuple[Fingerprint, ...]


def beside(reference: Path) -> Path:
    """Return the path of the fingerprints of a reference file's recordings."""
    return reference.with_name(f"{reference.stem}.{NAME}")


def write_fingerprints(path: Path, recordings: Sequence[PrintedRecording]) -> None:
    """Write a file of fingerprints atomically.

    Raises:
        UsageError: it cannot be written.
    """
    about = {"version": VERSION, "recordings": [[one.id, one.content] for one in recordings]}
    prints = [own for one in recordings for own in one.prints]
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        about=np.frombuffer(json.dumps(about, ensure_ascii=False).encode(), dtype=np.uint8),
        counts=np.array([len(one.prints) for one in recordings], dtype=np.int64),
        lengths=np.array([len(own) for own in prints], dtype=np.int64),
        numbers=np.concatenate([np.zeros(0, np.uint32), *prints]).astype(np.uint32),
    )
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(buffer.getvalue())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error


def read_fingerprints(path: Path) -> list[PrintedRecording]:
    """Read a file written by `write_fingerprints`.

    Raises:
        UsageError: there is no such file.
        DataError: it is not such a file, or has another version of the fingerprint.
    """
    if not path.is_file():
        raise UsageError(f"there is no fingerprint file {path}")
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > _LARGEST:
                raise ValueError("it unpacks to more than 1 GB")
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            counts, lengths, numbers = (arrays[name] for name in ("counts", "lengths", "numbers"))
        if about["version"] != VERSION:
            raise DataError(
                f"{path}: fingerprints of version {about['version']!r:.40}, this tunebench has {VERSION}; make them "
                "again from the audio"
            )
        names = [(str(id), str(content)) for id, content in about["recordings"]]
        if numbers.dtype != np.uint32 or len(names) != len(counts) or counts.sum() != len(lengths):
            raise ValueError("its arrays do not match")
        if (lengths < 0).any() or lengths.sum() != len(numbers):
            raise ValueError("the number of values is wrong")
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: is not a fingerprint file ({error})") from None
    prints = iter(np.split(numbers, np.cumsum(lengths)[:-1])) if len(lengths) else iter(())
    return [
        PrintedRecording(id, content, tuple(next(prints) for _ in range(int(count))))
        for (id, content), count in zip(names, counts, strict=True)
    ]
