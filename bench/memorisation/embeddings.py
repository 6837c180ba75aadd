"""The embeddings that a memorisation audit compares: those of a run's clips, and those of a dataset's recordings."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.errors import MissingError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash_report import CRASHES
from bench.execution.score import Scoring
from bench.hashing import fingerprint
from bench.memorisation.run_rows import AuditedRun
from bench.progress import Progress
from bench.recordings import Recording
from bench.references.build import MAX_BAD, ReferenceOptions, build_reference
from bench.references.file_format import read_tensors
from bench.references.load import ENDING, load_reference
from bench.storage.clip_sets import view_of
from bench.storage.store import Store, StoredClip


@dataclass(frozen=True)
class DatasetFile:
    """An audio file of a dataset.

    Attributes:
        id: unique in the dataset.
        path: where the file lies.
        recording: the recording that it is a part of.
        content: `bench.contracts.audio.content_hash` of the whole file.
        genre: where known.
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
        name: as it is shown.
        files: at least one.
        max_bad: share of the files that may be unusable, if more than any reference set may have.
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
    """Files of a dataset, each with the hash of its sound; one sound is there once."""

    files: tuple[DatasetFile, ...]
    contents: tuple[str, ...]
    windows: Vectors
    starts: tuple[int, ...]

    def __iter__(self) -> Iterator[Vectors]:
        """The embedding of each file."""
        for place in range(len(self.files)):
            yield self.vectors(place)

    def vectors(self, place: int) -> Vectors:
        """The embedding of one file, shape (windows, dimension)."""
        ends = (*self.starts[1:], len(self.windows))
        return self.windows[self.starts[place] : ends[place]]


def embed_clips(run: AuditedRun, models: Collection[str], progress: Progress) -> tuple[View, list[EmbeddedClip]]:
    """Return the clips of some models with the embeddings that the run's scores use; missing ones are made.

    Clips that cannot be embedded are left out.

    Raises:
        UsageError: the run is in use.
        MissingError: the embedder needs what is not installed.
    """
    embedder = run.embedder
    with Store.read(run.folder) as store:
        view = view_of(store, run.settings.common)
        clips = [clip for clip in store.made() if clip.model in models]
        lacking = {clip.content for clip in clips} - store.embedded_keys(embedder.fingerprint, view.key)
    if lacking:
        executor = make_executor(run.settings.executor, run.folder / CRASHES)
        with Store.open(run.folder) as store, executor:
            if missing := Scoring(store, view, executor, progress).embed(embedder, models):
                raise MissingError("; ".join(missing))
    with Store.read(run.folder) as store:
        prompts, vectors = store.prompts(), store.embedded(embedder.fingerprint, view.key)
    embedded = []
    for clip in clips:
        found = vectors.get(clip.content)
        if found is not None and not isinstance(found, str):
            seconds = min(clip.duration, view.seconds or clip.duration)
            embedded.append(EmbeddedClip(clip, prompts[clip.prompt].genre or "", seconds, found))
    return view, embedded


def embed_dataset(run: AuditedRun, dataset: AuditedDataset, band: float | None, progress: Progress) -> EmbeddedDataset:
    """Return the embeddings of a dataset's files, whole ones, since a clip may repeat any part of one.

    They are computed once for each embedder and state of the dataset, and kept in a reference file of the run.

    Args:
        run: whose embedder is used.
        dataset: what to embed.
        band: only frequencies up to so many Hz, as in the clips; None for all.
        progress: shows how far it is, and what is left out.

    Raises:
        DataError: too much of it cannot be embedded.
    """
    view = View(None, band)
    sounds = sorted((file.id, file.content) for file in dataset.files)
    key = f"{fingerprint([sounds, view.key])[:16]}.{run.embedder.fingerprint[:8]}"
    path = run.cache / f"{key}{ENDING}"
    if not path.is_file():
        recordings = [Recording(file.id, file.path, file.genre) for file in dataset.files]
        options = ReferenceOptions(max_bad=max(MAX_BAD, dataset.max_bad), view=view)
        build_reference(recordings, run.embedder.ref, path, dataset.name, options, progress)
    embeddings = load_reference(path).embeddings
    assert embeddings is not None
    of = {file.id: file for file in dataset.files}
    listed = read_tensors(path)[1]["recordings"]
    starts = np.searchsorted(embeddings.recordings, np.arange(len(listed)))
    return EmbeddedDataset(
        tuple(of[id] for id, _, _ in listed),
        tuple(content for _, content, _ in listed),
        embeddings.vectors,
        tuple(starts.tolist()),
    )
