"""Files of weights, and the texts beside them, that somebody downloaded: checked before a library opens them.

Nothing in them is run: pickles are read as tensors only.
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
_PICKLE = re.compile(rb"\x80[\x02-\x05]")  # as torch.save wrote before version 1.6
_MOST_TEXT = 1 << 28  # bytes


def check_weights(path: Path) -> None:
    """Check that a file of weights is there and whole, as far as its frame tells; its tensors are not read.

    What ends in ``.safetensors`` must have a header that fits the file, any other be a file of ``torch.save``.

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
        raise DataError(f"{path}: not a file of weights ({size} bytes, none of PyTorch's formats); {AGAIN}")


def load_weights(path: Path, allowed: Sequence[Any] = (), values: bool = True) -> tuple[Any, dict[str, str]]:
    """Read a file of weights onto the CPU, after `check_weights`.

    Args:
        path: a safetensors file, or one of ``torch.save``.
        allowed: classes that may stand beside the tensors in the latter, as `torch.serialization.safe_globals` takes
            them.
        values: False for shapes and types alone, which is quick: the tensors' values are not to be used then.

    Returns:
        What is in it, a table of tensors for safetensors, and the texts of the header of safetensors.

    Raises:
        MissingError, DataError: as `check_weights`, or it holds what only running code could restore.
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
    except Exception as error:  # what unpickling damaged or hostile bytes raises is anybody's guess
        raise DataError(
            f"{path}: holds more than weights, or is damaged, and is not read ({one_line(error)[:160]}); {AGAIN}, or "
            "save it as safetensors"
        ) from error


def read_object(path: Path) -> dict[str, Any]:
    """Read the JSON object beside weights that says how they are used: a configuration, an index, a vocabulary.

    Raises:
        MissingError: there is no such file.
        DataError: it is no JSON object, holds NaN, or is damaged; the message names it.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: damaged, it is not a JSON object; {AGAIN}")
    return content


def hash_weights(path: Path) -> str:
    """Return SHA-256 of a file of a checkpoint, as `bench.file_hash.hash_file` has it, kept in the user's cache.

    Raises:
        MissingError: there is no such file.
        DataError: it is no regular file, or cannot be read.
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
    """Return the error that says which file is damaged and what is to be done about it."""
    if isinstance(error, TunebenchError):
        return DataError(str(error))
    said = error.strerror if isinstance(error, OSError) and error.strerror else one_line(error)[:160]
    return DataError(f"{path}: damaged or not what its name says ({said}); {AGAIN}")


def _beginning(path: Path) -> tuple[bytes, int]:
    """Return the first bytes of a file and its size.

    Raises:
        MissingError: there is no such file.
        DataError: it is no regular file, cannot be read, is empty, or stands in for what was not downloaded.
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
        raise DataError(f"{path}: a pointer of Git LFS and not the file itself; run 'git lfs pull', or {AGAIN}")
    if _WEB_PAGE.match(head):
        raise DataError(f"{path}: a web page and not the file itself; {AGAIN}")
    return head, size


def _constant(name: str) -> float:
    if name == "NaN":
        raise ValueError("it holds NaN")
    return float(name)
