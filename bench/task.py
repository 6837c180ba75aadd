"""The two things a worker can be asked to do, as values that can be sent to another process or machine.

A task carries all it needs and returns plain values; it never touches the database. The only state a worker keeps is
the model and the metrics it loaded last, since loading them is what costs.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.audio import Audio, content_hash, read_audio, write_flac
from bench.canonical import canonical_json
from bench.errors import DataError, MissingError, TunebenchError
from bench.metric import ClipMetric, DecodedClip, Score
from bench.model import GenerationRequest, MusicModel
from bench.notes import Notes
from bench.outcome import ClipFailed, ClipMade, ClipScored
from bench.plan import PlannedClip, PlannedMetric, PlannedModel
from bench.prompt import Prompt
from bench.registry import create


@dataclass
class Bench:
    """What one worker holds loaded: at most one model, and the metrics."""

    model_key: str = ""
    model: MusicModel | None = None
    metrics: dict[tuple[str, str], ClipMetric] = field(default_factory=dict)

    def use(self, planned: PlannedModel) -> MusicModel:
        """The model ready to generate; another one that was loaded is released first."""
        if self.model is None or self.model_key != planned.fingerprint:
            self.release()
            self.model = create(planned.plugin, planned.params, MusicModel)
            self.model_key = planned.fingerprint
        return self.model

    def metric(self, planned: PlannedMetric) -> ClipMetric:
        key = (planned.plugin.target, planned.params_hash)
        if key not in self.metrics:
            self.metrics[key] = create(planned.plugin, planned.params, ClipMetric)
        return self.metrics[key]

    def release(self) -> None:
        if self.model is not None:
            self.model.close()
            self.model = None
            gc.collect()


class Unstorable(TunebenchError):
    """The disk did not take a clip; going on would fail for every other clip too."""

    exit_code = 2


@dataclass(frozen=True)
class GenerateTask:
    """Make one batch of clips.

    Only the clips in ``wanted`` are written; the others keep the batch what it was planned to be.
    """

    model: PlannedModel
    clips: tuple[PlannedClip, ...]
    wanted: frozenset[str]
    folder: Path

    @property
    def size(self) -> int:
        return len(self.clips)

    def execute(self, bench: Bench) -> list[ClipMade | ClipFailed]:
        """Generate and store the clips; one that fails is a `ClipFailed`.

        Raises:
            MissingError: the model cannot run here at all.
            Unstorable: the disk is full or read-only.
        """
        model = bench.use(self.model)
        requests = [clip.request for clip in self.clips]
        started = time.perf_counter()
        produced = _generate(model, requests)
        seconds = (time.perf_counter() - started) / len(requests)
        return [
            self._store(clip, audio, seconds)
            for clip, audio in zip(self.clips, produced, strict=True)
            if clip.id in self.wanted
        ]

    def _store(self, clip: PlannedClip, audio: Audio | Exception, seconds: float) -> ClipMade | ClipFailed:
        if isinstance(audio, Exception):
            return ClipFailed(clip.id, _one_line(audio))
        if not audio.frames:
            return ClipFailed(clip.id, "the model returned audio without frames")
        path = self.folder / clip.path
        try:
            gain = write_flac(path, audio)
            content = content_hash(read_audio(path))
        except OSError as error:
            raise Unstorable(
                f"cannot write {path}: {error.strerror}; the clips made before are safe: make room or rights, "
                "then run the same command again"
            ) from error
        return ClipMade(
            clip.id,
            content,
            audio.rate,
            audio.channels,
            audio.frames,
            audio.peak,
            gain,
            seconds,
            audio.notes.to_json() if audio.notes else None,
            {
                **_environment(),
                "batch": len(self.clips),
                "params": {k: str(v) for k, v in self.model.provenance.items()},
            },
        )


def _generate(model: MusicModel, requests: Sequence[GenerationRequest]) -> list[Audio | Exception]:
    """One result for each request; when a batch raises, each request is tried alone, so that one costs only itself."""
    try:
        results = list(model.generate(requests))
        if len(results) != len(requests):
            raise DataError(f"the model returned {len(results)} clips for {len(requests)} requests")
        return [
            result
            if isinstance(result, Audio | Exception)
            else TypeError(f"not bench.Audio but {type(result).__name__}")
            for result in results
        ]
    except (MissingError, Unstorable):
        raise
    except Exception as error:
        if len(requests) == 1:
            return [error]
        return [result for request in requests for result in _generate(model, [request])]


@dataclass(frozen=True)
class ScoreTask:
    """Score one clip's file with some metrics."""

    clip: str
    path: Path
    prompt: Prompt
    notes: str | None
    metrics: tuple[PlannedMetric, ...]

    @property
    def size(self) -> int:
        return 1

    def execute(self, bench: Bench) -> list[ClipScored]:
        """Decode the file once and score it; a metric that raises fails alone.

        Raises:
            MissingError: a metric cannot run here at all.
        """
        try:
            audio = read_audio(self.path)
        except DataError as error:
            return [self._failed(metric, str(error)) for metric in self.metrics]
        clip = DecodedClip(audio, self.prompt, Notes.from_json(self.notes) if self.notes else None)
        return [self._score(bench.metric(metric), metric, clip) for metric in self.metrics]

    def _score(self, metric: ClipMetric, planned: PlannedMetric, clip: DecodedClip) -> ClipScored:
        started = time.perf_counter()
        try:
            score = metric.score(clip)
            if not isinstance(score, Score):
                raise TypeError(f"returned {type(score).__name__}, not bench.Score")
            details = _plain(score.details)
            canonical_json(details)
        except MissingError:
            raise
        except Exception as error:
            return self._failed(planned, _one_line(error))
        return ClipScored(
            self.clip, planned.name, planned.version, planned.params_hash,
            score.value, score.reason, None, details, time.perf_counter() - started,
        )  # fmt: skip

    def _failed(self, planned: PlannedMetric, error: str) -> ClipScored:
        return ClipScored(self.clip, planned.name, planned.version, planned.params_hash, error=error)


Task = GenerateTask | ScoreTask


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as the Python values that JSON knows."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, TunebenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _environment() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "tunebench": version("tunebench"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
