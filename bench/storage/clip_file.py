"""The audio file of a clip: it says itself which clip it is, so that no lost database makes it worthless.

A clip is FLAC with a label in its comment: JSON with the clip's id, its content hash, and what of its row cannot be
computed from the samples. Files of runs before this have no label. They are used as they are where a row names them,
and are never taken for a clip where none does.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.contracts.audio import Audio, as_stored, content_hash, read_audio, read_comment, write_flac
from bench.contracts.notes import Notes
from bench.environment import usable_cores
from bench.errors import DataError
from bench.hashing import canonical_json
from bench.storage.task_results import ClipMade

_KEY = "tunebench"
THREADS = min(8, usable_cores())
"""How many files are decoded at a time; decoding and hashing leave the interpreter to other threads."""


@dataclass(frozen=True)
class ClipLabel:
    """The label stored in a clip's file.

    Attributes:
        clip: its id.
        content: `bench.contracts.audio.content_hash` of its samples.
        peak: largest absolute sample before ``gain`` was applied.
        gain: factor by which what exceeded full scale was lowered, in (0, 1].
        notes: JSON of the notes that were played, where they are known.
    """

    clip: str
    content: str
    peak: float
    gain: float
    notes: str | None = None


def write_clip(path: Path, clip: str, audio: Audio) -> ClipLabel:
    """Write a clip's file atomically, and return its label.

    Args:
        path: of the file; its folder is made.
        clip: the clip's id.
        audio: its sound; lowered as a whole if its peak exceeds full scale.

    Raises:
        OSError: the disk does not take it.
    """
    stored, gain = as_stored(audio)
    notes = audio.notes.to_json() if audio.notes else None
    label = ClipLabel(clip, content_hash(stored), audio.peak, gain, notes)
    write_flac(path, stored, canonical_json({_KEY: asdict(label)}))
    return label


def read_label(path: Path) -> ClipLabel | None:
    """Return the label of a clip's file, read without decoding it; None where the file has none, or is no audio.

    It is what the file says: whether its samples are the ones it names, `read_clip` checks.
    """
    try:
        found = json.loads(read_comment(path))[_KEY]
        label = ClipLabel(**found)
        if label.notes is not None:
            Notes.from_json(label.notes)
        texts, numbers = (label.clip, label.content), (label.peak, label.gain)
        sound = all(isinstance(text, str) for text in texts) and all(math.isfinite(number) for number in numbers)
        return label if sound else None
    except (DataError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def read_clip(path: Path) -> ClipMade | None:
    """Return the row of a clip from its file's label; None without one, or if the samples cannot be read or differ.

    How long it took to make and on which machine is not in the file.
    """
    label = read_label(path)
    if label is None:
        return None
    try:
        audio = read_audio(path)
    except DataError:
        return None
    if content_hash(audio) != label.content:
        return None
    shape = (audio.rate, audio.channels, audio.frames)
    return ClipMade(label.clip, label.content, *shape, label.peak, label.gain, None, label.notes, {})


def made_audio(path: Path, content: str) -> Audio:
    """Decode a clip's file, and check that it is unchanged.

    Args:
        path: of the file.
        content: `bench.contracts.audio.content_hash` of the clip, as its row has it.

    Raises:
        DataError: the file is missing, damaged, or holds other audio; the message names it.
    """
    audio = read_audio(path)
    if content_hash(audio) != content:
        raise _other_audio(path)
    return audio


def made_files(clips: Sequence[tuple[Path, str]]) -> Iterator[bytes]:
    """Yield the bytes of clips' files in order, after checking the samples of exactly these bytes.

    Args:
        clips: path and content hash of each.

    Raises:
        DataError: a file is missing, damaged, or holds other audio; the message names it.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(clips), 2 * THREADS):  # not more in memory than are decoded soon
            yield from threads.map(_made_file, clips[start : start + 2 * THREADS])


def _made_file(clip: tuple[Path, str]) -> bytes:
    import soundfile

    path, content = clip
    try:
        file = path.read_bytes()
        samples, rate = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
        found = content_hash(Audio(samples.T, rate))
    except (DataError, soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as audio ({str(error).rstrip('.').split(': ')[-1]})") from error
    if found != content:
        raise _other_audio(path)
    return file


def _other_audio(path: Path) -> DataError:
    return DataError(
        f"{path}: is not the audio that was made for this clip; restore the file, or make the clip again: "
        "'tunebench check run --repair'"
    )
