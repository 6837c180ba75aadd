"""The audio file of a clip: it says itself which clip it is, so that no lost database makes it worthless.

A clip is FLAC with a label in its comment: JSON with the clip's id, its content hash, and what of its row cannot be
computed from the samples. Files of runs before this have no label. They are used as they are where a row names them,
and are never taken for a clip where none does.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.contracts.audio import Audio, as_stored, content_hash, read_audio, read_comment, write_flac
from bench.contracts.notes import Notes
from bench.errors import DataError
from bench.hashing import canonical_json
from bench.storage.task_results import ClipMade

_KEY = "tunebench"


@dataclass(frozen=True)
class ClipLabel:
    """What a clip's file says of itself.

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
    """Write a clip's file, whole or not at all, and return the label that it carries.

    Raises:
        OSError: the disk does not take it.
    """
    stored, gain = as_stored(audio)
    notes = audio.notes.to_json() if audio.notes else None
    label = ClipLabel(clip, content_hash(stored), audio.peak, gain, notes)
    write_flac(path, stored, canonical_json({_KEY: asdict(label)}))
    return label


def read_label(path: Path) -> ClipLabel | None:
    """The label of a clip's file, read without decoding it; None where the file has none, or is no audio.

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
    """The row of the clip that a file says it is, as far as the file knows it; None where its samples are others.

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
