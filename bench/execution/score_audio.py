"""Score audio outside of runs: files, audio in memory, or audio made in the worker."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from bench.config.run_config import ExecutorConfig, MetricConfig
from bench.contracts.audio import Audio, write_flac
from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.contracts.metric import Score
from bench.contracts.pairs_file import PairsFile
from bench.contracts.prompt import Prompt
from bench.errors import DataError, MissingError, Undefined, UsageError
from bench.execution.executors.base import Executor, TaskLost
from bench.execution.executors.choose import make_executor
from bench.execution.executors.worker_state import WorkerState
from bench.execution.score_task import ScoreTask
from bench.paths import StrPath
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric, plan_metrics
from bench.progress import ProgressOption, shown
from bench.references.assign import Music, check_music, with_references
from bench.storage.task_results import ClipScores

Source = Audio | StrPath | Callable[[], Audio | StrPath]
"""Audio to score. A callable makes it in the worker: with worker processes, it must be picklable and defined by
an installed package."""


@dataclass(frozen=True)
class AudioScores:
    """Results of one piece of audio; every metric is in one of ``scores``, ``vectors`` and ``errors``.

    Attributes:
        scores: by metric (``name@version``), the value, or the reason why it is undefined.
        vectors: by set metric, its embedder's vectors, shape (windows, dimension), for `bench.SetMetric.evaluate`.
        errors: by metric, why it failed; for a set metric, why there are no vectors.
        error: why nothing was computed: the audio could not be read or made.
    """

    scores: dict[str, Score] = field(default_factory=dict)
    vectors: dict[str, Vectors] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    error: str | None = None


def score_audio(
    audio: Sequence[Source],
    metrics: Sequence[str | MetricConfig],
    prompts: Sequence[Prompt] | None = None,
    *,
    workers: int | None = 0,
    progress: ProgressOption = None,
    reference: str = "composer",
    pairs: PairsFile | str | None = None,
) -> Generator[AudioScores, None, None]:
    """Score audio with metrics, and yield the results of each piece in order, as soon as available.

    Audio in memory is written as FLAC and read back, so that its scores equal those of a model's clip in a run.
    The whole audio is embedded. If a metric kills its worker, only that metric has an error.

    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100, dtype=np.float32)
    >>> for scored in score_audio([Audio(tone[None], 44100), "nowhere.wav"], ["harmonic-accuracy"]):
    ...     print(scored.error or scored.scores["harmonic-accuracy@2"].reason)
    pitches sound for 0.6 s, needs 3
    nowhere.wav: no such file

    Args:
        audio: files, audio in memory, or callables that return one of these and are called in the worker.
        metrics: names of metrics, or entries of a configuration. They are checked before scoring, also if
            ``audio`` is empty.
        prompts: the prompts of the audio, one per piece. Without them, a metric that reads the text is
            undefined.
        workers: number of processes; 0 works in this one, None uses every available core.
        progress: receives the progress.
        reference, pairs: music for clip metrics such as ``fad-clip`` and ``kl``, as in a configuration.

    Raises:
        UsageError: an unknown metric or parameter, a wrong number of prompts, no music for a metric to compare with,
            a callable that cannot be sent to a worker, or a full disk.
        MissingError: a metric, or a callable of ``audio``, needs a missing package or file.
    """
    if isinstance(audio, str | os.PathLike | Audio) or isinstance(metrics, str):
        raise UsageError("score_audio takes lists: score_audio(['take.wav'], ['harmonic-accuracy'])")
    planned = plan_metrics([MetricConfig(name=metric) if isinstance(metric, str) else metric for metric in metrics])
    if prompts is not None and len(prompts) != len(audio):
        raise UsageError(f"score_audio: {len(prompts)} prompts for {len(audio)} pieces of audio; give one for each")
    embedders = {m.embedders[0].fingerprint: m.embedders[0] for m in planned if m.of_sets}
    of_clips = tuple(metric for metric in planned if not metric.of_sets)
    music = Music(reference, PairsFile(file=pairs) if isinstance(pairs, str) else pairs)
    check_music(music, of_clips, prompts or ())
    tasks = [
        _AudioTask(
            source if isinstance(source, Audio) or callable(source) else Path(source),
            prompts[place] if prompts is not None else _NoPrompt("none", ""),
            of_clips,
            tuple(embedders.values()),
        )
        for place, source in enumerate(audio)
    ]
    config = ExecutorConfig(workers=workers)
    if config.worker_count:
        for task in tasks:
            task.check_sendable()
    return _compared(tasks, planned, config, progress, music, prompts or ())


def _compared(
    tasks: Sequence[_AudioTask],
    metrics: Sequence[PlannedMetric],
    config: ExecutorConfig,
    option: ProgressOption,
    music: Music,
    prompts: Sequence[Prompt],
) -> Generator[AudioScores, None, None]:
    """Return the scores, embedding the music to compare with into a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="tunebench-references-") as kept:
        found = with_references([m for m in metrics if not m.of_sets], music, prompts, Path(kept))
        yield from _scored([replace(task, metrics=tuple(found)) for task in tasks], metrics, config, option)


