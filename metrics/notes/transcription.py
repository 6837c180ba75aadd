"""Polyphonic transcription with Basic Pitch.

R. M. Bittner, J. J. Bosch, D. Rubinstein, G. Meseguer-Brocal, S. Ewert: A Lightweight Instrument-Agnostic
Model for Polyphonic Note Transcription and Multipitch Estimation. ICASSP 2022. The network is the one
published with release 0.4.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from metrics.networks.onnx import load_network
from metrics.notes.note_creation import LOWEST_PITCH, create_notes
from metrics.notes.tuning import in_tune

VERSION = "basic-pitch@2"

RATE = 22_050
HOP = 256
WINDOW = 43_844
OVERLAP = 30 * HOP
WINDOW_HOP = WINDOW - OVERLAP
EDGE_FRAMES = 15
"""Frames dropped at each end of a window, where the network lacks context: half an overlap."""

KEPT_FRAMES = 172 - 2 * EDGE_FRAMES

BATCH = 4
"""Windows per call of the network; limits memory for long clips."""

SHA256 = "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"

Posterior = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TranscribedNote:
    """One note that was transcribed: onset and duration in seconds, MIDI pitch 21–108, amplitude (mean posterior)
    in (0, 1]."""

    onset: float
    duration: float
    pitch: int
    amplitude: float


@dataclass(frozen=True)
class Transcription:
    """The notes found in a clip, ordered by onset, then pitch."""

    notes: tuple[TranscribedNote, ...]

    @cached_property
    def pitches(self) -> npt.NDArray[np.int64]:
        """MIDI pitches, shape (notes,)."""
        return np.array([note.pitch for note in self.notes], dtype=np.int64)


@dataclass(frozen=True)
class Posteriors:
    """The network's output for a clip, tuned to A = 440 Hz.

    Attributes:
        sounding: probability that a note sounds, shape (frames, 88) from MIDI pitch 21 up.
        beginning: probability that one begins, the same shape.
        times: of the frames in seconds of the clip, shape (frames,).
    """

    sounding: Posterior
    beginning: Posterior
    times: npt.NDArray[np.float64]

    def notes(self) -> Transcription:
        """Create the notes from the posteriors."""
        times = self.times.tolist()
        notes = [
            TranscribedNote(times[n.start], times[n.end] - times[n.start], n.row + LOWEST_PITCH, n.amplitude)
            for n in create_notes(self.sounding, self.beginning)
        ]
        return Transcription(tuple(sorted(notes, key=lambda note: (note.onset, note.pitch))))


def transcription_of(clip: DecodedClip) -> Transcription:
    """Return the clip's transcription, computed once; silence has no notes.

    Raises:
        MissingError: the network's weights are missing or are not those of this version.
    """

    def compute() -> Transcription:
        heard = posteriors_of(clip)
        return Transcription(()) if heard is None else heard.notes()

    return clip.share(VERSION, compute)


def posteriors_of(clip: DecodedClip) -> Posteriors | None:
    """Return the clip's posteriors, computed once, or None for silence.

    Raises:
        MissingError: the network's weights are missing or are not those of this version.
    """

    def compute() -> Posteriors | None:
        samples = in_tune(clip, RATE)
        if samples is None:
            return None
        sounding, beginning = posteriors(samples)
        # A clip whose tuning was corrected is longer or shorter than the original.
        pace = clip.audio.duration * RATE / len(samples)
        return Posteriors(sounding, beginning, frame_times(len(sounding)) * pace)

    return clip.share(f"posteriors of {VERSION}", compute)


def transcribe(samples: Samples) -> Transcription:
    """Transcribe mono audio at 22,050 Hz, float32 of shape (frames,), without correcting its tuning.

    Raises:
        MissingError: the network's weights are missing or are not those of this version.
    """
    sounding, beginning = posteriors(samples)
    return Posteriors(sounding, beginning, frame_times(len(sounding))).notes()


def posteriors(samples: Samples) -> tuple[Posterior, Posterior]:
    """Compute the probabilities that a note sounds and that one begins, each of shape (frames, 88) from MIDI pitch 21
    up.

    Args:
        samples: mono at 22,050 Hz, float32 of shape (frames,).

    Raises:
        MissingError: the network's weights are missing or are not those of this version.
    """
    windows = _windows(samples)
    session = _session()
    results = [
        session.run(
            ["StatefulPartitionedCall:1", "StatefulPartitionedCall:2"],
            {"serving_default_input_2:0": windows[i : i + BATCH]},
        )
        for i in range(0, len(windows), BATCH)
    ]
    count = int(np.searchsorted(frame_times(len(windows) * KEPT_FRAMES), len(samples) / RATE))
    notes, onsets = (np.concatenate(parts)[:, EDGE_FRAMES:-EDGE_FRAMES] for parts in zip(*results, strict=True))
    return notes.reshape(-1, notes.shape[-1])[:count], onsets.reshape(-1, onsets.shape[-1])[:count]


def frame_times(count: int) -> npt.NDArray[np.float64]:
    """Compute the time of each joined frame in seconds, shape (count,).

    A window hop is 141.27 frame hops while 142 frames of each window are kept, so the times are counted from
    the start of each frame's own window; otherwise they would drift by 3 ms a window.
    """
    window, frame = np.divmod(np.arange(count), KEPT_FRAMES)
    times: npt.NDArray[np.float64] = (window * WINDOW_HOP + frame * HOP) / RATE
    return times


def _windows(samples: Samples) -> Samples:
    """Cut samples into overlapping windows, shape (windows, 43844, 1), with half an overlap of zeros in front."""
    count = max(1, -(-len(samples) // WINDOW_HOP))
    padded = np.zeros((count - 1) * WINDOW_HOP + WINDOW, dtype=np.float32)
    padded[OVERLAP // 2 : OVERLAP // 2 + len(samples)] = samples
    starts = np.arange(count)[:, np.newaxis] * WINDOW_HOP
    return padded[starts + np.arange(WINDOW)][..., np.newaxis]


@cache
def _session() -> Any:
    return load_network(files("metrics.notes") / "weights" / "basic-pitch.onnx", SHA256, VERSION)
