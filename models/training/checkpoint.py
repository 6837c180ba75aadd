"""Checkpoints of a training: written whole or not at all, and read only if they are as they were written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, MissingError
from bench.file_hash import hash_bytes_of
from bench.hashing import fingerprint
from bench.regular_file import read_bytes

if TYPE_CHECKING:
    import torch

    Tables = Mapping[str, Mapping[str, torch.Tensor]]

_NAME = re.compile(r"step-(\d{8,})")
_STATE = "state.json"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read: tables of tensors, on the CPU, and everything else as JSON holds it."""

    path: Path
    step: int
    tables: Tables
    state: dict[str, Any]


def path_of(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint of a step."""
    return folder / f"step-{step:08d}"


def write(folder: Path, step: int, tables: Tables, state: Mapping[str, Any]) -> Path:
    """Write ``folder/step-…`` under a temporary name, flush it to the disk and rename it; return its path.

    Args:
        folder: of the checkpoints; made where it is missing.
        step: optimizer steps that are done.
        tables: tensors by name, by the name of the file that holds them.
        state: everything else, as JSON can hold it.

    Raises:
        MissingError: the disk is full; nothing that existed is changed.
    """
    from safetensors.torch import save_file

    path = path_of(folder, step)
    temporary = folder / f".{path.name}.{os.getpid()}.part"
    try:
        temporary.mkdir(parents=True)
        for name, table in tables.items():
            file = temporary / f"{name}.safetensors"
            save_file({key: value.detach().cpu().contiguous() for key, value in table.items()}, file)
            _flush(file)
        content = {"step": step, "files": {file.name: hash_bytes_of(file) for file in temporary.iterdir()}, **state}
        (temporary / _STATE).write_text(json.dumps({"sha256": fingerprint(content), **content}, allow_nan=False))
        _flush(temporary / _STATE)
        _flush(temporary)
        if path.exists():  # from a training that was resumed at an earlier step
            shutil.rmtree(path)
        temporary.rename(path)
        _flush(folder)
    except Exception as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if not disk_full(error):
            raise
        last = max(checkpoints(folder), default=None)
        survives = f"; the last good one is {last}" if last else ""
        raise MissingError(
            f"checkpoint {path} could not be written, the disk is full{survives}; free some space and run the same "
            "command to go on from there"
        ) from None
    return path


def read(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: it is not as it was written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        content = json.loads(read_bytes(path / _STATE))
        sound = content.pop("sha256") == fingerprint(content)
        sound = sound and all(hash_bytes_of(path / name) == digest for name, digest in content["files"].items())
        if not sound:
            raise DataError(f"checkpoint {path} is damaged")
        tables = {name.removesuffix(".safetensors"): load_file(path / name) for name in content.pop("files")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise DataError(f"checkpoint {path} is damaged ({type(error).__name__})") from None
    return Checkpoint(path, content.pop("step"), tables, content)


def read_state(path: Path) -> dict[str, Any]:
    """Read everything but the tensors of a checkpoint; empty where it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(read_bytes(path / _STATE))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if content.pop("sha256", None) == fingerprint(content) else {}


def checkpoints(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints in a folder, in no order; paths sort by step."""
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def discard(folder: Path, keep: int) -> None:
    """Remove all but the last so many checkpoints, and incomplete ones of killed processes.

    Args:
        folder: of the checkpoints.
        keep: how many stay, ≥ 0.
    """
    old = sorted(checkpoints(folder))[:-keep] if keep else list(checkpoints(folder))
    for path in [*old, *folder.glob(".step-*.part")]:
        shutil.rmtree(path, ignore_errors=True)


def discard_others(folder: Path, steps: Collection[int | None]) -> None:
    """Remove the checkpoints that are not of these steps."""
    kept = {path_of(folder, step) for step in steps if step is not None}
    for path in set(checkpoints(folder)) - kept:
        shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_full(error: Exception) -> bool:
    """Return whether an exception says that a file could not grow."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in _FULL
    # safetensors reports it only in the text of its error
    return any(f"os error {number}" in str(error) or os.strerror(number) in str(error) for number in _FULL)
