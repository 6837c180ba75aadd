"""Degrade music by known doses and score it: known damage → the values of every metric and embedder.

Each clip is degraded in every way of `metrics.degradation_kinds` at every dose, with the same draws at each dose, and
is written, read back and scored exactly as in a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from bench.contracts.audio import Audio, write_flac
from bench.contracts.embedder import Vectors
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt import Prompt
from bench.errors import GenerationError
from bench.execution.score_audio import AudioScores, score_audio
from bench.progress import Progress
from metrics.degradation_kinds import Degradation
from metrics.degradations import chance_of, replaced
from metrics.sensitivity import Values

CLEAN = "clean"


@dataclass(frozen=True)
class DegradedClip:
    """One clip, degraded in one way at one dose (or clean); calling it makes the clip and writes it to ``folder``.

    ``place`` is the prompt's index, ``other`` is the prompt of another genre; no ``spoiler`` means clean. ``dose`` is
    an index into the doses of the spoiler.
    """

    place: int
    prompt: Prompt
    other: Prompt
    seed: int
    duration: float
    spoiler: Degradation | None
    dose: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.prompt.id} seed {self.seed}, {', '.join(self.key)}"

    @property
    def key(self) -> tuple[str, str]:
        """The kind of damage and its dose, as they are written."""
        return (self.spoiler.name, self.spoiler.labels[self.dose]) if self.spoiler else (CLEAN, CLEAN)

    def __call__(self) -> Path:
        """Make the clip and return its file.

        Raises:
            MissingError: the composer cannot play here.
        """
        kind, label = self.key
        path = self.folder / kind / label.replace("−", "-") / f"{self.prompt.id}_{self.seed}.flac"
        write_flac(path, self._degraded())
        return path

    def _degraded(self) -> Audio:
        clean = _played("composer", "", 0.0, self.prompt, self.seed, self.duration)
        spoiler = self.spoiler
        if spoiler is None:
            return clean
        dose = spoiler.doses[self.dose]
        if spoiler.model:
            return _played(spoiler.model, spoiler.parameter, dose, self.prompt, self.seed, self.duration)
        if spoiler.spoil:
            return spoiler.spoil(clean, dose, chance_of(spoiler.name, self.prompt.id, self.seed))
        return replaced(clean, _played("composer", "", 0.0, self.other, self.seed, self.duration), dose)


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

    ``values``: of each metric, shape (prompts, seeds), NaN where undefined. ``vectors``: of each set metric, by (place
    of the prompt, seed). ``problems``: why a metric has no value, the first time.
    """

    values: dict[tuple[str, str], dict[str, Values]] = field(default_factory=dict)
    vectors: dict[tuple[str, str], dict[str, dict[tuple[int, int], Vectors]]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DoseOptions:
    """How clips are made and scored.

    Attributes:
        duration: of each clip in seconds.
        folder: where the degraded clips are kept for listening; None keeps none.
        seeds: clips of each prompt.
        workers: processes; 0 works in this one, None takes every core.
        reference: what clip metrics with a set of music compare with.
        paired: whether a metric compares with a recording for each prompt; the composer plays that recording for the
            prompt, with another seed than any clip's.
    """

    duration: float = 10.0
    folder: Path | None = None
    seeds: int = 1
    workers: int | None = 0
    reference: str = "composer"
    paired: bool = False


def score_doses(
    prompts: Sequence[Prompt],
    spoilers: Sequence[Degradation],
    metrics: Sequence[str],
    progress: Progress,
    options: DoseOptions | None = None,
) -> DoseScores:
    """Degrade and score clips of each prompt.

    Args:
        prompts: of several genres; another genre's music is that of the next prompt of another genre and equal level.
        spoilers: kinds of damage.
        metrics: names of metrics of clips and of sets.
        progress: shows the progress.
        options: how clips are made and scored.

    Raises:
        UsageError: an unknown metric.
        MissingError: the composer cannot play here.
        GenerationError: a clip could not be made or written.
    """
    found, options = DoseScores(), options or DoseOptions()
    with tempfile.TemporaryDirectory() as temporary:
        clips = list(_clips(prompts, spoilers, options.duration, options.folder or Path(temporary), options.seeds))
        scored = score_audio(
            clips,
            metrics,
            [clip.prompt for clip in clips],
            workers=options.workers,
            progress=progress,
            reference=options.reference,
            pairs=_paired(prompts, options, Path(temporary)) if options.paired else None,
        )
        with closing(scored):
            for clip, scores in zip(clips, scored, strict=True):
                if scores.error:
                    raise GenerationError(f"{clip}: {scores.error}")
                _note(found, clip, (len(prompts), options.seeds), scores)
    return found


def _paired(prompts: Sequence[Prompt], options: DoseOptions, folder: Path) -> str:
    """Write a file that names a recording for each prompt: the composer's, with a seed that no clip has."""
    pairs = folder / "pairs.csv"
    with pairs.open("w", encoding="utf-8") as lines:
        lines.write("prompt,file\n")
        for prompt in prompts:
            write_flac(
                folder / f"paired/{prompt.id}.flac",
                _played("composer", "", 0.0, prompt, options.seeds, options.duration),
            )
            lines.write(f"{prompt.id},paired/{prompt.id}.flac\n")
    return str(pairs)


def _clips(
    prompts: Sequence[Prompt], spoilers: Sequence[Degradation], duration: float, folder: Path, seeds: int
) -> Iterator[DegradedClip]:
    for place, prompt in enumerate(prompts):
        other = another_genre(prompts, prompt)
        for seed in range(seeds):
            yield DegradedClip(place, prompt, other, seed, duration, None, 0, folder)
            for spoiler in spoilers:
                for dose in range(len(spoiler.doses)):
                    yield DegradedClip(place, prompt, other, seed, duration, spoiler, dose, folder)


def _note(found: DoseScores, clip: DegradedClip, shape: tuple[int, int], scores: AudioScores) -> None:
    values, vectors = found.values.setdefault(clip.key, {}), found.vectors.setdefault(clip.key, {})
    for metric in (*scores.scores, *scores.errors):
        table = values.setdefault(metric, np.full(shape, np.nan))
        score = scores.scores.get(metric)
        if score is not None and score.value is not None:
            table[clip.place, clip.seed] = score.value
        else:
            found.problems.setdefault(metric, str(score.reason if score else scores.errors[metric]))
    for metric, vector in scores.vectors.items():
        vectors.setdefault(metric, {})[clip.place, clip.seed] = vector


def another_genre(prompts: Sequence[Prompt], prompt: Prompt) -> Prompt:
    """Return the next prompt of another genre, of the same level if there is one; or the prompt itself if none
    differs.

    Args:
        prompts: searched from the one after ``prompt``, and from the beginning after the end.
        prompt: one of them.
    """
    place = prompts.index(prompt)
    later = [p for p in [*prompts[place + 1 :], *prompts[:place]] if p.genre != prompt.genre]
    return next((p for p in later if p.level == prompt.level), later[0] if later else prompt)
