"""The embeddings that a memorisation audit compares: those of a run's clips, and those of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.config.run_config import RunConfig
from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.errors import MissingError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash import CRASHES
from bench.execution.score import Scoring
from bench.hashing import fingerprint
from bench.planning.metric_plan import PlannedEmbedder
from bench.progress import Progress
from bench.recordings import Recording
from bench.references.build import MAX_BAD, ReferenceOptions, build_reference
from bench.references.file_format import read_tensors
from bench.references.load import ENDING, load_reference
from bench.storage.clip_sets import view_of
from bench.storage.store import Store, StoredClip

if TYPE_CHECKING:
    from models.training.config import DataConfig
    from models.training.dataset import Dataset, Example


@dataclass(frozen=True)
class EmbeddedClip:
    """A clip with its embedding; ``seconds`` is how much of it was heard."""

    clip: StoredClip
    genre: str
    seconds: float
    vectors: Vectors


@dataclass(frozen=True, eq=False)
class EmbeddedRecordings:
    """Examples of a dataset, each with the hash of its sound; one sound is there once."""

    examples: tuple[Example, ...]
    contents: tuple[str, ...]
    windows: Vectors
    starts: tuple[int, ...]

    def __iter__(self) -> Iterator[Vectors]:
        """The embedding of each example."""
        for place in range(len(self.examples)):
            yield self.vectors(place)

    def vectors(self, place: int) -> Vectors:
        """The embedding of one example, shape (windows, dimension)."""
        ends = (*self.starts[1:], len(self.windows))
        return self.windows[self.starts[place] : ends[place]]


def embed_clips(
    run: Path, settings: RunConfig, embedder: PlannedEmbedder, models: Collection[str], progress: Progress
) -> tuple[View, list[EmbeddedClip]]:
    """The clips of some models as the run's scores hear them, but those without an embedding; missing ones are made.

    Raises:
        UsageError: the run is in use.
        MissingError: the embedder needs what is not installed.
    """
    with Store.read(run) as store:
        view = view_of(store, settings.common)
        clips = [clip for clip in store.made() if clip.model in models]
        lacking = {clip.content for clip in clips} - store.embedded_keys(embedder.fingerprint, view.key)
    if lacking:
        with Store.open(run) as store, make_executor(settings.executor, run / CRASHES) as executor:
            if missing := Scoring(store, view, executor, progress).embed(embedder, models):
                raise MissingError("; ".join(missing))
    with Store.read(run) as store:
        prompts, vectors = store.prompts(), store.embedded(embedder.fingerprint, view.key)
    heard = []
    for clip in clips:
        found = vectors.get(clip.content)
        if found is not None and not isinstance(found, str):
            seconds = min(clip.duration, view.seconds or clip.duration)
            heard.append(EmbeddedClip(clip, prompts[clip.prompt].genre or "", seconds, found))
    return view, heard


def embed_dataset(
    dataset: Dataset, data: DataConfig, embedder: PlannedEmbedder, band: float | None, kept_in: Path, progress: Progress
) -> EmbeddedRecordings:
    """The recordings of a dataset, heard whole, since a clip may repeat any part of one.

    They are embedded once for each embedder and state of the dataset, and kept in a reference file.

    Args:
        dataset, data: what to embed, and which share of it may be unusable.
        embedder: what hears them.
        band: only frequencies up to so many Hz, as in the clips; None for all.
        kept_in: folder of the reference file.
        progress: shows how far it is, and what is left out.

    Raises:
        DataError: too much of it cannot be embedded.
    """
    view = View(None, band)
    sounds = sorted(dataset.hashes.items())
    path = kept_in / f"{fingerprint([sounds, view.key])[:16]}.{embedder.fingerprint[:8]}{ENDING}"
    if not path.is_file():
        recordings = [Recording(example.id, example.path, example.genre) for example in dataset.examples]
        options = ReferenceOptions(max_bad=max(MAX_BAD, data.bad_share), view=view)
        build_reference(recordings, embedder.ref, path, dataset.name, options, progress)
    embeddings = load_reference(path).embeddings
    assert embeddings is not None
    of = {example.id: example for example in dataset.examples}
    listed = read_tensors(path)[1]["recordings"]
    starts = np.searchsorted(embeddings.recordings, np.arange(len(listed)))
    return EmbeddedRecordings(
        tuple(of[id] for id, _, _ in listed),
        tuple(content for _, content, _ in listed),
        embeddings.vectors,
        tuple(starts.tolist()),
    )
