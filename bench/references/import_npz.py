"""Statistics that other tools saved → a reference file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, UsageError, suggestion
from bench.file_names import looked_for
from bench.paths import StrPath
from bench.references.file_format import reference_path, write_tensors

Array = npt.NDArray[np.float64]

_MOST_BYTES = 1 << 30  # a hundred models of 1,024 dimensions
_MEANS, _COVARIANCES = ("mu", "mean", "mu_ref"), ("cov", "sigma", "covariance", "sigma_ref")


def import_statistics(
    source: StrPath,
    ref: EmbedderRef | str,
    path: StrPath,
    name: str | None = None,
    *,
    model: str | None = None,
    windows: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> int:
    """Write mean and covariance from an ``.npz`` file as a reference file, and return the number of windows.

    The arrays are ``mu`` and ``cov`` (or ``sigma``); fadtk keeps one pair for each embedding model in one file, as
    ``<model>.mu`` and ``<model>.cov``, and stable-audio-metrics calls them ``mu_ref`` and ``sigma_ref``. They must be
    of exactly the embedder ``ref``: the file does not say.

    Args:
        source: the file; pickled objects in it are refused.
        ref: the embedder that the statistics are of, or its name.
        path: the file to write, ``*.safetensors``.
        name: as tables show it; by default that of the file.
        model: which pair, where there are several.
        windows: how many windows they are of. The files do not say; without it the least number that the
            covariance's rank allows is kept, and scores carry a warning.
        about: JSON values to keep beside.

    Raises:
        UsageError: an unknown model or embedder, or another ending.
        DataError: not an ``.npz`` file, or arrays that are no mean and covariance of that embedder's dimension.
    """
    source, file = Path(source), reference_path(path)
    ref = EmbedderRef(ref) if isinstance(ref, str) else ref
    arrays = _arrays(source)
    mean, covariance = _pair(arrays, model, source)
    embedder = load_embedder(ref)
    _check(mean, covariance, embedder.dimension, ref.name, source)
    identity = embedder_identity(ref, embedder)
    embedder.close()
    at_least = windows is None
    count = int(np.linalg.matrix_rank(covariance, hermitian=True)) + 1 if windows is None else windows
    if count < 2:
        raise DataError(f"{source}: of {count} windows; a covariance needs 2 or more")
    described = {
        **(about or {}),
        "name": name or file.stem,
        "embedder": identity,
        "windows": count,
        "recordings": [],
        **({"windows_at_least": True} if at_least else {}),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(file, {"mean": mean, "covariance": covariance}, described)
    return count


def _arrays(source: Path) -> dict[str, npt.NDArray[Any]]:
    if not source.is_file():
        raise UsageError(f"there is no file {source}{looked_for(source)}")
    try:
        with source.open("rb") as file:
            opened = np.load(file, allow_pickle=False)
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise DataError(f"{source}: a single array, not an .npz file with a mean and a covariance")
            if sum(entry.file_size for entry in opened.zip.infolist()) > _MOST_BYTES:
                raise DataError(f"{source}: larger than {_MOST_BYTES >> 20} MB when unpacked, too large for statistics")
            return {name: opened[name] for name in opened.files}
    except (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else "cut short"
        raise DataError(f"{source}: truncated or not an .npz file ({reason})") from error


def _pair(arrays: Mapping[str, npt.NDArray[Any]], model: str | None, source: Path) -> tuple[Array, Array]:
    """The arrays ``mu`` and ``cov``, after ``<model>.`` where there are several pairs."""
    pairs: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        owner, _, what = name.rpartition(".")
        kind = "mean" if what in _MEANS else "covariance" if what in _COVARIANCES else None
        if kind:
            pairs.setdefault(owner, {})[kind] = array
    whole = {owner: pair for owner, pair in pairs.items() if len(pair) == 2}
    if not whole:
        raise DataError(f"{source}: no arrays mu and cov; it holds {', '.join(arrays) or 'nothing'}")
    if model is None and len(whole) > 1:
        raise UsageError(f"{source} holds statistics of {', '.join(sorted(whole))}; choose one with --model")
    chosen = next(iter(whole)) if model is None else model
    if chosen not in whole:
        raise UsageError(f"{source} has no '{model}'{suggestion(chosen, whole)}; it has {', '.join(sorted(whole))}")
    return tuple(np.asarray(whole[chosen][kind], dtype=np.float64) for kind in ("mean", "covariance"))  # type: ignore[return-value]


def _check(mean: Array, covariance: Array, dimension: int, embedder: str, source: Path) -> None:
    if mean.shape != (dimension,) or covariance.shape != (dimension, dimension):
        raise DataError(
            f"{source}: mean of shape {mean.shape} and covariance of shape {covariance.shape}, "
            f"but {embedder} gives {dimension} dimensions"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise DataError(f"{source}: mean or covariance holds values that are not finite")
    scale = float(np.abs(covariance).max()) or 1.0
    if np.abs(covariance - covariance.T).max() > 1e-6 * scale:
        raise DataError(f"{source}: the covariance is not symmetric")
    if float(np.linalg.eigvalsh(covariance).min()) < -1e-5 * scale:
        raise DataError(f"{source}: the covariance is not positive semi-definite")
