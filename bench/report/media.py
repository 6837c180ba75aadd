"""Prepare the clips of a run for pages: match loudness, and draw a spectrogram and an outline of each.

One task takes all clips of one prompt, since they share a loudness and a range of colors.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import numpy as np

from bench.atomic_write import replacing
from bench.config.run_config import ExecutorConfig
from bench.contracts.audio import Audio
from bench.errors import DataError, MissingError, Unstorable, UsageError
from bench.execution.executors.base import TaskLost
from bench.execution.executors.choose import make_executor
from bench.progress import Progress, Silent
from bench.report.audio_encoding import Format, encoded, playable
from bench.report.context import ClipMedia
from bench.report.loudness import Loudness, gain, measure, target
from bench.report.media_record import MediaRecord
from bench.report.spectrogram import FAINTEST, mel_spectrogram, picture
from bench.report.waveform import outline
from bench.storage.clip_file import made_audio
from bench.storage.store import StoredClip

VERSION = 1
"""Version of the media; a raised one makes older files again."""

_ID = re.compile(r"[0-9a-f]{64}")
_OUR_FILE = re.compile(r"\.?[0-9a-f]{16}\.(flac|mp3|png)(\.\d+\.part)?")

Made = Mapping[str, ClipMedia | str]
"""Media by clip id, or a line that says why there is none."""


def prepare(
    run: Path,
    clips: Sequence[StoredClip],
    out: Path,
    audio: Format = "flac",
    workers: int | None = None,
    progress: Progress | None = None,
) -> dict[str, ClipMedia | str]:
    """Write ``audio/`` and ``pictures/`` of a report, and return their content.

    Prompts with unchanged clips (by content, and by size and modification time of the files), whose
    media exist, are skipped; files that belong to no clip are removed. All clips of a prompt are
    in memory at once: 21 MB for a minute of stereo at 44.1 kHz.

    Args:
        run: the run folder.
        clips: of any number of models and prompts; those of one prompt are matched to each other.
        out: the folder of the report; made if it does not exist.
        workers: number of processes; None uses every available core, 0 works in this one.

    Returns:
        Media by clip id, or a line that says why there is none: the file is missing, damaged, or another sound.

    Raises:
        DataError: a clip id in the database is invalid.
        UsageError: ``out`` cannot be written to, workers cannot be started, or libsndfile has no MP3 encoder.
        MissingError: Pillow is not installed.
    """
    if wrong := next((clip.id for clip in clips if not _ID.fullmatch(clip.id)), None):
        raise DataError(f"{run}: run.db names a clip {wrong!r}, which is not a SHA-256; the database was tampered with")
    _refuse_unknown(audio)
    tasks = [MediaTask(run, tuple(group), out, audio) for group in _by_prompt(clips)]
    progress = progress or Silent()
    try:
        for folder in ("audio", "pictures"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        _remove_others(out, {path for clip in clips for path in _paths(clip, audio)})
        with MediaRecord.open(out / "media.jsonl") as record:
            found: dict[str, ClipMedia | str] = {}
            for task in tasks:
                found |= task.recalled(record)
            todo = [task for task in tasks if task.clips[0].id not in found]
            progress.begin("preparing audio and pictures", len(clips), len(found))
            for task, made in _performed(todo, workers):
                record.add(task.key, made)
                found |= made
                progress.advance(len(task.clips))
            record.keep([task.key for task in tasks])
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename or out}: {error.strerror}; free disk space or fix permissions, or name "
            "another --out"
        ) from error
    return {clip.id: found[clip.id] for clip in clips}


@dataclass(frozen=True)
class MediaTask:
    """Make the media of all clips of one prompt."""

    run: Path
    clips: tuple[StoredClip, ...]
    out: Path
    audio: Format
    doing: ClassVar[str] = "preparing audio and pictures"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return len(self.clips)

    @property
    def subject(self) -> str:
        """The prompt and models, for a crash report."""
        return ", ".join(clip.path for clip in self.clips)

    @cached_property
    def key(self) -> list[Any]:
        """Everything that determines the media, and file states that reveal changes without decoding."""
        return [VERSION, self.audio, sorted([clip.id, clip.content, _state(self.run, clip)] for clip in self.clips)]

    def recalled(self, record: MediaRecord) -> Made:
        """Return media made before, if all files exist; otherwise nothing."""
        made = record.recall(self.key)
        whole = made.keys() == {clip.id for clip in self.clips}
        there = all((self.out / path).is_file() for clip in self.clips for path in _paths(clip, self.audio))
        return made if whole and there else {}

    def execute(self, _bench: object) -> Made:
        """Decode each clip once, choose a common loudness, and write the media.

        Raises:
            MissingError: Pillow is not installed.
            Unstorable: the disk is full or read-only.
        """
        made: dict[str, ClipMedia | str] = {}
        decoded: list[tuple[StoredClip, Audio, Loudness]] = []
        for clip in self.clips:
            try:
                sound = playable(_read(self.run, clip))
                decoded.append((clip, sound, measure(sound.samples, sound.rate)))
            except DataError as error:
                made[clip.id] = str(error)
        wanted = target([level for *_, level in decoded])
        gains = [gain(level, wanted) for *_, level in decoded]
        spectra = [mel_spectrogram(s.samples, s.rate) + g for (_, s, _), g in zip(decoded, gains, strict=True)]
        brightest = max([FAINTEST, *(float(spectrum.max()) for spectrum in spectra)])
        for (clip, sound, level), by, spectrum in zip(decoded, gains, spectra, strict=True):
            audio, image = _paths(clip, self.audio)
            seed = int(clip.content[:16], 16)
            try:
                _write(self.out / audio, encoded(sound, by, self.audio, seed))
                _write(self.out / image, picture(spectrum, brightest))
            except OSError as error:
                raise Unstorable(
                    f"cannot write {self.out / audio}: {error.strerror}; free disk space or fix permissions"
                ) from error
            waveform = np.minimum(outline(sound.samples) * 10 ** (by / 20), 1)
            shape = tuple(round(float(value), 3) for value in waveform)
            made[clip.id] = ClipMedia(audio, image, shape, sound.duration, level.loudness, by)
        return made


def _by_prompt(clips: Sequence[StoredClip]) -> list[list[StoredClip]]:
    groups: dict[str, list[StoredClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.prompt].append(clip)
    return list(groups.values())


def _performed(tasks: Sequence[MediaTask], workers: int | None) -> Iterator[tuple[MediaTask, Made]]:
    """Yield each task with its media, in any order; a worker that dies affects only the clips of its prompt."""
    config = ExecutorConfig(workers=workers)
    config = config.model_copy(update={"workers": min(config.worker_count, len(tasks))})
    try:
        with make_executor(config) as executor:
            for task, outcome in executor.map((task, task) for task in tasks):
                yield _taken(task, outcome)
    except OSError as error:
        # Tasks report write errors themselves.
        raise UsageError(
            f"cannot start worker processes ({error.strerror or error}); make the media in this one with --workers 0"
        ) from error


def _taken(task: MediaTask, outcome: Made | TaskLost) -> tuple[MediaTask, Made]:
    if not isinstance(outcome, TaskLost):
        return task, outcome
    if outcome.why == "missing":
        raise MissingError(outcome.message)
    if outcome.why == "unstorable":
        raise UsageError(outcome.message)
    return task, {clip.id: f"{clip.path}: {outcome.message}" for clip in task.clips}


def _state(run: Path, clip: StoredClip) -> list[int] | None:
    """Return size in bytes and modification time in nanoseconds of a clip's file; None if it is missing.

    Copying a folder can keep both. The media were made from the content recorded in the run, whatever the file
    is now.
    """
    try:
        found = (run / clip.path).stat()
    except (OSError, ValueError):  # a path with a zero byte raises ValueError
        return None
    return [found.st_size, found.st_mtime_ns]


def _read(run: Path, clip: StoredClip) -> Audio:
    """Decode a clip.

    Raises:
        DataError: its file is missing, damaged, outside the run, or not the sound that was scored.
    """
    path = PurePosixPath(clip.path)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{clip.path}: is outside the run folder")
    return made_audio(run / path, clip.content)


def _paths(clip: StoredClip, audio: Format) -> tuple[str, str]:
    """Return the paths of its sound and its picture, relative to the report's folder."""
    return f"audio/{clip.id[:16]}.{audio}", f"pictures/{clip.id[:16]}.png"


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _remove_others(out: Path, ours: set[str]) -> None:
    """Remove files named by this module that belong to no clip."""
    for folder in ("audio", "pictures"):
        for file in (out / folder).iterdir():
            if _OUR_FILE.fullmatch(file.name) and f"{folder}/{file.name}" not in ours:
                file.unlink(missing_ok=True)


def _refuse_unknown(audio: Format) -> None:
    import soundfile

    if audio == "mp3" and "MP3" not in soundfile.available_formats():
        raise UsageError("libsndfile on this machine cannot write MP3 (1.1 and later can): leave out --audio mp3")
