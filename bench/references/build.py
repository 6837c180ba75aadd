"""Recordings → a reference file: decode, embed, write, one recording at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.audio import content_hash, read_audio
from bench.contracts.clip_view import View
from bench.contracts.embedder import Embedder, EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, Undefined, UsageError
from bench.recordings import Recording
from bench.references.file_format import ReferenceWriter

if TYPE_CHECKING:
    from bench.progress import Progress

MAX_BAD = 0.05
"""Share of the files that may be unusable: more is no accident."""


@dataclass(frozen=True)
class Built:
    """What became of the recordings: windows of how many, and the ones that were left out, with the reason."""

    windows: int
    recordings: int
    skipped: tuple[str, ...]


def build_reference(
    recordings: Sequence[Recording],
    ref: EmbedderRef,
    path: Path,
    name: str,
    *,
    statistics_only: bool = False,
    max_bad: float = MAX_BAD,
    view: View | None = None,
    about: Mapping[str, Any] | None = None,
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
        statistics_only: keep mean and covariance only.
        max_bad: share of the recordings, in [0, 1), that may be unusable.
        view: the part of each recording that is embedded; all of it by default.
        about: JSON values to keep beside: licence, provenance, synthetic.
        progress: shows how far it is, and what is skipped.

    Raises:
        UsageError: an unknown embedder, a share out of range, or a disk that does not take the file.
        MissingError: the embedder's weights are not there.
        DataError: more than ``max_bad`` of the recordings are unusable, or too few are left.
    """
    if not 0 <= max_bad < 1:
        raise UsageError(f"--max-bad is {max_bad}, must be in [0, 1)")
    embedder = load_embedder(ref)
    skipped: list[str] = []
    heard: dict[str, str] = {}
    bad = 0
    if progress:
        progress.begin("embedding recordings", len(recordings), 0)
    try:
        with ReferenceWriter(path, statistics_only) as writer:
            for recording in recordings:
                problem = _add(recording, view or View(), embedder, writer, heard)
                if problem:
                    skipped.append(f"{recording.id}: {problem.reason}")
                    bad += problem.bad
                    if progress:
                        progress.note(f"skipped {skipped[-1]}")
                if bad > max_bad * len(recordings):
                    raise DataError(
                        f"{bad} of {len(recordings)} recordings cannot be used, more than {100 * max_bad:g} % "
                        f"(--max-bad); the last: {skipped[-1]}"
                    )
                if progress:
                    progress.advance(1)
            writer.finish(name, embedder_identity(ref, embedder), **(about or {}))
            return Built(writer.windows, len(heard), tuple(skipped))
    finally:
        embedder.close()


@dataclass(frozen=True)
class _Problem:
    reason: str
    bad: bool = True


def _add(
    recording: Recording, view: View, embedder: Embedder, writer: ReferenceWriter, heard: dict[str, str]
) -> _Problem | None:
    try:
        audio = read_audio(recording.path)
        content = content_hash(audio)
        if content in heard:
            return _Problem(f"the same sound as {heard[content]}", bad=False)
        writer.add(recording.id, content, recording.genre, embedder.embed(view.of(audio)))
    except (DataError, Undefined) as error:
        return _Problem(str(error).removeprefix(f"{recording.path}: ").removeprefix(f"{recording.id}: "))
    heard[content] = recording.id
    return None