def _scored(
    tasks: Sequence[_AudioTask], metrics: Sequence[PlannedMetric], config: ExecutorConfig, option: ProgressOption
) -> Generator[AudioScores, None, None]:
    found = [AudioScores() for _ in tasks]
    lacking = [len(task.pieces()) for task in tasks]
    following = 0
    with shown(option) as progress, make_executor(config) as executor:
        progress.begin("scoring audio", len(tasks), 0)
        for place, task, result in _performed(tasks, executor):
            if isinstance(result, TaskLost) and result.why in ("missing", "unstorable"):
                kind = MissingError if result.why == "missing" else UsageError
                raise kind(f"{task.source}: {result.message}")
            lacking[place] -= len(task.pieces())
            found[place] = _with(found[place], task, result, metrics)
            progress.advance(0 if lacking[place] else 1)
            while following < len(tasks) and not lacking[following]:
                yield found[following]
                following += 1


def _performed(
    tasks: Sequence[_AudioTask], executor: Executor
) -> Iterator[tuple[int, _AudioTask, ClipScores | TaskLost]]:
    """Yield the results of each piece of audio; if its worker dies, retry with one metric at a time."""
    waiting = deque(enumerate(tasks))

    def handed_out() -> Iterator[tuple[tuple[int, _AudioTask], _AudioTask]]:
        while waiting:
            place, task = waiting.popleft()
            yield (place, task), task

    while waiting:
        for (place, task), result in executor.map(handed_out()):
            if isinstance(result, TaskLost) and result.why == "died" and len(pieces := task.pieces()) > 1:
                waiting += [(place, piece) for piece in pieces]
            else:
                yield place, task, result


def _with(
    found: AudioScores, task: _AudioTask, result: ClipScores | TaskLost, metrics: Sequence[PlannedMetric]
) -> AudioScores:
    """Return the results so far, with those of one task added."""
    of_sets = [
        (metric, embedder)
        for metric in metrics
        if metric.of_sets and (embedder := metric.embedders[0].fingerprint) in {e.fingerprint for e in task.embedders}
    ]
    lost = result.message if isinstance(result, TaskLost) else result.unreadable
    if lost is not None or isinstance(result, TaskLost):
        if task.whole:
            return AudioScores(error=lost)
        errors = dict.fromkeys([*(m.ref for m in task.metrics), *(m.ref for m, _ in of_sets)], str(lost))
        return replace(found, errors=found.errors | errors)
    scores, vectors, errors = dict(found.scores), dict(found.vectors), dict(found.errors)
    for metric, scored in zip(task.metrics, result.scores, strict=True):
        if scored.error is not None:
            errors[metric.ref] = scored.error
        else:
            scores[metric.ref] = Score(scored.value, scored.reason, scored.details)
    embedded = {one.embedder: one for one in result.embedded}
    for metric, embedder in of_sets:
        one = embedded[embedder]
        if one.vectors is not None:
            vectors[metric.ref] = one.vectors
        else:
            errors[metric.ref] = str(one.error or one.reason)
    return AudioScores(scores, vectors, errors)


class _NoPrompt(Prompt):
    """Placeholder for a missing prompt: scores that need a text are undefined."""

    def __post_init__(self) -> None: ...

    def __getattribute__(self, name: str) -> object:
        if name == "text":
            raise Undefined("no prompt was given")
        return super().__getattribute__(name)


@dataclass(frozen=True)
class _AudioTask:
    """Score one piece of audio, after making it if it is a callable."""

    audio: Audio | Path | Callable[[], Audio | StrPath]
    prompt: Prompt
    metrics: tuple[PlannedMetric, ...]
    embedders: tuple[PlannedEmbedder, ...]
    whole: bool = True
    doing: ClassVar[str] = "scoring audio"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return 1

    @property
    def source(self) -> str:
        """Description of the audio, for messages."""
        return "audio in memory" if isinstance(self.audio, Audio) else getattr(self.audio, "__name__", str(self.audio))

    @property
    def subject(self) -> str:
        return f"{self.source} with {', '.join(metric.ref for metric in self.metrics)}"

    def pieces(self) -> list[_AudioTask]:
        """Return tasks with one metric or embedder each; the task itself if it has only one."""
        if len(self.metrics) + len(self.embedders) <= 1:
            return [self]
        return [
            *(replace(self, metrics=(metric,), embedders=(), whole=False) for metric in self.metrics),
            *(replace(self, metrics=(), embedders=(embedder,), whole=False) for embedder in self.embedders),
        ]

    def check_sendable(self) -> None:
        """Raise UsageError if the callable cannot be sent to a worker."""
        if callable(self.audio):
            try:
                pickle.dumps(self.audio)
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                raise UsageError(
                    f"{self.source} cannot be sent to a worker ({error}): use a function that a module defines, or "
                    "workers=0"
                ) from error

    def execute(self, state: WorkerState) -> ClipScores:
        """Make the audio and score it.

        Raises:
            DataError: it has no frames, or the callable returned another type.
            Exception: any exception of the callable.
        """
        audio = self.audio() if callable(self.audio) else self.audio
        if isinstance(audio, str | os.PathLike):
            return self._task(Path(audio), None).execute(state)
        if not isinstance(audio, Audio):
            raise DataError(f"{self.source} returned {type(audio).__name__}, not bench.Audio or a Path")
        if not audio.frames:
            raise DataError("the audio has no frames")
        notes = audio.notes.to_json() if audio.notes else None
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "audio.flac"
            write_flac(path, audio)
            return self._task(path, notes).execute(state)

    def _task(self, path: Path, notes: str | None) -> ScoreTask:
        name = str(path)
        return ScoreTask(name, "", path, self.prompt, notes, self.metrics, self.embedders, View())
