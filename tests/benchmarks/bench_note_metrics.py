"""How fast clips are scored by the note metrics, on one core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from row import Row

from bench import Audio, DecodedClip, GenerationRequest
from metrics.adherence import KeyAdherence, TempoAdherence
from metrics.chords import ChordsInKey
from metrics.harmony import HarmonicAccuracy
from metrics.melody import MelodicComplexity, PitchVariety
from metrics.notes.key import key_of
from metrics.notes.onsets import onsets_of
from metrics.notes.tempo import tempo_of
from metrics.notes.transcription import transcription_of
from metrics.notes.tuning import tuning_of
from metrics.rhythm import RhythmGrid, RhythmicInconsistency
from models.composer import Composer
from prompts import quick

SECONDS = 20.0
METRICS = (
    HarmonicAccuracy(),
    ChordsInKey(),
    MelodicComplexity(),
    PitchVariety(),
    RhythmicInconsistency(),
    RhythmGrid(),
    TempoAdherence(),
    KeyAdherence(),
)


def score_all(clip: DecodedClip) -> None:
    for metric in METRICS:
        metric.score(clip)


def measure() -> Iterable[Row]:
    requests = [GenerationRequest(prompt, 0, SECONDS) for prompt in quick().prompts if prompt.level == 5]
    audios = [audio for audio in Composer().generate(requests) if isinstance(audio, Audio)]
    prompts = [request.prompt for request in requests]

    def clips() -> list[DecodedClip]:
        return [DecodedClip(audio, prompt) for audio, prompt in zip(audios, prompts, strict=True)]

    score_all(clips()[0])  # loads the network
    note = f"median of {len(audios)} clips of {SECONDS:g} s, one thread"
    yield Row("eight note metrics", speed(score_all, clips()), "× real time", target=20, note=note)
    parts: dict[str, Callable[[DecodedClip], object]] = {
        "transcription": transcription_of,
        "onsets": onsets_of,
        "tempo": tempo_of,
        "key": key_of,
        "tuning": tuning_of,
    }
    for name, part in parts.items():
        yield Row(name, speed(part, clips()), "× real time")


def speed(work: Callable[[DecodedClip], object], clips: Sequence[DecodedClip]) -> float:
    """Median over the clips of seconds of audio per second of work; each clip is decoded anew and shares nothing."""
    speeds = []
    for clip in clips:
        begin = time.perf_counter()
        work(clip)
        speeds.append(clip.audio.duration / (time.perf_counter() - begin))
    return statistics.median(speeds)
