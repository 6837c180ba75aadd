"""Convert statistics and embeddings saved by other tools to a reference file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, UsageError, suggestion
from bench.file_names import looked_for
from bench.paths import StrPath
from bench.references.build import Built
from bench.references.file_format import ReferenceWriter, reference_path, write_tensors
from bench.references.front_ends import AnyFrontEnd, ask_for_front_end, compared_by, front_end_words, with_front_end
from bench.stats.moments import Moments

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImportOptions:
    """Information about the imported data.

    Attributes:
        model: which statistics to take, if a file has several.
        windows: number of windows behind the statistics. The files lack it; without it, the minimum that the
            covariance's rank allows is stored, and scores carry a warning.
        front_end: how the audio was prepared: a published front end of the embedder, ``tunebench`` for its own, or
            settings.
        compare_with: front end of the clips that may be compared with it, if it differs; every such
            score is marked ``W-FRONT-END``.
        about: JSON values to store with it: licence, provenance, synthetic.
    """

    model: str | None = None
    windows: int | None = None
    front_end: AnyFrontEnd | None = None
    compare_with: AnyFrontEnd | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


_EMBEDDINGS = "embeddings"
_ROWS = 1 << 14  # of embeddings summed at once
_MOST_BYTES = 1 << 30  # a hundred models of 1,024 dimensions
_MEANS, _COVARIANCES = ("mu", "mean", "mu_ref"), ("cov", "sigma", "covariance", "sigma_ref")


def import_statistics(
    source: StrPath,
    ref: EmbedderRef | str,
    path: StrPath,
    name: str | None = None,
    options: ImportOptions | None = None,
) -> int:
    """Convert statistics saved by another tool to a reference file, and return the number of windows.

    For embeddings see `import_embeddings`. The arrays of statistics are ``mu`` and ``cov`` (or ``sigma``); fadtk keeps
    one pair for each embedding model in one file, as ``<model>.mu`` and ``<model>.cov``, and stable-audio-metrics calls
    them ``mu_ref`` and ``sigma_ref``. They must come from exactly the embedder ``ref``, which the file does not name.

    Args:
        source: the file; pickled objects in it are refused.
        ref: the embedder of the statistics, or its name.
        path: the file to write, ``*.safetensors``.
        name: name in tables; by default that of the file.
        options: information about them.

    Returns:
        The number given in ``options``; without one, the least number that a covariance of that rank can come from.

    Raises:
        UsageError: an unknown model or embedder, another extension, or no front end is given.
        DataError: not an ``.npz`` file, fewer than two windows, or the arrays are not a mean and a covariance of that
            embedder's dimension.
    """
    source, file = Path(source), reference_path(path)
    options = options or ImportOptions()
    if not holds_statistics(source):
        return import_embeddings(source, ref, path, name, options).windows
    arrays = _arrays(source)
    mean, covariance = _pair(arrays, options.model, source)
    identity, dimension, heard = _heard(ref, source, file, options, _likely(arrays))
    _check(mean, covariance, dimension, identity["plugin"].get("name", "the embedder"), source)
    at_least = options.windows is None
    count = options.windows or int(np.linalg.matrix_rank(covariance, hermitian=True)) + 1
    if count < 2:
        raise DataError(f"{source}: has {count} windows; a covariance needs at least 2")
    described = {
        **options.about,
        **heard,
        "name": name or file.stem,
        "embedder": identity,
        "windows": count,
        "recordings": [],
        **({"windows_at_least": True} if at_least else {}),
    }
    _make_folder(file)
    write_tensors(file, {"mean": mean, "covariance": covariance}, described)
    return count


def import_embeddings(
    source: StrPath,
    ref: EmbedderRef | str,
    path: StrPath,
    name: str | None = None,
    options: ImportOptions | None = None,
) -> Built:
    """Write embeddings of recordings as a reference file.

    Args:
        source: a folder of ``.npy`` files, one per recording, which make a reference like one built here. For a single
            ``.npy`` file, or of an ``.npz`` file with one array or one called ``embeddings``, it is unknown which
            windows belong to one recording: mean and covariance are stored, which FAD needs, but not the windows, which
            KAD needs. Arrays have the shape (windows, dimension); in a folder, also (dimension,).
        ref: their embedder, or its name.
        path: the file to write, ``*.safetensors``.
        name: name in tables; by default that of the file.
        options: information about them; neither ``model`` nor ``windows``, which are for statistics.

    Raises:
        UsageError: no such file, an unknown embedder, another extension, or no front end is given.
        DataError: fewer than two windows, or the arrays are not finite embeddings of that embedder's dimension.
    """
    source, file, options = Path(source), reference_path(path), options or ImportOptions()
    if options.model is not None or options.windows is not None:
        raise UsageError(f"{source} contains embeddings; --model and --windows are for statistics")
    identity, dimension, heard = _heard(ref, source, file, options, None)
    about = {**options.about, **heard}
    if not source.is_dir():
        vectors = _embeddings(source, dimension)
        blocks = (vectors[start : start + _ROWS] for start in range(0, len(vectors), _ROWS))
        try:
            moments = reduce(add, (Moments.of(np.asarray(block, dtype=np.float64)) for block in blocks))
        except ValueError:
            raise DataError(f"{source}: contains values that are not finite") from None
        if moments.n < 2:
            raise DataError(f"{source}: has {moments.n} window; a covariance needs at least 2")
        described = {"name": name or file.stem, "embedder": identity, "windows": moments.n, "recordings": []}
        _make_folder(file)
        write_tensors(file, {"mean": moments.mean, "covariance": moments.covariance}, {**about, **described})
        return Built(moments.n, 0, ())
    recordings = sorted(source.rglob("*.npy"))
    if not recordings:
        raise UsageError(f"there are no .npy files in the folder {source}")
    with ReferenceWriter(file) as writer:
        for recording in recordings:
            vectors = np.asarray(_embeddings(recording, dimension), dtype=np.float32)
            content = hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()
            writer.add(recording.relative_to(source).with_suffix("").as_posix(), f"embedding:{content}", None, vectors)
        writer.finish(name or file.stem, identity, **about)
        return Built(writer.windows, len(recordings), ())


def holds_statistics(source: StrPath) -> bool:
    """Return whether a file contains a mean and a covariance rather than embeddings."""
    source = Path(source)
    if source.is_dir() or source.suffix.lower() == ".npy":
        return False
    kinds = {name.rpartition(".")[2] for name in _arrays(source)}
    return bool(kinds.intersection(_MEANS + _COVARIANCES)) or (len(kinds) != 1 and _EMBEDDINGS not in kinds)


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def _embeddings(source: Path, dimension: int) -> npt.NDArray[Any]:
    """Return the vectors in a file, shape (windows, dimension)."""
    if source.suffix.lower() == ".npy":
        try:
            array: npt.NDArray[Any] = np.load(source, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as error:
            if not source.is_file():
                raise UsageError(f"there is no file {source}{looked_for(source)}") from None
            raise DataError(f"{source}: truncated or not an .npy file") from error
    else:
        arrays = _arrays(source)
        array = arrays.get(_EMBEDDINGS, next(iter(arrays.values())))
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != dimension or not len(array) or array.dtype.kind != "f":
        raise DataError(
            f"{source}: the array has shape {array.shape} and type {array.dtype}, must be (windows, {dimension}) of "
            "floating-point numbers"
        )
    return array


def _likely(arrays: Mapping[str, Any]) -> str | None:
    """Return the tool that uses these array names."""
    if "mu_ref" in arrays:
        return "stable-audio-metrics"
    return "fadtk" if any("." in name for name in arrays) else None


def _heard(
    ref: EmbedderRef | str, source: Path, file: Path, options: ImportOptions, likely: str | None
) -> tuple[dict[str, Any], int, dict[str, Any]]:
    """Return the identity of the clips' embedder, its dimension, and the music's front end if it differs.

    Raises:
        UsageError: an unknown embedder or front end, or none is given.
    """
    ref = EmbedderRef(ref) if isinstance(ref, str) else ref
    if options.front_end is not None:
        ref = with_front_end(ref, options.front_end)
    else:
        params = [f"--param={name}={json.dumps(value)}" for name, value in ref.params.items()]
        model = ["--model", options.model] if options.model else []
        windows = ["--windows", str(options.windows)] if options.windows else []
        other = ["--compare-with", front_end_words(options.compare_with)] if options.compare_with else []
        words = ["tunebench", "reference", "import", str(source), "--embedder", ref.name, *params, *model, *windows]
        ask_for_front_end(ref, source, [*words, *other, "--out", str(file)], likely)
    ref, heard = compared_by(ref, options.compare_with)
    embedder = load_embedder(ref)
    identity, dimension = embedder_identity(ref, embedder), embedder.dimension
    embedder.close()
    return identity, dimension, heard


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
    """Return the arrays ``mu`` and ``cov``, with the prefix ``<model>.`` if there are several pairs."""
    pairs: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        owner, _, what = name.rpartition(".")
        kind = "mean" if what in _MEANS else "covariance" if what in _COVARIANCES else None
        if kind:
            pairs.setdefault(owner, {})[kind] = array
    whole = {owner: pair for owner, pair in pairs.items() if len(pair) == 2}
    if not whole:
        raise DataError(f"{source}: no arrays mu and cov; it contains {', '.join(arrays) or 'nothing'}")
    if model is None and len(whole) > 1:
        raise UsageError(f"{source} contains statistics of {', '.join(sorted(whole))}; choose one with --model")
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
        raise DataError(f"{source}: mean or covariance contains values that are not finite")
    scale = float(np.abs(covariance).max()) or 1.0
    if np.abs(covariance - covariance.T).max() > 1e-6 * scale:
        raise DataError(f"{source}: the covariance is not symmetric")
    if float(np.linalg.eigvalsh(covariance).min()) < -1e-5 * scale:
        raise DataError(f"{source}: the covariance is not positive semi-definite")
