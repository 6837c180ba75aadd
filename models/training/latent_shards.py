"""Tensors on disk that are made once and read at random, in files whose own name shows whether they are whole.

A shard is a safetensors file named after the SHA-256 of its content. It is written under a temporary name, flushed to
disk and renamed, and never changed; there is no index beside the shards that could disagree with them.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from bench.errors import UsageError
from bench.file_hash import hash_file
from bench.hashing import canonical_json
from bench.progress import Progress

MOST_ENTRIES = 64  # in a shard; the most that a killed process loses
MOST_BYTES = 256 * 2**20
_SHARD = re.compile(r"[0-9a-f]{64}\.safetensors")
_UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.\d+\.part")
_ABANDONED = 3600.0  # seconds after which nobody is still writing to a temporary file


class LatentShards:
    """Entries, each a few named tensors under a key, in a folder of shards.

    Damaged shards are removed with a note, so that their entries are missing; shards about something else
    are left alone and not read. Used as a context, it writes what is left when the context ends.

    Args:
        folder: created if need be.
        about: what all entries depend on; part of every shard.
        progress: gets notes of damage.

    Raises:
        UsageError: the folder cannot be read or written to, or the disk is full.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], progress: Progress) -> None:
        self._folder, self._about = folder, canonical_json(about)
        self._on_disk: dict[str, tuple[Any, tuple[str, ...]]] = {}  # the open shard, and the names of the tensors
        self._waiting: dict[str, Mapping[str, torch.Tensor]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.iterdir()):
                with suppress(FileNotFoundError):  # another process has just renamed or removed it
                    if _SHARD.fullmatch(path.name):
                        self._take(path, progress)
                    elif _UNFINISHED.fullmatch(path.name) and time.time() - path.stat().st_mtime > _ABANDONED:
                        path.unlink()
        except OSError as error:
            raise self._unusable(error) from error

    def __contains__(self, key: str) -> bool:
        return key in self._on_disk or key in self._waiting

    def __enter__(self) -> LatentShards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()

    def add(self, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Add an entry; it is on disk once its shard is full, or after `flush`.

        Raises:
            UsageError: it cannot be written; no partly written file is left.
        """
        self._waiting[key] = tensors
        size = sum(tensor.nbytes for entry in self._waiting.values() for tensor in entry.values())
        if len(self._waiting) >= MOST_ENTRIES or size >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the waiting entries as a shard.

        Raises:
            UsageError: as `add`.
        """
        if not self._waiting:
            return
        entries, self._waiting = self._waiting, {}
        tensors = {f"{key}/{name}": tensor for key, entry in entries.items() for name, tensor in entry.items()}
        # Encoded in memory first: a full disk is then an ordinary OSError.
        content = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"about": self._about})
        path = self._folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
        temporary = path.with_name(f".{path.stem[:16]}.{os.getpid()}.part")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            self._index(safe_open(path, framework="pt"))
        except OSError as error:
            raise self._unusable(error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, key: str) -> dict[str, torch.Tensor]:
        """Return the tensors of an entry that is on disk, mapped into memory: unused parts are not read.

        Raises:
            KeyError: there is no such entry.
        """
        shard, names = self._on_disk[key]
        return {name: shard.get_tensor(f"{key}/{name}") for name in names}

    def _take(self, path: Path, progress: Progress) -> None:
        try:
            whole = hash_file(path) == path.stem
            shard = safe_open(path, framework="pt") if whole else None
        except SafetensorError:
            shard = None
        if shard is None:
            progress.note(f"{path} is damaged; what it held is made again")
            path.unlink()
        elif (shard.metadata() or {}).get("about") == self._about:  # type: ignore[no-untyped-call]
            self._index(shard)

    def _index(self, shard: Any) -> None:
        names: dict[str, list[str]] = {}
        for tensor in shard.keys():  # noqa: SIM118 - not a mapping
            key, _, name = tensor.partition("/")
            names.setdefault(key, []).append(name)
        self._on_disk |= {key: (shard, tuple(sorted(own))) for key, own in names.items() if key not in self._on_disk}

    def _unusable(self, error: OSError) -> UsageError:
        return UsageError(
            f"cannot use the cache {self._folder}: {error.strerror or error}; free disk space, or keep it on another "
            "disk"
        )
