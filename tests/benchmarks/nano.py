"""How good the small shipped checkpoint is, by what never took part in its training: musicnn, tempo and harmony.

Reconstructions are of held-out pieces in the half of the composer's repertoire that was trained on; what is generated
is compared with the reference in the other half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

import bench
from bench.comparison.compare import compare
from bench.config.recipe import load_recipe
from bench.contracts.audio import Audio
from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.metric import ClipMetric, DecodedClip
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.prompt import Prompt
from bench.contracts.prompt_suite import load_suite
from bench.contracts.set_metric import EmbeddingSet, Reference, gather
from bench.planning.metric_plan import plan_embedder
from bench.references.find import find_reference
from bench.references.load import load_reference
from bench.stats.jackknife import jackknife_interval
from metrics.adherence import KeyAdherence, TempoAdherence
from metrics.harmony import HarmonicAccuracy
from metrics.kernel import KernelAudioDistance
from models.composer import Composer
from models.composer.writing.prompt_parser import STYLES
from models.nano.composer_reconstruction import ComposerReconstruction
from models.nano.make import HELD_OUT
from models.nano.music import works

GENRES = tuple(genre for genre in STYLES if genre != HELD_OUT)  # that the network was trained on
EMBEDDER = EmbedderRef("musicnn-msd")
SUITE = Path("results/recipes/prompts/nano.yaml")
SECONDS = 10.0


@dataclass(frozen=True)
class Reconstructions:
    """Percentages of reconstructed clips.

    Attributes:
        own_genre: whose nearest original but their own is of their genre.
        harmony: whose harmonic accuracy lies within 5 points of the original's.
        tempo: whose tempo lies within 4 % of the original's, where that has one.
        clips: how many.
    """

    own_genre: float
    harmony: float
    tempo: float
    clips: int


def measure_reconstructions(checkpoint: str, genres: Sequence[str] = STYLES, each: int = 10) -> Reconstructions:
    """Reconstruct pieces that no part was trained on."""
    planned = list(works(genres, each * len(genres), "nano held out"))
    requests = [GenerationRequest(work.prompt, work.seed, SECONDS) for work in planned]
    originals = [Audio(clip.samples, clip.rate) for clip in Composer("training").generate(requests)]
    rebuilt = ComposerReconstruction(checkpoint, "training").generate(requests)
    vectors, others = (np.stack(_means(clips)) for clips in (originals, rebuilt))
    distances = np.linalg.norm(others[:, None] - vectors[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    labels = np.array([work.prompt.genre for work in planned])
    pairs = list(zip(planned, originals, rebuilt, strict=True))
    scales = [[_harmony(clip, work.prompt) for clip in clips] for work, *clips in pairs]
    harmony = [abs(one - other) <= 5 for one, other in scales if one is not None and other is not None]
    tempi = [(_tempo(before), _tempo(after)) for _, before, after in pairs]
    kept = [b is not None and abs(b / a - 1) <= 0.04 for a, b in tempi if a is not None]
    return Reconstructions(
        100 * float(np.mean(labels[distances.argmin(axis=1)] == labels)),
        100 * float(np.mean(harmony)),
        100 * float(np.mean(kept)),
        len(planned),
    )


@dataclass(frozen=True)
class Generated:
    """What a model generated for prompts of known genres, against music of each genre.

    Attributes:
        margins: by genre, KAD to the nearest wrong genre less that to its own, with its 95 % interval.
        top_1: percent of clips whose nearest genre, by the mean kernel distance of the single clip, is their own.
        tempo, tempo_chance: percent of clips with the tempo that was asked for, and of random guesses.
        key, key_chance: mean score of the key that was asked for, and of random guesses.
        clips: how many.
    """

    margins: Mapping[str, tuple[float, float, float]]
    top_1: float
    tempo: float
    tempo_chance: float
    key: float
    key_chance: float
    clips: int


def measure_generated(model: MusicModel, genres: Sequence[str] = GENRES, seeds: Iterable[int] = (0, 1, 2)) -> Generated:
    """Generate for the prompts of these genres in the recipe's suite, and compare."""
    prompts = [prompt for prompt in load_suite(SUITE).prompts if prompt.genre in genres]
    requests = [GenerationRequest(prompt, seed, SECONDS) for prompt in prompts for seed in seeds]
    clips: list[Audio] = []
    for answer in model.generate(requests):
        assert not isinstance(answer, Exception), answer
        clips.append(answer)
    reference = load_reference(find_reference("composer-unheard", plan_embedder(EMBEDDER)).path)
    embedder = load_embedder(EMBEDDER)
    windows = [embedder.embed(clip) for clip in clips]
    number = {prompt.id: place for place, prompt in enumerate(prompts)}
    kad = KernelAudioDistance()

    def chosen(places: Sequence[int]) -> EmbeddingSet:
        usable = [(place, number[requests[place].prompt.id], windows[place]) for place in places]
        # Without genres, so that a set can be compared with the music of any.
        return gather(usable, reference.embedder, {})

    margins = {}
    for genre in genres:
        own = chosen([place for place, request in enumerate(requests) if request.prompt.genre == genre])
        margins[genre] = _margin(kad, own, reference, genre, genres)
    nearest = [
        min(genres, key=lambda genre: _mean_distance(windows[place], reference.of_genre(genre))) == request.prompt.genre
        for place, request in enumerate(requests)
    ]
    tempo = _adherence(TempoAdherence(), clips, requests)
    key = _adherence(KeyAdherence(), clips, requests)
    return Generated(margins, 100 * float(np.mean(nearest)), *tempo, *key, len(clips))


