"""Recordings → a reference file: decode, embed, write, one recording at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts.audio import content_hash, read_audio
from bench.contracts.clip_view import View
from bench.contracts.embedder import Embedder, EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, Undefined, UsageError
from bench.progress import Progress, Silent
from bench.recordings import Recording
from bench.references.file_format import ReferenceWriter

MAX_BAD = 0.05
"""Share of the files that may be unusable: more is no accident."""


@dataclass(frozen=True)
class Built:
    """What became of the recordings: windows of how many, and the ones that were left out, with the reason."""

    windows: int
    recordings: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class ReferenceOptions:
    """How recordings become a reference.

    Attributes:
        statistics_only: keep mean and covariance only.
        max_bad: share of the recordings, in [0, 1), that may be unusable.
        view: the part of each recording that is embedded; all of it by default.
        about: JSON values to keep beside: licence, provenance, synthetic.

    Raises:
        UsageError: ``max_bad`` is out of range.
    """

    statistics_only: bool = False
    max_bad: float = MAX_BAD
    view: View = field(default_factory=View)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.max_bad < 1:
            raise UsageError(f"--max-bad is {self.max_bad}, must be in [0, 1)")


def build_reference(
    recordings: Sequence[Recording],
    ref: EmbedderRef,
    path: Path,
    name: str,
    options: ReferenceOptions | None = None,
    progress: Progress | None = None,
) -> Built:
    """Embed recordings and write them as a reference file.

    One recording is in memory at a time. A file that cannot be decoded or embedded is skipped, and so is one that
    sounds exactly like an earlier one: the same sound twice is no second recording.

    Args:
        recordings: one or more.
        ref: the embedder.
        path: the file to write.
        name: as tables show it.
        options: what is kept, and how much of the recordings may be unusable.
        progress: shows how far it is, and what is skipped.

    Raises:
        UsageError: an unknown embedder, or a disk that does not take the file.
        MissingError: the embedder's weights are not there.
        DataError: too many of the recordings are unusable, or too few are left.
    """
    options, progress = options or ReferenceOptions(), progress or Silent()
    embedder = load_embedder(ref)
    progress.begin("embedding recordings", len(recordings), 0)
    try:
        with ReferenceWriter(path, options.statistics_only) as writer:
            known, skipped = _embed(recordings, embedder, writer, options, progress)
            writer.finish(name, embedder_identity(ref, embedder), **options.about)
            return Built(writer.windows, known, tuple(skipped))
    finally:
        embedder.close()


def _embed(
    recordings: Sequence[Recording],
    embedder: Embedder,
    writer: ReferenceWriter,
    options: ReferenceOptions,
    progress: Progress,
) -> tuple[int, list[str]]:
    """Embed and add all recordings; return how many were added, and the others with the reason."""
    skipped: list[str] = []
    known: dict[str, str] = {}
    bad = 0
    for recording in recordings:
        problem = _add(recording, options.view, embedder, writer, known)
        if problem:
            skipped.append(f"{recording.id}: {problem.reason}")
            bad += problem.bad
            progress.note(f"skipped {skipped[-1]}")
        if bad > options.max_bad * len(recordings):
            raise DataError(
                f"{bad} of {len(recordings)} recordings cannot be used, more than {100 * options.max_bad:g} % "
                f"(--max-bad); the last: {skipped[-1]}"
            )
        progress.advance(1)
    return len(known), skipped


@dataclass(frozen=True)
class _Problem:
    reason: str
    bad: bool = True


def _add(
    recording: Recording, view: View, embedder: Embedder, writer: ReferenceWriter, known: dict[str, str]
) -> _Problem | None:
    try:
        audio = read_audio(recording.path)
        content = content_hash(audio)
        if content in known:
            return _Problem(f"the same sound as {known[content]}", bad=False)
        writer.add(recording.id, content, recording.genre, embedder.embed(view.of(audio)))
    except (DataError, Undefined) as error:
        return _Problem(str(error).removeprefix(f"{recording.path}: ").removeprefix(f"{recording.id}: "))
    known[content] = recording.id
    return None
