"""Checks of downloaded weight files, and of the text files beside them, before a library opens them.

No code in them runs: pickles are read as tensors only.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.errors import DataError, MissingError, TunebenchError, one_line
from bench.file_hash import hash_file
from bench.file_kind import LFS_POINTER
from bench.regular_file import open_regular, read_bytes

AGAIN = "download it again"

_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|head|\?xml)", re.IGNORECASE)
_ZIP = b"PK\x03\x04"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")  # the format of torch.save before version 1.6
_MOST_TEXT = 1 << 28  # bytes


def check_weights(path: Path) -> None:
    """Check that a file of weights exists and is complete, judged by its structure; its tensors are not read.

    A ``.safetensors`` file must have a header that fits its size, any other must be a file of ``torch.save``.

    Raises:
        MissingError: there is no such file.
        DataError: it is something else, or damaged; the message names it.
    """
    head, size = _beginning(path)
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            safe_open(path, framework="np")
        except (SafetensorError, OSError) as error:
            raise damaged(path, error) from None
    elif head.startswith(_ZIP):
        try:
            zipfile.ZipFile(path).close()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise damaged(path, error) from None
    elif not _PICKLE.match(head):
        raise DataError(f"{path}: not a weight file ({size} bytes, not a PyTorch format); {AGAIN}")


def load_weights(path: Path, allowed: Sequence[Any] = (), values: bool = True) -> tuple[Any, dict[str, str]]:
    """Read a file of weights onto the CPU, after `check_weights`.

    Args:
        path: a safetensors file, or one of ``torch.save``.
        allowed: classes allowed beside the tensors in the latter, as `torch.serialization.safe_globals` takes
            them.
        values: False for shapes and types only, which is fast; the tensors' values are then undefined.

    Returns:
        The content (a mapping of tensors for safetensors), and the metadata of the safetensors header.

    Raises:
        MissingError, DataError: as `check_weights`, or loading it would run code.
    """
    import torch
    from safetensors import safe_open

    check_weights(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu" if values else "meta", weights_only=True), {}
    except Exception as error:  # unpickling damaged or hostile bytes may raise anything
        raise DataError(
            f"{path}: holds more than weights, or is damaged ({one_line(error)[:160]}); {AGAIN}, or "
            "save it as safetensors"
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object stored beside weights: a configuration, an index, a vocabulary.

    Raises:
        MissingError: there is no such file.
        DataError: it is not a JSON object, holds NaN, or is damaged; the message names it.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: damaged, not a JSON object; {AGAIN}")
    return content


def hash_weights(path: Path) -> str:
    """Return SHA-256 of a file of a checkpoint, as `bench.file_hash.hash_file` has it, kept in the user's cache.

    Raises:
        MissingError: there is no such file.
        DataError: it is not a regular file, or cannot be read.
    """
    try:
        return hash_file(path, lasting=True)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file; {AGAIN}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None


def check_file(path: Path) -> None:
    """Check a file of a checkpoint by its name: weights, a JSON text, or another text, which must not be empty.

    Raises:
        MissingError: there is no such file.
        DataError: it is damaged; the message names it.
    """
    if path.suffix in (".safetensors", ".bin", ".ckpt", ".pt", ".pth"):
        check_weights(path)
    elif path.suffix == ".json":
        (read_object if path.name.endswith("config.json") else _json)(path)
    else:
        _beginning(path)


def _json(path: Path) -> Any:
    _beginning(path)
    try:
        return json.loads(read_bytes(path, _MOST_TEXT), parse_constant=_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error that names the damaged file and what to do."""
    if isinstance(error, TunebenchError):
        return DataError(str(error))
    said = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)[:160]
    return DataError(f"{path}: damaged, or not the type of its extension ({said}); {AGAIN}")


def _beginning(path: Path) -> tuple[bytes, int]:
    """Return the first bytes of a file and its size.

    Raises:
        MissingError: there is no such file.
        DataError: it is not a regular file, cannot be read, is empty, or is a placeholder of a download.
    """
    try:
        with open_regular(path) as file:
            head, size = file.read(512), file.seek(0, 2)
    except FileNotFoundError:
        raise MissingError(f"{path}: no such file; {AGAIN}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {AGAIN}") from None
    if not head.strip(b"\0"):
        raise DataError(f"{path}: {'holds zeros only' if head else 'empty'}; {AGAIN}")
    if head.startswith(LFS_POINTER):
        raise DataError(f"{path}: a Git LFS pointer, not the file itself; run 'git lfs pull', or {AGAIN}")
    if _WEB_PAGE.match(head):
        raise DataError(f"{path}: a web page, not the file itself; {AGAIN}")
    return head, size


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("it holds NaN")
    return float(name)