def measure_tuning(folder: Path, adapter: str) -> Mapping[str, tuple[float, float, float]]:
    """Compare the base with an adapter as the recipe plays them, on its prompts of the held-out genre.

    Args:
        folder: where the run is made.
        adapter: name or folder of the adapter.

    Returns:
        The difference of each metric, and the ends of its 95 % interval.
    """
    planned = load_recipe("nano").run
    base, tuned = (row for row in planned["models"] if row != "noise" and row["as"] in ("base", "lora-0"))
    prompts = [prompt for prompt in yaml.safe_load(SUITE.read_text())["prompts"] if prompt["genre"] == HELD_OUT]
    suite = folder / "prompts.yaml"
    suite.write_text(yaml.safe_dump({"name": "held-out", "version": 1, "prompts": prompts}))
    models = [base, {**tuned, "as": "tuned", "params": {**tuned["params"], "adapter": adapter}}]
    run = {**planned, "suite": str(suite), "models": models, "metrics": ["kad", "genre-fit"]}
    made = bench.run(run, folder / "run")
    found = {}
    for one in compare(made.folder, "base", "tuned"):
        assert one.estimate is not None and one.low is not None and one.high is not None
        found[one.column.ref.partition("@")[0]] = (one.estimate, one.low, one.high)
    return found


def _margin(
    kad: KernelAudioDistance, own: EmbeddingSet, reference: Reference, genre: str, genres: Sequence[str]
) -> tuple[float, float, float]:
    """KAD to the nearest wrong genre less that to its own, and its jackknife interval over prompts."""

    def distance(clips: EmbeddingSet, other: str) -> float:
        value = kad.evaluate(clips, reference.of_genre(other)).value
        assert value is not None
        return value

    wrong = min((other for other in genres if other != genre), key=lambda other: distance(own, other))
    groups = np.unique(own.groups)
    parts = [own.part(own.groups != group) for group in groups]
    left_out = [distance(part, wrong) - distance(part, genre) for part in parts]
    found = jackknife_interval(distance(own, wrong) - distance(own, genre), left_out)
    return found.mean, found.low, found.high


def _mean_distance(windows: npt.NDArray[np.float32], reference: Reference) -> float:
    assert reference.embeddings is not None
    music = np.asarray(reference.embeddings.vectors)
    return float(np.linalg.norm(windows[:, None] - music[None], axis=-1).mean())


def _adherence(
    metric: ClipMetric, clips: Sequence[Audio], requests: Sequence[GenerationRequest]
) -> tuple[float, float]:
    """Mean score and mean chance over the clips whose prompt asks for it."""
    scores = [metric.score(DecodedClip(clip, request.prompt)) for clip, request in zip(clips, requests, strict=True)]
    known = [(score.value, score.details["chance"]) for score in scores if score.value is not None]
    asked = [score for score in scores if score.value is not None or "asked" in score.details]
    values = sum(value for value, _ in known) / max(1, len(asked))  # a clip without a beat or key follows none
    return values, float(np.mean([chance for _, chance in known]))


def _means(clips: Sequence[Audio]) -> list[npt.NDArray[np.float32]]:
    embedder = load_embedder(EMBEDDER)
    return [embedder.embed(clip).mean(axis=0) for clip in clips]


def _harmony(clip: Audio, prompt: Prompt) -> float | None:
    return HarmonicAccuracy().score(DecodedClip(clip, prompt)).value


def _tempo(clip: Audio) -> float | None:
    found = TempoAdherence().score(DecodedClip(clip, Prompt("p", "music", None, None, 100.0)))
    bpm = found.details.get("bpm")
    return None if bpm is None else float(bpm)
