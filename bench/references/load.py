"""Load a reference file: the recordings that set metrics compare with, or their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import Vectors
from bench.contracts.front_end import OWN
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import DataError
from bench.hashing import fingerprint
from bench.paths import StrPath
from bench.references.file_format import content_fingerprint, read_tensors
from bench.references.front_ends import HEARD, heard_name

ENDING = ".safetensors"


def load_reference(path: StrPath) -> Reference:
    """Read a reference file. Its embeddings stay on disk in a memory map until they are sliced.

    Raises:
        UsageError: there is no such file.
        DataError: truncated, not a reference, of another format, or with values that are not finite or do not match.
    """
    path = Path(path)
    tensors, about = read_tensors(path)
    try:
        identity = about["embedder"]
        embedder = fingerprint(identity)
        genres = {place: genre for place, (_, _, genre) in enumerate(about["recordings"]) if genre is not None}
        prompts = _prompts(about)
        mean, covariance = np.array(tensors["mean"]), np.array(tensors["covariance"])
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise DataError(f"mean of shape {mean.shape} and covariance of shape {covariance.shape} do not match")
        embeddings = None
        if "embeddings" in tensors:
            recordings = np.array(tensors["recordings"])
            embeddings = _grouped(tensors["embeddings"], recordings, embedder, genres, prompts)
            if embeddings.dimension != len(mean) or embeddings.windows != about["windows"]:
                raise DataError(f"{tensors['embeddings'].shape} embeddings do not match the mean of {len(mean)}")
        return Reference(
            about["name"],
            embedder,
            content_fingerprint(tensors, _made_of(embedder, about), genres, prompts),
            int(about["windows"]),
            mean,
            covariance,
            embeddings,
            genres,
            tuple(_warnings(about)),
            about,
            _pairs(about),
        )
    except (DataError, KeyError, TypeError, ValueError) as error:
        problem = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise DataError(f"{path}: {problem}; build it again with 'tunebench reference build'") from error


def _made_of(embedder: str, about: Mapping[str, Any]) -> str:
    """Return the identity of the source of the numbers: embedder, front end, and pairs of recordings and prompts."""
    found = fingerprint([embedder, about[HEARD]]) if HEARD in about else embedder
    pairs = {id: recording for id, recording in _pairs(about).items() if isinstance(recording, int)}
    return fingerprint([found, {"pairs": pairs}]) if pairs else found


def _pairs(about: Mapping[str, Any]) -> dict[str, int | str]:
    """Return the number of each prompt's recording, or why there is none.

    Raises:
        ValueError: one is not a recording of this file.
    """
    pairs = about.get("pairs", {})
    numbers = range(len(about["recordings"]))
    if not isinstance(pairs, dict) or not all(
        isinstance(found, str) or (isinstance(found, int) and not isinstance(found, bool) and found in numbers)
        for found in pairs.values()
    ):
        raise ValueError("'pairs' does not name a recording of this file for each prompt")
    return pairs


def _prompts(about: Mapping[str, Any]) -> dict[int, str]:
    """Return the prompt text of each recording by its number, if known.

    Raises:
        ValueError: the list does not have one entry per recording.
    """
    texts = about.get("prompts") or [None] * len(about["recordings"])
    if len(texts) != len(about["recordings"]) or not all(text is None or isinstance(text, str) for text in texts):
        raise ValueError("'prompts' is not a list with one text or null per recording")
    return {place: text for place, text in enumerate(texts) if text is not None}


def _grouped(
    vectors: Vectors,
    recordings: npt.NDArray[np.int64],
    embedder: str,
    genres: Mapping[int, str],
    prompts: Mapping[int, str],
) -> EmbeddingSet:
    """Group windows by prompt if known, otherwise by recording; a group has the number of its first recording."""
    first: dict[tuple[str | None, str | None], int] = {}
    number = {
        recording: first.setdefault((prompts[recording], genres.get(recording)), recording)
        if recording in prompts
        else recording
        for recording in np.unique(recordings).tolist()
    }
    groups = recordings
    if prompts and len(recordings):
        groups = np.array([number[recording] for recording in recordings.tolist()], dtype=np.int64)
    return EmbeddingSet(
        vectors,
        recordings,
        groups,
        embedder,
        {group: genres[group] for group in number.values() if group in genres},
        {group: prompts[group] for group in number.values() if group in prompts},
    )


def _warnings(about: Mapping[str, Any]) -> list[Notice]:
    found = []
    if about.get("synthetic"):
        found.append(Notice("W-SYNTHETIC", {"reference": about["name"]}))
    if HEARD in about:
        clips = about["embedder"].get("front_end", OWN)
        names = {"music": heard_name(about[HEARD]), "clips": heard_name(clips)}
        found.append(Notice("W-FRONT-END", {"reference": about["name"], **names}))
    if about.get("windows_at_least"):
        found.append(Notice("W-COUNT", {"reference": about["name"], "windows": about["windows"]}))
    return found
