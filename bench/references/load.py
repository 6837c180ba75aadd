"""Reference sets: loading and saving them, and finding the one that a name stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts.clip_view import View
from bench.contracts.identity import plugin_label
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, PlannedReference, Reference
from bench.errors import DataError, UsageError, suggestion
from bench.hashing import fingerprint, first_difference
from bench.references.file_format import content_fingerprint, read_tensors, write_tensors

if TYPE_CHECKING:
    from bench.planning.metric_plan import PlannedEmbedder
    from bench.progress import Progress

ENDING = ".safetensors"


def load_reference(path: Path) -> Reference:
    """Read a reference file. Its embeddings stay on disk, behind a memory map, until they are sliced.

    Raises:
        UsageError: there is no such file.
        DataError: truncated, not a reference, of another format, or with values that are not finite or do not match.
    """
    tensors, about = read_tensors(path)
    try:
        identity = about["embedder"]
        embedder = fingerprint(identity)
        genres = {place: genre for place, (_, _, genre) in enumerate(about["recordings"]) if genre is not None}
        mean, covariance = np.array(tensors["mean"]), np.array(tensors["covariance"])
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise DataError(f"mean of shape {mean.shape} and covariance of shape {covariance.shape} do not match")
        embeddings = None
        if "embeddings" in tensors:
            recordings = np.array(tensors["recordings"])
            embeddings = EmbeddingSet(tensors["embeddings"], recordings, recordings, embedder)
            if embeddings.dimension != len(mean) or embeddings.windows != about["windows"]:
                raise DataError(f"{tensors['embeddings'].shape} embeddings do not match the mean of {len(mean)}")
        return Reference(
            about["name"],
            embedder,
            content_fingerprint(tensors, embedder, genres),
            int(about["windows"]),
            mean,
            covariance,
            embeddings,
            genres,
            tuple(_warnings(about)),
            about,
        )
    except (DataError, KeyError, TypeError, ValueError) as error:
        problem = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: {problem}; build it again with 'tunebench reference build'") from error


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference that is in memory; ``about`` must hold the identity of its embedder.

    Raises:
        UsageError: the disk does not take it.
        DataError: ``about["embedder"]`` is not the embedder that the reference names.
    """
    import tempfile

    identity = reference.about.get("embedder")
    if identity is None or fingerprint(identity) != reference.embedder:
        raise DataError(f"reference '{reference.name}': about['embedder'] must be the identity of its embedder")
    about = {"recordings": [], **reference.about, "name": reference.name, "windows": reference.windows}
    small: dict[str, Any] = {
        "mean": np.asarray(reference.mean, dtype=np.float64),
        "covariance": np.asarray(reference.covariance, dtype=np.float64),
    }
    if reference.embeddings is None:
        write_tensors(path, small, about)
        return
    small["recordings"] = np.asarray(reference.embeddings.recordings, dtype=np.int64)
    vectors = reference.embeddings.vectors
    with tempfile.TemporaryFile() as windows:
        for start in range(0, len(vectors), 4096):
            windows.write(np.ascontiguousarray(vectors[start : start + 4096], dtype="<f4").tobytes())
        write_tensors(path, small, about, (windows, (reference.embeddings.windows, reference.embeddings.dimension)))


