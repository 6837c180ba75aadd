"""Spoil music by known doses and score it: known-truth clips → scores and vectors.

Each clip is spoiled in every way of `metrics.degradation_kinds` at every dose, with the same random draws at each dose,
and is written, read back and scored exactly as in a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from bench.contracts.audio import Audio, write_flac
from bench.contracts.clip_view import View
from bench.contracts.embedder import Vectors
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt import Prompt
from bench.errors import GenerationError, MissingError
from bench.execution.executors.base import Executor, TaskLost
from bench.execution.executors.worker_state import WorkerState
from bench.execution.score_task import ScoreTask
from bench.planning.metric_plan import PlannedEmbedder, PlannedMetric
from bench.progress import Progress
from bench.storage.task_results import ClipScores
from metrics.degradation_kinds import Degradation
from metrics.degradations import chance_of, replaced
from metrics.sensitivity import Values

CLEAN = "clean"


@dataclass(frozen=True)
class DoseTask:
    """One clip, spoiled in one way at every dose (or clean), written to ``folder`` and scored.

    ``place`` is the prompt's, ``other`` is what another genre's music is made for; no ``spoiler`` means clean.
    """

    place: int
    prompt: Prompt
    other: Prompt
    seed: int
    duration: float
    spoiler: Degradation | None
    metrics: tuple[PlannedMetric, ...]
    embedders: tuple[PlannedEmbedder, ...]
    folder: Path
    doing: ClassVar[str] = "scoring degraded clips"
    max_workers: ClassVar[int | None] = None

    @property
    def size(self) -> int:
        return len(self.labels)

    @property
    def subject(self) -> str:
        """What is scored, for a crash report."""
        return f"{self.prompt.id} seed {self.seed}, {self.kind}, with {', '.join(m.ref for m in self.metrics)}"

    @property
    def labels(self) -> tuple[str, ...]:
        """What the results are of, in order."""
        return self.spoiler.labels if self.spoiler else (CLEAN,)

    @property
    def kind(self) -> str:
        return self.spoiler.name if self.spoiler else CLEAN

    def execute(self, bench: WorkerState) -> list[ClipScores]:
        """One result for each dose, in order.

        Raises:
            MissingError: the composer cannot play here.
        """
        return [self._heard(label, audio, bench) for label, audio in self._spoiled()]

    def _spoiled(self) -> Iterator[tuple[str, Audio]]:
        clean = _played("composer", "", 0.0, self.prompt, self.seed, self.duration)
        spoiler = self.spoiler
        if spoiler is None:
            yield CLEAN, clean
            return
        for dose, label in zip(spoiler.doses, spoiler.labels, strict=True):
            if spoiler.model:
                yield label, _played(spoiler.model, spoiler.parameter, dose, self.prompt, self.seed, self.duration)
            elif spoiler.spoil:
                yield label, spoiler.spoil(clean, dose, chance_of(spoiler.name, self.prompt.id, self.seed))
            else:
                yield label, replaced(clean, _played("composer", "", 0.0, self.other, self.seed, self.duration), dose)

    def _heard(self, label: str, audio: Audio, bench: WorkerState) -> ClipScores:
        path = self.folder / self.kind / label.replace("−", "-") / f"{self.prompt.id}_{self.seed}.flac"
        write_flac(path, audio)
        task = ScoreTask(str(path), str(path), path, self.prompt, None, self.metrics, self.embedders, View())
        return task.execute(bench)


@lru_cache(maxsize=8)
def _played(name: str, parameter: str, dose: float, prompt: Prompt, seed: int, duration: float) -> Audio:
    model: MusicModel = create(find("model", name), {parameter: dose} if parameter else {}, MusicModel)
    (audio,) = model.generate([GenerationRequest(prompt, seed, duration)])
    if isinstance(audio, Exception):
        raise audio
    return audio


@dataclass
class DoseScores:
    """All scores and vectors, by (kind of damage, dose).

    ``values``: of each metric, shape (prompts, seeds), NaN where undefined. ``vectors``: of each embedder's
    fingerprint, by (place of the prompt, seed). ``problems``: why a metric has no value, the first time.
    """

    values: dict[tuple[str, str], dict[str, Values]] = field(default_factory=dict)
    vectors: dict[tuple[str, str], dict[str, dict[tuple[int, int], Vectors]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def score_doses(
    prompts: Sequence[Prompt],
    spoilers: Sequence[Degradation],
    metrics: Sequence[PlannedMetric],
    executor: Executor,
    progress: Progress,
    duration: float = 10.0,
    folder: Path | None = None,
    seeds: int = 1,
) -> DoseScores:
    """Spoil and score clips of each prompt.

    Args:
        prompts: of several genres; another genre's music is that of the next prompt of another genre and equal level.
        spoilers: kinds of damage.
        metrics: of clips and of sets.
        executor: where it is done.
        progress: shows how far it is.
        duration: of each clip in seconds.
        folder: where the spoiled clips stay, to be listened to; None keeps none.
        seeds: clips of each prompt.

    Raises:
        MissingError: the composer cannot play here.
        GenerationError: a clip could not be made or written.
    """
    clip_metrics = tuple(metric for metric in metrics if not metric.of_sets)
    embedders = tuple({m.embedders[0].fingerprint: m.embedders[0] for m in metrics if m.of_sets}.values())
    kinds: list[Degradation | None] = [None, *spoilers]
    heard = DoseScores()
    with tempfile.TemporaryDirectory() as temporary:
        keep = folder or Path(temporary)
        tasks = [
            DoseTask(place, prompt, another_genre(prompts, prompt), seed, duration, kind, clip_metrics, embedders, keep)
            for place, prompt in enumerate(prompts)
            for seed in range(seeds)
            for kind in kinds
        ]
        progress.begin("scoring degraded clips", len(tasks), 0)
        # Executors carry whatever has a size and executes; their types name only a run's own tasks.
        for task, outcome in executor.map(iter(tasks)):
            if isinstance(outcome, TaskLost):
                kind_of_error = MissingError if outcome.why == "missing" else GenerationError
                raise kind_of_error(f"{task.prompt.id}, {task.kind}: {outcome.message}")
            for label, clip in zip(task.labels, outcome, strict=True):
                if clip.unreadable:
                    raise GenerationError(f"{task.prompt.id}, {task.kind}: {clip.unreadable}")
                _note(heard, (task.kind, label), task, (len(prompts), seeds), clip)
            progress.advance(1)
    return heard


def _note(heard: DoseScores, key: tuple[str, str], task: DoseTask, shape: tuple[int, int], clip: ClipScores) -> None:
    values, vectors = heard.values.setdefault(key, {}), heard.vectors.setdefault(key, {})
    for metric, score in zip(task.metrics, clip.scores, strict=True):
        table = values.setdefault(metric.ref, np.full(shape, np.nan))
        if score.value is not None:
            table[task.place, task.seed] = score.value
        else:
            heard.problems.setdefault(metric.ref, str(score.error or score.reason))
    for embedded in clip.embedded:
        if embedded.vectors is not None:
            vectors.setdefault(embedded.embedder, {})[task.place, task.seed] = embedded.vectors


def another_genre(prompts: Sequence[Prompt], prompt: Prompt) -> Prompt:
    """The next prompt of another genre, of the same level if there is one; the prompt itself where all are alike."""
    place = prompts.index(prompt)
    later = [p for p in [*prompts[place + 1 :], *prompts[:place]] if p.genre != prompt.genre]
    return next((p for p in later if p.level == prompt.level), later[0] if later else prompt)
