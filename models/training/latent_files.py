"""Pre-encoded latents, as stable-audio-tools writes them: an array and a JSON file for each crop.

Its ``pre_encode.py`` writes ``<folder>/<process>/<number>.npy``, shape (channels, frames), drawn from the posterior of
a padded crop; ``<number>.json`` beside it, with the crop's place in its recording; and ``details.json``, the settings.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bench.errors import DataError
from bench.hashing import fingerprint
from bench.regular_file import read_bytes
from models.training.tables import Table, TableRow, read_object

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ENDINGS = (".npy", ".safetensors")
DETAILS = "details.json"
_LARGEST_JSON = 2**24  # bytes; the padding mask has a number for each frame


@dataclass(frozen=True)
class StoredLatent:
    """A pre-encoded latent, without the frames that are padding.

    Attributes:
        values: float32, shape (channels, frames ≥ 1); finite.
        start: start of its crop in the recording, in seconds, ≥ 0.
        seconds: length of the whole recording, > 0.
        rate: sample rate in Hz of the audio that it was encoded from; None where unknown.
        encoded: frames with the padding, and the number of audio samples that they were encoded from; None where
            unknown.
    """

    values: npt.NDArray[np.float32]
    start: float
    seconds: float
    rate: float | None
    encoded: tuple[int, int] | None

    @property
    def hash(self) -> str:
        """Identity of the latent and of its place; not that of a sound."""
        about = [list(self.values.shape), self.start, self.seconds, self.rate, list(self.encoded or ())]
        return fingerprint(["latent", hashlib.sha256(self.values.tobytes()).hexdigest(), *about])


def is_latent(path: Path) -> bool:
    """Return whether a file's name is that of a latent, and not of audio."""
    return path.suffix.lower() in ENDINGS


def latents_in(folder: Path) -> list[Path]:
    """Return all latents in a folder and its subfolders that have their JSON beside them, ordered by path."""
    return sorted(
        path
        for ending in ENDINGS
        for path in folder.rglob(f"*{ending}")
        if path.with_suffix(".json").is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def read_description(path: Path) -> Table:
    """Read the JSON beside a latent, as a table of one row.

    Raises:
        DataError: it cannot be read, or is not an object.
    """
    file = path.with_suffix(".json")
    try:
        if file.stat().st_size > _LARGEST_JSON:
            raise DataError(f"{file}: longer than {_LARGEST_JSON} bytes")
        return read_object(file, read_bytes(file).decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DataError(f"{file}: not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from None


def source_of(row: TableRow) -> str | None:
    """Return the recording that a latent was encoded from, if its JSON says it: the path inside the dataset, or any
    path."""
    named = row.text("relpath") or row.text("path")
    return PurePosixPath(named.replace("\\", "/")).as_posix() if named else None


def read_details(folder: Path) -> Mapping[str, Any]:
    """Read the settings that the latents of a folder were encoded with; empty where they are unknown."""
    try:
        found = json.loads(read_bytes(folder / DETAILS))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_latent(path: Path) -> StoredLatent:
    """Read a latent and the JSON beside it.

    Raises:
        DataError: one of them cannot be read, is damaged or has an impossible value; the message names the file.
    """
    values = _values(path)
    (row,) = read_description(path).rows
    frames = _frames(row, values.shape[1])
    size = read_details(path.parent).get("sample_size") or read_details(path.parent.parent).get("sample_size")
    encoded = (values.shape[1], size) if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None
    seconds, start = _number(row, "seconds_total"), _number(row, "seconds_start")
    if not seconds:
        raise DataError(f"{row.place}: no 'seconds_total', the length of the recording; encode it again")
    kept = values[:, :frames].copy()
    if not math.isfinite(float(kept.sum(dtype="float64"))):
        raise DataError(f"{path}: holds numbers that are not finite")
    return StoredLatent(kept, start or 0.0, seconds, _number(row, "sample_rate"), encoded)


def _values(path: Path) -> npt.NDArray[np.float32]:
    import numpy as np

    if path.suffix.lower() == ".npy":
        try:
            # No pickle and no archive, which `numpy.load` would accept; and a forged header takes no memory.
            found = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
        except (OSError, ValueError, EOFError, OverflowError, SyntaxError) as error:
            raise DataError(f"{path}: not an array of numbers, or damaged ({str(error)[:100]})") from None
    else:
        from bench.weights_file import load_weights

        tensors = load_weights(path)[0]
        if len(tensors) != 1:
            raise DataError(f"{path}: holds {len(tensors)} tensors; a latent is one")
        (tensor,) = tensors.values()
        found = tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()
    if found.ndim != 2 or not all(found.shape):
        raise DataError(f"{path}: shape is {found.shape}, must be (channels, frames)")
    if not np.issubdtype(found.dtype, np.floating):
        raise DataError(
            f"{path}: holds whole numbers, as a discrete autoencoder gives; only continuous latents can be trained on"
        )
    return np.array(found, dtype=np.float32)


def _frames(row: TableRow, frames: int) -> int:
    """Return the number of frames before the padding."""
    mask = row.cells.get("padding_mask")
    if mask is None:
        return frames
    if not isinstance(mask, list) or len(mask) != frames or any(flag not in (0, 1) for flag in mask):
        raise DataError(f"{row.place}: 'padding_mask' is not a 0 or 1 for each of the latent's {frames} frames")
    if 1 not in mask:
        raise DataError(f"{row.place}: all of it is padding")
    return len(mask) - mask[::-1].index(1)


def _number(row: TableRow, name: str) -> float | None:
    value = row.cells.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise DataError(f"{row.place}: '{name}' is {json.dumps(value)[:40]}, must be a number of at least 0")
    return float(value)
