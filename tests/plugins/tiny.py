"""Plugins that do real work in no time, and misbehave when asked to."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import (
    Audio,
    ClipMetric,
    DecodedClip,
    Embedder,
    EmbedderRef,
    EmbeddingSet,
    Estimate,
    GenerationError,
    GenerationRequest,
    MissingError,
    MusicModel,
    Note,
    Notes,
    Notice,
    Reference,
    Score,
    SetMetric,
    Undefined,
)


def die(how: str) -> None:
    """End this process as native code does that goes wrong, or as the system does that ends it."""
    match how:
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)


class Sine(MusicModel):
    """A sine whose pitch comes from the prompt and whose phase comes from the seed.

    bad names how clips go wrong whose prompt's id begins with ``victim``; seconds is how long each clip takes.
    """

    sample_rate = 8000
    typical_speed = 1000.0
    provenance_params = frozenset({"seconds", "bad", "victim", "batch", "marks"})

    def __init__(
        self,
        hz: float = 200.0,
        seconds: float = 0.0,
        bad: str = "",
        victim: str = "jazz-2",
        batch: int = 1,
        marks: str = "",
    ) -> None:
        self.hz, self.seconds, self.bad, self.victim, self.batch_size, self.marks = (
            hz, seconds, bad, victim, batch, marks,
        )  # fmt: skip

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        return [self._one(request) for request in requests]

    def _one(self, request: GenerationRequest) -> Audio | GenerationError:
        if self.marks:
            with Path(self.marks).open("a") as marks:
                marks.write(f"{request.prompt.id}:{request.seed}\n")
        time.sleep(self.seconds)
        samples = self._samples(request)
        if self.bad and request.prompt.id.startswith(self.victim):
            match self.bad:
                case "raise":
                    raise RuntimeError("the model stumbled\nover two lines")
                case "error":
                    return GenerationError("this one prompt cannot be played")
                case "missing":
                    raise MissingError("weights tiny.bin are missing: fetch them")
                case "abort" | "segfault" | "kill" | "exit":
                    die(self.bad)
                case "hang":
                    time.sleep(3600)
                case "nan":
                    return Audio(np.full_like(samples, np.nan), 8000)
                case "empty":
                    return Audio(np.zeros((1, 0), dtype=np.float32), 8000)
                case "loud":
                    return Audio(samples * np.float32(20), 8000)
                case "type":
                    return "not audio"  # type: ignore[return-value]
        notes = Notes((Note(0.0, request.duration, 60),), quarter=0.5, key="C major")
        return Audio(samples, 8000, notes)

    def _samples(self, request: GenerationRequest) -> np.ndarray:
        t = np.arange(round(request.duration * 8000)) / 8000
        pitch = self.hz + 10 * len(request.prompt.text)
        phase = np.random.default_rng(request.seed).uniform(0, 2 * np.pi)
        return (0.2 * np.sin(2 * np.pi * pitch * t + phase)).astype(np.float32)


class Peak(ClipMetric):
    """Peak level in percent of full scale."""

    unit = "%"
    direction = "higher"

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(100 * clip.audio.peak, chance=50.0, channels=np.int64(clip.audio.channels))


class Frames(ClipMetric):
    """Number of frames; undefined for prompts of jazz."""

    def score(self, clip: DecodedClip) -> Score:
        if clip.prompt.genre == "jazz":
            return Score.undefined("jazz is not counted")
        return Score.of(clip.audio.frames)


class Fragile(ClipMetric):
    """Raises, or kills its process, for the prompts whose id begins with ``where``; notes where it is tried."""

    def __init__(self, how: str = "raise", where: str = "rock", marks: str = "") -> None:
        self.how, self.where, self.marks = how, where, marks

    def score(self, clip: DecodedClip) -> Score:
        if clip.prompt.id.startswith(self.where):
            if self.marks:
                with Path(self.marks).open("a") as marks:
                    marks.write(f"{clip.prompt.id}\n")
            die(self.how)
            raise ZeroDivisionError("nothing to divide by")
        return Score.of(1)


class FragileToo(Fragile):
    """Has the same faults, under another name."""


class Shared(ClipMetric):
    """Needs what dies while it is computed, and what `SharedToo` needs as well."""

    def __init__(self, how: str = "segfault", where: str = "") -> None:
        self.how, self.where = how, where

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(clip.share("tiny-shared@1", lambda: self._computed(clip.prompt.id)))

    def _computed(self, prompt: str) -> float:
        if prompt.startswith(self.where):
            die(self.how)
        return 1.0


class SharedToo(Shared):
    """Needs the same."""


class Bands(Embedder):
    """The level of eight bands in each quarter of a second."""

    dimension = 8

    def __init__(self, bad: str = "") -> None:
        self.bad = bad

    def embed(self, audio: Audio) -> np.ndarray:
        if self.bad == "raise":
            raise ZeroDivisionError("no bands")
        if self.bad == "undefined":
            raise Undefined("this clip has no bands")
        die(self.bad)
        size = audio.rate // 4
        mono = audio.mono()
        windows = np.pad(mono, (0, -len(mono) % size)).reshape(-1, size)
        spectrum = np.abs(np.fft.rfft(windows, axis=1))
        return np.stack([band.mean(axis=1) for band in np.array_split(spectrum, 8, axis=1)], axis=1).astype(np.float32)


class Loudest(ClipMetric):
    """The loudest band of the clip's embedding."""

    embedders = (EmbedderRef(f"{__file__}:Bands"),)

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(float(clip.embedding(self.embedders[0]).mean(axis=0).argmax()))


class Spread(SetMetric):
    """Mean distance of a set's windows from their mean."""

    direction = "none"
    needs_reference = False

    def __init__(self, bad: str = "") -> None:
        self.embedders = (EmbedderRef(f"{__file__}:Bands", {"bad": bad} if bad else {}),)

    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        assert reference is None
        distances = np.linalg.norm(evaluated.vectors - evaluated.vectors.mean(axis=0), axis=1)
        count = len(np.unique(evaluated.recordings))
        return Estimate(
            float(distances.mean()),
            None,
            None,
            count,
            "no interval",
            (Notice("W-TINY", {"clips": count}, f"{count} clips"),),
        )


class Deadly(Spread):
    """Kills its process."""

    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        die("segfault")
        return super().evaluate(evaluated, reference)
