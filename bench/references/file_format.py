"""The file format of reference sets: safetensors, written as a stream and read through a memory map.

Tensors: ``mean`` (dimension,) and ``covariance`` (dimension, dimension), float64, ddof = 1, of all windows; and, unless
only these were stored, ``recordings`` (windows,), int64, and ``embeddings`` (windows, dimension), float32. The metadata
hold one JSON text under ``tunebench``: format, name, embedder, windows, recordings (id, hash of the sound, genre),
licence, provenance, and whether the music is synthetic; if the music was made from prompts, ``prompts``, the text of
each recording's prompt or null; if recordings are paired with prompts, ``pairs``: by prompt id, the recording's number,
or why there is none.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.atomic_write import replacing
from bench.contracts.embedder import Vectors
from bench.errors import DataError, UsageError
from bench.file_names import looked_for
from bench.hashing import canonical_json
from bench.paths import StrPath
from bench.stats.moments import Moments

FORMAT = 2
_KEY = "tunebench"
_TYPES: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_BLOCK = 1 << 22  # bytes

Tensors = Mapping[str, npt.NDArray[Any]]


def reference_path(path: StrPath) -> Path:
    """Return the path of a reference file to write.

    Raises:
        UsageError: its extension is not ``.safetensors``, by which reference files are recognized.
    """
    file = Path(path)
    if file.suffix != ".safetensors":
        raise UsageError(f"cannot write {file}: a reference file ends in .safetensors")
    return file


class ReferenceWriter:
    """Writer of a reference file, one recording at a time, in constant memory.

    It is a context manager; ``path`` does not exist before `finish`.

    Args:
        path: the file to write.
        statistics_only: store mean and covariance but not the windows, which KAD and genres need.

    Raises:
        UsageError: the folder cannot be written to.
    """

    def __init__(self, path: Path, statistics_only: bool = False) -> None:
        self.path = path
        self.moments: Moments | None = None
        self._recordings: list[tuple[str, str, str | None]] = []
        self._prompts: list[str | None] = []
        self._counts: list[int] = []
        self._statistics_only = statistics_only
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._windows = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed by __exit__
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error

    def __enter__(self) -> ReferenceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._windows.close()

    @property
    def windows(self) -> int:
        """Number of windows so far."""
        return self.moments.n if self.moments else 0

    def add(self, id: str, content: str, genre: str | None, vectors: Vectors, prompt: str | None = None) -> None:
        """Append a recording.

        Args:
            id: its id, such as its path in the folder.
            content: `bench.contracts.audio.content_hash` of its sound.
            genre: its genre, if known.
            vectors: shape (windows ≥ 1, dimension), with the same dimension as the others.
            prompt: text of the prompt that it was made from, if any.

        Raises:
            DataError: it has another shape, or a value that is not finite.
        """
        dimension = self.moments.mean.shape[0] if self.moments else None
        if vectors.ndim != 2 or not len(vectors) or dimension not in (None, vectors.shape[1]):
            wanted = f"(windows, {dimension})" if dimension else "(windows, dimension)"
            raise DataError(f"{id}: its embedding has shape {vectors.shape}, must be {wanted}")
        try:
            part = Moments.of(vectors)
        except ValueError:
            raise DataError(f"{id}: its embedding holds values that are not finite") from None
        self.moments = self.moments + part if self.moments else part
        self._recordings.append((id, content, genre))
        self._prompts.append(prompt)
        self._counts.append(len(vectors))
        if not self._statistics_only:
            self._windows.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())

    def finish(self, name: str, embedder: Mapping[str, Any], **about: Any) -> None:
        """Write the file atomically.

        Args:
            name: name in tables.
            embedder: `bench.contracts.embedder.embedder_identity` of the embedder of the vectors.
            about: JSON values to store with it: licence, provenance, synthetic.

        Raises:
            DataError: fewer than two windows, or none if ``about`` has pairs.
            UsageError: it cannot be written.
        """
        least = 1 if about.get("pairs") else 2  # pairs are compared one by one, without a covariance
        if self.moments is None or self.moments.n < least:
            raise DataError(f"{self.path}: a reference needs at least {least} windows, it has {self.windows}")
        covariance = self.moments.covariance if self.moments.n > 1 else np.zeros_like(self.moments.scatter)
        small: dict[str, npt.NDArray[Any]] = {"mean": self.moments.mean, "covariance": covariance}
        if not self._statistics_only:
            small["recordings"] = np.repeat(np.arange(len(self._counts), dtype=np.int64), self._counts)
        described = {
            **about,
            "name": name,
            "embedder": embedder,
            "windows": self.moments.n,
            "recordings": self._recordings,
            **({"prompts": self._prompts} if any(self._prompts) else {}),
        }
        windows = None if self._statistics_only else (self._windows, (self.moments.n, len(self.moments.mean)))
        write_tensors(self.path, small, described, windows)


def write_tensors(
    path: Path, small: Tensors, about: Mapping[str, Any], windows: tuple[Any, tuple[int, int]] | None = None
) -> None:
    """Write a safetensors file: small tensors from memory, then ``embeddings`` from a file of float32.

    Args:
        path: the file to write; it is written whole or not at all.
        small: tensors by name, of float64, float32 or int64.
        about: JSON values for its metadata.
        windows: an open file of little-endian float32, and its shape (windows, dimension); None for no embeddings.

    Raises:
        UsageError: it cannot be written.
    """
    shapes: dict[str, tuple[str, tuple[int, ...], int]] = {
        key: (_NAMES[value.dtype.newbyteorder("<")], value.shape, value.nbytes) for key, value in small.items()
    }
    if windows:
        shapes["embeddings"] = ("F32", windows[1], 4 * windows[1][0] * windows[1][1])
    header: dict[str, Any] = {"__metadata__": {_KEY: canonical_json({**about, "format": FORMAT})}}
    end = 0
    for key, (dtype, shape, size) in shapes.items():
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end := end + size]}
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # to align a memory map of float64
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for value in small.values():
                file.write(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes())
            if windows:
                windows[0].seek(0)
                shutil.copyfileobj(windows[0], file, _BLOCK)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def read_tensors(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Map a reference file into memory and return its tensors and its metadata.

    Returns:
        Tensors by name, which must not be written to, and the JSON values stored with them; see the module.

    Raises:
        UsageError: there is no such file.
        DataError: truncated, not a reference, or of a format that this version does not read.
    """
    from safetensors import SafetensorError, safe_open

    again = "build it again with 'tunebench reference build'"
    if not path.is_file():
        raise UsageError(f"there is no reference file {path}{looked_for(path)}")
    try:
        with safe_open(path, framework="np") as opened:
            text = (opened.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: truncated or not a reference file ({_first_line(error)}); {again}") from error
    if text is None:
        raise DataError(f"{path}: a safetensors file, but not a reference; {again}")
    try:
        about = json.loads(text)
        found = about["format"]
        if found != FORMAT:
            raise DataError(f"{path}: has format {found}, this version reads format {FORMAT}; {again}")
        return _mapped(path), about
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not a valid reference file ({error}); {again}") from error


def _mapped(path: Path) -> dict[str, npt.NDArray[Any]]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    del header["__metadata__"]
    tensors: dict[str, npt.NDArray[Any]] = {}
    for key, entry in header.items():
        place = 8 + length + int(entry["data_offsets"][0])
        tensors[key] = np.memmap(path, dtype=_TYPES[entry["dtype"]], mode="r", offset=place, shape=(*entry["shape"],))
    return tensors


def content_fingerprint(
    tensors: Tensors, embedder: str, genres: Mapping[int, str], prompts: Mapping[int, str] | None = None
) -> str:
    """Return SHA-256 of all that scores depend on: numbers, embedder, genres and prompts, but not name or licence.

    Args:
        tensors: by name.
        embedder: what stands for the embedder, such as its fingerprint.
        genres: by the number of the recording, if known.
        prompts: texts by the number of the recording that was made from one.

    Raises:
        DataError: a number is not finite.
    """
    labels = [embedder, sorted(genres.items()), *([sorted(prompts.items())] if prompts else [])]
    digest = hashlib.sha256(canonical_json(labels).encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        digest.update(f"{key}{tensor.dtype.str}{tensor.shape}".encode())
        rows = max(1, _BLOCK // max(1, tensor[:1].nbytes))
        for start in range(0, len(tensor), rows):
            block = np.ascontiguousarray(tensor[start : start + rows])
            if not np.isfinite(block).all():
                raise DataError(f"{key} holds values that are not finite")
            digest.update(block.tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