def find_reference(
    name: str,
    embedder: PlannedEmbedder,
    kept_in: Path | None = None,
    progress: Progress | None = None,
    view: View | None = None,
) -> PlannedReference:
    """Find the reference that a name stands for, as embedded by one embedder.

    Args:
        name: an installed reference (``composer``), a reference file, a folder of reference files (one an embedder), or
            a folder of audio, which is embedded now and kept in ``kept_in``. What is installed goes before a folder of
            the same name; write ``./name`` for that.
        embedder: the one that the metric is defined on.
        kept_in: where what is made of a folder of audio is kept; it is made again when a file in it has changed.
        progress: shows how far the embedding is.
        view: the part of each clip that is embedded; of a folder of audio, too. A file holds what it was made of.

    Raises:
        UsageError: nothing has that name, or it was embedded by another embedder or version.
        DataError: a reference file or audio that cannot be used.
        MissingError: the embedder's weights are not there.
    """
    from bench.contracts.plugins import find, installed, is_declared, load

    if is_declared("reference", name):
        plugin = find("reference", name)
        return _of_folder(plugin.name, Path(load(plugin)()), embedder)
    path = Path(name).expanduser()
    if path.is_file():
        reference = load_reference(path)
        if reference.embedder != embedder.fingerprint:
            raise UsageError(f"{path} {_other_embedder(reference.about['embedder'], embedder)}")
        return PlannedReference(reference.name, path.resolve(), reference.fingerprint)
    if not path.is_dir():
        known = installed("reference")
        raise UsageError(
            f"there is no reference '{name}'{suggestion(name, known)}; known: {', '.join(known)}; "
            "or a reference file, or a folder of audio"
        )
    if any(path.glob(f"*{ENDING}")):
        return _of_folder(path.name, path, embedder)
    if kept_in is None:
        raise UsageError(f"{path} is a folder of audio; embed it first with 'tunebench reference build {path}'")
    return _of_audio(path, embedder, view or View(), kept_in, progress)


def _of_folder(name: str, folder: Path, embedder: PlannedEmbedder) -> PlannedReference:
    have = []
    for file in sorted(folder.glob(f"*{ENDING}")):
        _, about = read_tensors(file)
        if fingerprint(about["embedder"]) == embedder.fingerprint:
            reference = load_reference(file)
            return PlannedReference(reference.name, file.resolve(), reference.fingerprint)
        have.append(about["embedder"])
    if len(have) == 1:
        raise UsageError(f"reference '{name}' {_other_embedder(have[0], embedder)}")
    raise UsageError(
        f"reference '{name}' was never embedded by {embedder.ref.name}; it has "
        f"{', '.join(_short(identity) for identity in have) or 'no files'}; {_build(embedder)}"
    )


def _of_audio(
    folder: Path, embedder: PlannedEmbedder, view: View, kept_in: Path, progress: Progress | None
) -> PlannedReference:
    from bench.recordings import recordings_in, state_of
    from bench.references.build import build_reference

    recordings = recordings_in(folder, "folder")
    # The state of the files is kept beside the vectors: a file that changed must not keep its old embedding.
    about = {"state": state_of(recordings), "view": json.loads(view.key)}
    name = folder.resolve().name
    path = kept_in / f"{name}.{embedder.fingerprint[:8]}{ENDING}"
    if not path.is_file() or not about.items() <= read_tensors(path)[1].items():
        build_reference(recordings, embedder.ref, path, name, view=view, progress=progress, about=about)
    reference = load_reference(path)
    return PlannedReference(reference.name, path.resolve(), reference.fingerprint)


def _other_embedder(identity: Mapping[str, Any], embedder: PlannedEmbedder) -> str:
    from bench.contracts.embedder import embedder_identity, load_embedder

    wanted = embedder_identity(embedder.ref, load_embedder(embedder.ref))
    place, theirs, ours = first_difference(json.loads(json.dumps(identity)), wanted)
    return (
        f"was embedded by {_short(identity)}, {embedder.ref.name} is needed ({place}: {theirs}, not {ours}); "
        f"{_build(embedder)}"
    )


def _build(embedder: PlannedEmbedder) -> str:
    return f"make one with 'tunebench reference build AUDIO --embedder {embedder.ref.name}'"


def _short(identity: Mapping[str, Any]) -> str:
    return plugin_label(identity)


def _warnings(about: Mapping[str, Any]) -> list[Notice]:
    found = []
    if about.get("synthetic"):
        found.append(Notice("W-SYNTHETIC", {"reference": about["name"]}))
    if about.get("windows_at_least"):
        found.append(Notice("W-COUNT", {"reference": about["name"], "windows": about["windows"]}))
    return found
