"""What a worker can be asked to do, as values that can be sent to another process or machine.

A task carries all it needs and returns plain values; it never touches the database. The only state a worker keeps is
the model and the metrics it loaded last, since loading them is what costs.
"""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.audio import Audio, content_hash, read_audio, write_flac
from bench.canonical import canonical_json
from bench.embedder import Embedder, EmbedderRef, Vectors, load_embedder
from bench.errors import DataError, MissingError, TunebenchError, Undefined
from bench.metric import ClipMetric, DecodedClip, Estimate, Score
from bench.metric_plan import PlannedEmbedder, PlannedMetric, SetKey
from bench.model import GenerationRequest, MusicModel
from bench.notes import Notes
from bench.outcome import ClipFailed, ClipHeard, ClipMade, ClipScored, Embedded, SetScored
from bench.plan import PlannedClip, PlannedModel
from bench.prompt import Prompt
from bench.registry import create
from bench.set_metric import PlannedReference, Reference, SetMetric, gather
from bench.view import View


@dataclass
class Bench:
    """What one worker holds loaded: at most one model, and metrics, embedders and references."""

    model_key: str = ""
    model: MusicModel | None = None
    metrics: dict[tuple[str, str], Any] = field(default_factory=dict)
    embedders: dict[str, Embedder] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)

    def use(self, planned: PlannedModel) -> MusicModel:
        """The model ready to generate; another one that was loaded is released first."""
        if self.model is None or self.model_key != planned.fingerprint:
            self.release()
            self.model = create(planned.plugin, planned.params, MusicModel)
            self.model_key = planned.fingerprint
        return self.model

    def metric(self, planned: PlannedMetric) -> ClipMetric:
        metric: ClipMetric = self._made(planned, ClipMetric)
        return metric

    def set_metric(self, planned: PlannedMetric) -> SetMetric:
        metric: SetMetric = self._made(planned, SetMetric)
        return metric

    def _made(self, planned: PlannedMetric, contract: type) -> Any:
        key = (planned.plugin.target, planned.params_hash)
        if key not in self.metrics:
            self.metrics[key] = create(planned.plugin, planned.params, contract)
        return self.metrics[key]

    def embedder(self, ref: EmbedderRef) -> Embedder:
        if ref.share_name not in self.embedders:
            self.embedders[ref.share_name] = load_embedder(ref)
        return self.embedders[ref.share_name]

    def reference(self, planned: PlannedReference) -> Reference:
        from bench.reference import load_reference

        if planned.fingerprint not in self.references:
            self.references[planned.fingerprint] = load_reference(planned.path)
        return self.references[planned.fingerprint]

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
        audio = audio.cropped(clip.request.duration)
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
    """Hear one clip: score its file with some metrics, and embed it with some embedders.

    ``known`` holds the vectors, or the reasons for none, that were stored before, by the embedder's fingerprint.
    """

    clip: str
    content: str
    path: Path
    prompt: Prompt
    notes: str | None
    metrics: tuple[PlannedMetric, ...]
    embedders: tuple[PlannedEmbedder, ...]
    view: View
    known: Mapping[str, Vectors | str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return 1

    def execute(self, bench: Bench) -> ClipHeard:
        """Decode the file once, embed and score it; a metric or embedder that raises fails alone."""
        try:
            audio = read_audio(self.path)
        except DataError as error:
            return ClipHeard(self.clip, unreadable=str(error))
        notes = Notes.from_json(self.notes) if self.notes else None
        embedders = [*self.embedders, *(e for metric in self.metrics for e in metric.embedders)]
        known = {e.ref.share_name: self.known[e.fingerprint] for e in embedders if e.fingerprint in self.known}
        clip = DecodedClip(audio, self.prompt, notes, bench.embedder, self.view, known)
        missing: list[str] = []
        embedded = [self._embed(embedder, clip, missing) for embedder in self.embedders]
        scores = [self._score(bench, metric, clip, missing) for metric in self.metrics]
        return ClipHeard(self.clip, scores, embedded, missing=missing)

    def lost(self, error: str) -> ClipHeard:
        """The result when nothing could be heard."""
        return ClipHeard(
            self.clip,
            [self._failed(metric, error) for metric in self.metrics],
            [Embedded(self.content, e.fingerprint, self.view.text, error=error) for e in self.embedders],
        )

    def alone(self) -> list[ScoreTask]:
        """The same work one metric or embedder at a time, to find the one that kills its worker."""
        return [
            *(replace(self, metrics=(metric,), embedders=()) for metric in self.metrics),
            *(replace(self, metrics=(), embedders=(embedder,)) for embedder in self.embedders),
        ]

    def _embed(self, planned: PlannedEmbedder, clip: DecodedClip, missing: list[str]) -> Embedded:
        key = (self.content, planned.fingerprint, self.view.text)
        try:
            vectors = np.ascontiguousarray(clip.embedding(planned.ref), dtype=np.float32)
            if vectors.ndim != 2 or not len(vectors) or not np.isfinite(vectors).all():
                raise DataError(f"the embedder gave {vectors.shape} vectors, or some that are not finite")
            return Embedded(*key, vectors=vectors)
        except Undefined as none:
            return Embedded(*key, reason=str(none))
        except Exception as error:
            if isinstance(error, MissingError):
                missing.append(f"embedder '{planned.ref.name}': {error}")
            return Embedded(*key, error=_one_line(error))

    def _score(self, bench: Bench, planned: PlannedMetric, clip: DecodedClip, missing: list[str]) -> ClipScored:
        started = time.perf_counter()
        try:
            score = bench.metric(planned).score(clip)
            if not isinstance(score, Score):
                raise TypeError(f"returned {type(score).__name__}, not bench.Score")
            details = _plain(score.details)
            canonical_json(details)
        except Undefined as none:
            score, details = Score.undefined(str(none)), {}
        except Exception as error:
            if isinstance(error, MissingError):
                missing.append(f"metric '{planned.name}': {error}")
            return self._failed(planned, _one_line(error))
        seconds = time.perf_counter() - started
        return ClipScored(self.clip, planned.key(self.view), score.value, score.reason, None, details, seconds)

    def _failed(self, planned: PlannedMetric, error: str) -> ClipScored:
        return ClipScored(self.clip, planned.key(self.view), error=error)


@dataclass(frozen=True)
class ClipGroup:
    """Clips that a set metric is computed of: ``members`` are places in the task's list of clips."""

    grouping: str
    name: str
    clips: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class SetTask:
    """One set metric on one model's clips, whole and by group.

    A clip is its prompt's number and its vectors, or the reason why it has none; None where nobody tried.
    """

    model: str
    metric: PlannedMetric
    view: View
    reference: PlannedReference | None
    clips: tuple[tuple[int, Vectors | str | None], ...]
    groups: tuple[ClipGroup, ...]

    @property
    def size(self) -> int:
        return max(1, len(self.clips))

    def execute(self, bench: Bench) -> list[SetScored]:
        """One result a group; a group that raises fails alone."""
        return [self._score(bench, group) for group in self.groups]

    def lost(self, error: str) -> list[SetScored]:
        """The results when nothing could be computed."""
        return [SetScored(self.key(group), error=error) for group in self.groups]

    def key(self, group: ClipGroup) -> SetKey:
        """What the score of a group is stored under."""
        reference = self.reference.fingerprint if self.reference else ""
        return SetKey(self.model, group.grouping, group.name, *self.metric.key(self.view), reference, group.clips)

    def _score(self, bench: Bench, group: ClipGroup) -> SetScored:
        try:
            metric = bench.set_metric(self.metric)
            reference = bench.reference(self.reference) if self.reference else None
            if reference and group.grouping == "genre":
                reference = reference.of_genre(group.name)
            members = [(place, *self.clips[place]) for place in group.members]
            clips = [(place, prompt, v) for place, prompt, v in members if not (v is None or isinstance(v, str))]
            if not clips:
                estimate = Estimate(None, None, None, 0, "no clip has an embedding")
            else:
                estimate = metric.evaluate(gather(clips, self.metric.embedders[0].fingerprint), reference)
            details = _plain(estimate.details)
            canonical_json(details)
            return SetScored(self.key(group), estimate=replace(estimate, details=details))
        except Exception as error:
            return SetScored(self.key(group), error=_one_line(error))


Task = GenerateTask | ScoreTask | SetTask


def _plain(value: Any) -> Any:
    """NumPy's scalars and arrays as the Python values that JSON knows."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()).encode(errors="replace").decode()
    if isinstance(error, TunebenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@cache
def _environment() -> dict[str, str]:
    from importlib.metadata import version

    return {
        "tunebench": version("tunebench"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
