"""The embeddings that a memorisation audit compares: those of a run's clips, and those of a dataset's recordings."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.atomic_write import replace_file
from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.contracts.prompt import Prompt
from bench.contracts.set_metric import Reference
from bench.errors import MissingError, TunebenchError
from bench.execution.executors.choose import make_executor
from bench.execution.retries import Attempts
from bench.execution.score_task import ScoreTask
from bench.hashing import fingerprint
from bench.memorisation.run_rows import AuditedRun
from bench.number_format import counted
from bench.progress import Progress
from bench.recordings import Recording
from bench.references.build import MAX_BAD, ReferenceOptions, build_reference
from bench.references.file_format import read_tensors
from bench.references.load import ENDING, load_reference
from bench.storage.clip_sets import view_of
from bench.storage.store import Store, StoredClip
from bench.user_cache import UserCache, cached_files

_MOST_BYTES = 4_000_000_000  # of the embeddings of clips, and of those of recordings


@dataclass(frozen=True)
class DatasetFile:
    """An audio file of a dataset.

    Attributes:
        id: unique in the dataset.
        path: path of the file.
        recording: the recording that it belongs to.
        content: `bench.contracts.audio.content_hash` of the whole file.
        genre: if known.
    """

    id: str
    path: Path
    recording: str
    content: str
    genre: str | None = None


@dataclass(frozen=True)
class AuditedDataset:
    """The music that a model may have been trained on.

    Attributes:
        name: name shown.
        files: at least one.
        max_bad: share of the files that may be unusable, if more than for reference sets.
    """

    name: str
    files: tuple[DatasetFile, ...]
    max_bad: float = 0.0


@dataclass(frozen=True)
class EmbeddedClip:
    """A clip with its embedding, which is of its first ``seconds``."""

    clip: StoredClip
    genre: str
    seconds: float
    vectors: Vectors


@dataclass(frozen=True, eq=False)
class EmbeddedDataset:
    """Files of a dataset, each with the hash of its sound; without duplicates."""

    files: tuple[DatasetFile, ...]
    contents: tuple[str, ...]
    windows: Vectors
    starts: tuple[int, ...]

    def __iter__(self) -> Iterator[Vectors]:
        """Yield the embedding of each file."""
        for place in range(len(self.files)):
            yield self.vectors(place)

    def vectors(self, place: int) -> Vectors:
        """Return the embedding of one file, shape (windows, dimension)."""
        ends = (*self.starts[1:], len(self.windows))
        return self.windows[self.starts[place] : ends[place]]


def embed_clips(run: AuditedRun, models: Collection[str], progress: Progress) -> tuple[View, list[EmbeddedClip]]:
    """Return the clips of some models with the embeddings that the run's scores use.

    Missing ones are computed, and stored in the user's cache folder. Clips that cannot be embedded are left
    out.

    Args:
        run: the run.
        models: labels of the rows.
        progress: receives the progress, and clips left out.

    Returns:
        The part of the clips that is embedded, and the clips.

    Raises:
        MissingError: a dependency of the embedder is not installed.
    """
    embedder = run.embedder
    with Store.read(run.folder) as store:
        view, prompts = view_of(store, run.settings.common), store.prompts()
        clips = [clip for clip in store.made() if clip.model in models]
        vectors = store.embedded(embedder.fingerprint, view.key)
    lacking = {clip.content: clip for clip in clips if clip.content not in vectors}
    vectors |= _embedded(run, list(lacking.values()), prompts, view, progress)
    embedded = []
    for clip in clips:
        found = vectors.get(clip.content)
        if found is not None and not isinstance(found, str):
            seconds = min(clip.duration, view.seconds or clip.duration)
            embedded.append(EmbeddedClip(clip, prompts[clip.prompt].genre or "", seconds, found))
    return view, embedded


def _embedded(
    run: AuditedRun, clips: Sequence[StoredClip], prompts: Mapping[str, Prompt], view: View, progress: Progress
) -> dict[str, Vectors | str]:
    """Return the vectors of distinct clips by content, without those that cannot be embedded."""
    cache = UserCache("clip-embeddings", _MOST_BYTES)
    keys = {clip.content: f"{run.embedder.fingerprint} {view.key} {clip.content}" for clip in clips}
    found: dict[str, Vectors | str] = {
        content: vectors for content, key in keys.items() if (vectors := _unpacked(cache.get(key))) is not None
    }
    folder, embedders = run.folder.resolve(), (run.embedder,)
    tasks = [
        ScoreTask(c.id, c.content, folder / c.path, prompts[c.prompt], None, (), embedders, view)
        for c in clips
        if c.content not in found
    ]
    if not tasks:
        return found
    progress.begin("embedding clips", len(clips), len(found))
    missing: list[str] = []
    problems: list[str | None] = []
    with make_executor(run.settings.executor) as executor:
        attempts = Attempts(tasks, executor, progress)
        for _, result in attempts:
            missing += result.missing
            problems += [result.unreadable] if result.unreadable else []
            for one in result.embedded:
                if one.vectors is not None:
                    found[one.content] = one.vectors
                    cache.put(keys[one.content], _packed(one.vectors))
                else:
                    problems.append(one.reason or one.error)
            progress.advance(1)
        missing += attempts.missing.values()
    cache.trim()
    if missing:
        raise MissingError("; ".join(dict.fromkeys(missing)))
    if problems:
        progress.note(f"{counted(len(problems), 'clip')} left out that cannot be embedded, such as: {problems[0]}")
    return found


def embed_dataset(run: AuditedRun, dataset: AuditedDataset, band: float | None, progress: Progress) -> EmbeddedDataset:
    """Return the embeddings of a dataset's files, of their full length, since a clip may repeat any part.

    They are computed once for each embedder and state of the dataset, and stored in the user's cache folder.

    Args:
        run: the run with the embedder.
        dataset: what to embed.
        band: upper limit of frequencies in Hz, as in the clips; None for all.
        progress: receives the progress, and files left out.

    Raises:
        DataError: too much of it cannot be embedded.
    """
    view = View(None, band)
    sounds = sorted((file.id, file.content) for file in dataset.files)
    key = f"{fingerprint([sounds, view.key])[:16]}.{run.embedder.fingerprint[:8]}"
    recordings = [Recording(file.id, file.path, file.genre) for file in dataset.files]
    options = ReferenceOptions(max_bad=max(MAX_BAD, dataset.max_bad), view=view)
    with cached_files("recordings", _MOST_BYTES) as folder:
        path = folder / f"{key}{ENDING}"
        if (reference := _intact(path)) is None:
            build_reference(recordings, run.embedder.ref, path, dataset.name, options, progress)
            reference = load_reference(path)
            replace_file(_seal(path), reference.fingerprint)
        listed = read_tensors(path)[1]["recordings"]
    embeddings = reference.embeddings
    assert embeddings is not None
    of = {file.id: file for file in dataset.files}
    starts = np.searchsorted(embeddings.recordings, np.arange(len(listed)))
    return EmbeddedDataset(
        tuple(of[id] for id, _, _ in listed),
        tuple(content for _, content, _ in listed),
        embeddings.vectors,
        tuple(starts.tolist()),
    )


def _intact(path: Path) -> Reference | None:
    """Return the reference of a file, if it exists and is unchanged."""
    try:
        reference = load_reference(path)
        whole = _seal(path).read_text(encoding="utf-8") == reference.fingerprint
    except (TunebenchError, OSError, UnicodeDecodeError):
        return None
    if not whole:
        return None
    for file in (path, _seal(path)):  # they were used: `bench.user_cache.trim` removes others first
        with suppress(OSError):
            os.utime(file)
    return reference


def _seal(path: Path) -> Path:
    """Return the file that holds the fingerprint of a reference file's content."""
    return path.with_suffix(".fingerprint")


def _packed(vectors: Vectors) -> bytes:
    return np.array(vectors.shape, dtype="<u4").tobytes() + np.ascontiguousarray(vectors, dtype="<f4").tobytes()


def _unpacked(content: bytes | None) -> Vectors | None:
    """Return the vectors of `_packed`."""
    if content is None:
        return None
    windows, dimension = np.frombuffer(content, dtype="<u4", count=2)
    return np.frombuffer(content, dtype="<f4", offset=8).reshape(windows, dimension)
