"""Build a reference file: decode, embed and write one recording at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.contracts.audio import content_hash, read_audio
from bench.contracts.clip_view import View
from bench.contracts.embedder import Embedder, EmbedderRef, embedder_identity, load_embedder
from bench.contracts.fingerprint_file import PrintedRecording, beside, write_fingerprints
from bench.contracts.sound_fingerprint import sound_fingerprints
from bench.errors import DataError, MissingError, Unstorable, UsageError, one_line
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.recordings import GenreFrom, Recording, read_recordings
from bench.references.file_format import ReferenceWriter, reference_path
from bench.references.front_ends import AnyFrontEnd, compared_by

MAX_BAD = 0.05
"""Share of the files that may be unusable; more suggests a systematic problem."""


@dataclass(frozen=True)
class Built:
    """The result of building a reference.

    Attributes:
        windows: number of embedded windows.
        recordings: number of embedded recordings.
        skipped: the other recordings, with the reason.
        bad: number of these that are unusable; the rest duplicate others.
    """

    windows: int
    recordings: int
    skipped: tuple[str, ...]
    bad: int = 0


@dataclass(frozen=True)
class ReferenceOptions:
    """Options for building a reference.

    Attributes:
        statistics_only: keep mean and covariance only.
        max_bad: share of the recordings, in [0, 1), that may be unusable; one always may, unless it is 0.
        view: the part of each recording that is embedded; all of it by default.
        genre_from: source of genres for a folder or manifest: ``folder`` takes the
            first subfolder, ``manifest`` the column ``genre``; None sets no genres.
        about: JSON values to store with it: licence, provenance, synthetic.
        compare_with: front end of the clips that may be compared with it, if it differs from the
            embedder's; every such score is marked ``W-FRONT-END``.
        without: content hashes of recordings to leave out.
        fingerprints: store acoustic fingerprints in a file beside it, so that leaks are found without the audio.

    Raises:
        UsageError: ``max_bad`` is out of range.
    """

    statistics_only: bool = False
    max_bad: float = MAX_BAD
    view: View = field(default_factory=View)
    about: Mapping[str, Any] = field(default_factory=dict)
    genre_from: GenreFrom | None = None
    compare_with: AnyFrontEnd | None = None
    without: frozenset[str] = frozenset()
    fingerprints: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.max_bad < 1:
            raise UsageError(f"--max-bad is {self.max_bad}, must be in [0, 1)")


def build_reference(
    recordings: Sequence[Recording] | StrPath,
    ref: EmbedderRef | str,
    path: StrPath,
    name: str | None = None,
    options: ReferenceOptions | None = None,
    progress: ProgressOption = None,
) -> Built:
    """Embed recordings and write them as a reference file.

    One recording is in memory at a time. A file that cannot be decoded or embedded is skipped, and so is one that
    sounds exactly like an earlier one: a duplicate is not a second recording.

    Args:
        recordings: a folder of audio, or a manifest (.csv, .jsonl) with a column ``file``; or a list of recordings.
        ref: the embedder, or its name.
        path: the file to write, ``*.safetensors``.
        name: name in tables; by default that of the file.
        options: what to store, and how many recordings may be unusable.
        progress: receives the progress, and skipped recordings.

    Raises:
        UsageError: no such folder or manifest, an unknown embedder, another file extension, or the file cannot be
            written.
        MissingError: the embedder's weights are missing.
        DataError: too many of the recordings are unusable, or too few are left.
    """
    options, file = options or ReferenceOptions(), reference_path(path)
    about = dict(options.about)
    if isinstance(recordings, str | os.PathLike):
        source = Path(recordings)
        recordings = read_recordings(source, options.genre_from)
        about = {"provenance": {"source": source.resolve().name}, **about}
    ref = EmbedderRef(ref) if isinstance(ref, str) else ref
    clips, heard = compared_by(ref, options.compare_with)
    embedder = load_embedder(ref)
    try:
        with shown(progress) as progress, ReferenceWriter(file, options.statistics_only) as writer:
            progress.begin("embedding recordings", len(recordings), 0)
            printed: list[PrintedRecording] = []
            known, skipped, bad = _embed(recordings, embedder, writer, options, progress, printed)
            identity = embedder_identity(clips, embedder if clips is ref else load_embedder(clips))
            writer.finish(name or file.stem, identity, **{**about, **heard})
            if options.fingerprints:
                write_fingerprints(beside(file), printed)
            return Built(writer.windows, known, tuple(skipped), bad)
    finally:
        embedder.close()


def _embed(
    recordings: Sequence[Recording],
    embedder: Embedder,
    writer: ReferenceWriter,
    options: ReferenceOptions,
    progress: Progress,
    printed: list[PrintedRecording],
) -> tuple[int, list[str], int]:
    """Embed and add all recordings, and their acoustic fingerprints to ``printed`` if given.

    Returns the number added, the others with the reason, and the number of bad ones.
    """
    most = max(options.max_bad * len(recordings), 1 if options.max_bad else 0)
    skipped: list[str] = []
    known: dict[str, str] = {}
    bad = 0
    for recording in recordings:
        problem = _add(recording, options, embedder, writer, known, printed)
        if problem:
            skipped.append(f"{recording.id}: {problem.reason}")
            bad += problem.bad
            progress.note(f"skipped {skipped[-1]}")
        if bad > most:
            raise DataError(
                f"{bad} of {len(recordings)} recordings cannot be used, more than {100 * options.max_bad:g} % "
                f"(--max-bad); the last: {skipped[-1]}"
            )
        progress.advance(1)
    return len(known), skipped, bad


@dataclass(frozen=True)
class _Problem:
    reason: str
    bad: bool = True


def _add(
    recording: Recording,
    options: ReferenceOptions,
    embedder: Embedder,
    writer: ReferenceWriter,
    known: dict[str, str],
    printed: list[PrintedRecording],
) -> _Problem | None:
    try:
        audio = read_audio(recording.path)
        content = content_hash(audio)
    except (DataError, MissingError) as error:  # a missing decoder concerns only this file
        return _problem(recording, error)
    if content in options.without:
        return None
    if content in known:
        return _Problem(f"the same sound as {known[content]}", bad=False)
    try:
        vectors = embedder.embed(options.view.of(audio))
    except (UsageError, MissingError):
        raise
    except Exception as error:  # the embedder, perhaps a plugin's, may fail on this recording only
        return _problem(recording, error)
    try:
        writer.add(recording.id, content, recording.genre, vectors)
    except DataError as error:
        return _problem(recording, error)
    except OSError as error:
        raise Unstorable(f"{writer.path}: {error.strerror or error}") from None
    known[content] = recording.id
    if options.fingerprints:
        printed.append(PrintedRecording(recording.id, content, sound_fingerprints(audio)))
    return None


def _problem(recording: Recording, error: Exception) -> _Problem:
    return _Problem(one_line(error).removeprefix(f"{recording.path}: ").removeprefix(f"{recording.id}: "))
