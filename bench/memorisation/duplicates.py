"""Near-duplicates between collections: training data, references, suites' music, and clips of runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path
from typing import TypedDict

from bench.contracts.fingerprint_file import NAME, PrintedRecording, beside, read_fingerprints
from bench.contracts.known_sounds import KnownSounds, known_sounds
from bench.errors import DataError, MissingError, UsageError
from bench.number_format import counted
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.recordings import read_recordings
from bench.references.near_duplicates import FEWEST, MOST_THROUGHOUT, near_duplicates
from bench.storage.store import Store


class DuplicatePair(TypedDict):
    """Two recordings that share a stretch of 7 s or more.

    Attributes:
        a, b: the collections, as given.
        a_recording, b_recording: ids of the recordings in them.
        same: whether they are the same, sample for sample.
        whole: whether they agree over their common length, as copies and excerpts do; otherwise only in that stretch.
        apart: share of the bits of the stretch that differ, in [0, .08].
        a_time, b_time: its start in seconds.
    """

    a: str
    b: str
    a_recording: str
    b_recording: str
    same: bool
    whole: bool
    apart: float
    a_time: float
    b_time: float


class ComparedCollection(TypedDict):
    """Numbers of compared recordings of a collection, and of those too short to compare."""

    name: str
    compared: int
    too_short: int


class Duplicates(TypedDict):
    """The result of `find_duplicates`, as JSON values."""

    collections: list[ComparedCollection]
    pairs: list[DuplicatePair]


@dataclass(frozen=True, eq=False)
class _Collection:
    name: str
    recordings: list[PrintedRecording]


def find_duplicates(sources: Sequence[StrPath], progress: ProgressOption = None) -> Duplicates:
    """Find recordings of different collections that are the same in another encoding, or an excerpt.

    Decoded results are cached. `bench.references.near_duplicates` defines duplicates.

    Args:
        sources: a run folder (its clips), a folder of audio or a manifest, a reference file with its fingerprints
            beside it, or an adapter's folder or a file of fingerprints. One is compared with itself, several with each
            other.
        progress: receives the progress; None shows nothing.

    Raises:
        UsageError: there is no such collection, or its fingerprints are unknown.
        DataError: a collection is unusable, or a file is damaged.
    """
    if not sources:
        raise UsageError("give a run, a folder of audio, a reference file or an adapter to search for duplicates")
    with shown(progress) as told, known_sounds() as sounds:
        found = [_collection(Path(source), sounds, told) for source in sources]
    pairs = [
        pair
        for one, other in combinations_with_replacement(range(len(found)), 2)
        if one != other or len(found) == 1
        for pair in _pairs(found[one], found[other])
    ]
    compared: list[ComparedCollection] = []
    for collection in found:
        enough = sum(_long_enough(recording) for recording in collection.recordings)
        short = len(collection.recordings) - enough
        compared.append({"name": collection.name, "compared": enough, "too_short": short})
    return {"collections": compared, "pairs": sorted(pairs, key=lambda pair: (pair["a"], pair["b"], pair["apart"]))}


def _pairs(a: _Collection, b: _Collection) -> Iterator[DuplicatePair]:
    here, there = a.recordings, b.recordings
    for found in near_duplicates([one.prints for one in here], [one.prints for one in there]):
        if a is b and found.query >= found.known:
            continue
        one, other = here[found.query], there[found.known]
        yield {
            "a": a.name,
            "b": b.name,
            "a_recording": one.id,
            "b_recording": other.id,
            "same": one.content == other.content,
            "whole": found.throughout <= MOST_THROUGHOUT,
            "apart": round(found.apart, 4),
            "a_time": round(found.query_time, 1),
            "b_time": round(found.known_time, 1),
        }


def _long_enough(recording: PrintedRecording) -> bool:
    return any(len(one) >= FEWEST for one in recording.prints)


def _collection(source: Path, sounds: KnownSounds, progress: Progress) -> _Collection:
    source = source.expanduser()
    if not source.exists():
        raise UsageError(f"there is no run, folder or file {source}")
    if (source / "run.db").is_file():
        return _Collection(str(source), _clips(source, sounds, progress))
    kept = source / NAME if source.is_dir() else source if source.suffix == ".npz" else beside(source)
    if kept.is_file():
        return _Collection(str(source), read_fingerprints(kept))
    if source.suffix == ".safetensors" or (source / "card.json").is_file():
        raise UsageError(
            f"{source}: it has no fingerprints, as there is no {kept.name} beside it; give its audio, or make it again"
        )
    return _Collection(str(source), _audio(source, sounds, progress))


def _clips(run: Path, sounds: KnownSounds, progress: Progress) -> list[PrintedRecording]:
    with Store.read(run) as store:
        clips = store.made()
    if not clips:
        raise DataError(f"{run}: has no clips")
    progress.begin(f"fingerprints of {run.name}", len(clips), 0)
    found = []
    for clip in clips:
        _, prints = sounds.prints_of(run / clip.path, clip.content)
        found.append(PrintedRecording(f"{clip.model}: {clip.prompt}, seed {clip.seed}", clip.content, prints))
        progress.advance(1)
    return found


def _audio(source: Path, sounds: KnownSounds, progress: Progress) -> list[PrintedRecording]:
    recordings = read_recordings(source)
    progress.begin(f"fingerprints of {source.name}", len(recordings), 0)
    found, problems = [], []
    for recording in recordings:
        try:
            found.append(PrintedRecording(recording.id, *sounds.prints_of(recording.path)))
        except (DataError, MissingError) as error:
            problems.append(str(error))
        progress.advance(1)
    if problems:
        progress.note(f"{source}: left out {counted(len(problems), 'file')}, such as {problems[0]}")
    if not found:
        raise DataError(f"{source}: no file in it can be decoded")
    return found
