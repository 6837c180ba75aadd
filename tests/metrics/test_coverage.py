"""Density, coverage and diversity: the published formulas pair by pair, and what a model gains by repeating itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from re import findall

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import pdist

import metrics
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import UsageError
from bench.references.load import load_reference
from metrics import neighborhoods
from metrics.coverage import Coverage, Density
from metrics.diversity import Diversity
from tests.metrics.test_kernel_genres import BALANCED, SUITES, as_reference, drawn

Array = npt.NDArray[np.float64]
DIMENSION = 6


def music(seed: int, prompts: int, seeds: int, windows: int, spread: float = 1.0) -> EmbeddingSet:
    rng = np.random.default_rng(seed)
    shape = (prompts, seeds, windows, DIMENSION)
    vectors = spread * rng.normal(size=shape) + 0.5 * rng.normal(size=(prompts, seeds, 1, DIMENSION))
    clips = np.repeat(np.arange(prompts * seeds), windows)
    return EmbeddingSet(vectors.reshape(-1, DIMENSION).astype(np.float32), clips, clips // seeds, "e")


def reference(seed: int, recordings: int, windows: int) -> Reference:
    own = music(seed, recordings, 1, windows)
    vectors = own.vectors.astype(float)
    return Reference("music", "e", f"{seed}", own.windows, vectors.mean(axis=0), np.cov(vectors.T), own)


def windows_of(of: Reference) -> EmbeddingSet:
    assert of.embeddings is not None
    return of.embeddings


def published(y: Array, neighbors: Array, clips: Array, k: int) -> Array:
    """How many clips lie in the published ball of one window, by sorting all distances."""
    near = np.sort(np.linalg.norm(neighbors - y, axis=1))
    radius = near[k - 1] if len(near) >= k else np.inf
    return np.asarray((np.linalg.norm(clips - y, axis=1) < radius).sum())


@pytest.mark.parametrize(("k", "shared"), [(1, True), (3, True), (3, False)])
def test_they_are_the_published_formulas_of_every_deal(k: int, shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every window is a prompt of its own and of one genre: all 2⁸ deals of the pairs around every window."""
    monkeypatch.setattr(neighborhoods, "BALLS", 15_000)
    of, clips = reference(1, 9, 1), music(2, 9, 1, 1, spread=1.1)
    texts = {place: f"text {place}" for place in range(9)}
    of = replace(of, embeddings=replace(windows_of(of), prompts=texts))
    if shared:
        clips = replace(clips, prompts=texts)
    x, y = clips.vectors.astype(float), windows_of(of).vectors.astype(float)
    inside, covered, wanted = [], [], []
    rng = np.random.default_rng(0)
    for place, window in enumerate(y):
        others = np.delete(np.arange(9), place)
        for heads in product([False, True], repeat=8):
            ours = np.array(heads)
            pairs = others if shared else rng.permutation(9)[:8]
            found = published(window, y[others[ours]], x[pairs[~ours]], k)
            inside.append(found)
            covered.append(found > 0)
            wanted.append(min(k, ours.sum()))
    density, coverage = Density(k=k).evaluate(clips, of), Coverage(k=k).evaluate(clips, of)
    assert density.value == pytest.approx(np.sum(inside) / np.sum(wanted), abs=0.02 if shared else 0.06)
    assert coverage.value == pytest.approx(100 * np.mean(covered), abs=1 if shared else 3)
    assert (density.n, coverage.n) == (9, 9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "runs", [pytest.param(8, id="short"), pytest.param(400, marks=pytest.mark.simulate, id="long")]
)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("prompts", ["same", "other"])
def test_sets_of_one_distribution_read_what_is_stated(suite: str, prompts: str, runs: int) -> None:
    """Density 1 and coverage 1 − 2⁻ᵏ, whatever the suite's balance, and whether or not its prompts are the reference's.

    Genres, prompts, clips and windows have variances .8, .35, .15 and .3.
    """
    rng = np.random.default_rng(list(map(ord, suite + prompts)))
    chosen, values = SUITES[suite], []
    k = 5 if len(chosen) > 10 else 2
    for run in range(runs):
        centres = np.sqrt(0.8) * rng.normal(size=(6, 4))
        effects, other = (centres[BALANCED] + np.sqrt(0.35) * rng.normal(size=(36, 4)) for _ in range(2))
        own = (effects if prompts == "same" else other)[chosen]
        first = 0 if prompts == "same" else 100
        texts = {group: f"text {first + place}" for group, place in enumerate(chosen.tolist())}
        clips = replace(drawn(rng, own, BALANCED[chosen].tolist(), 2), prompts=texts)
        of = as_reference(drawn(rng, effects, BALANCED.tolist(), 3), str(run))
        values.append([metric.evaluate(clips, of).value for metric in (Density(k=k), Coverage(k=k))])
    found = np.array(values, dtype=float)
    error = found.std(axis=0, ddof=1) / np.sqrt(runs)
    assert (np.abs(found.mean(axis=0) - [1, 100 * (1 - 0.5**k)]) <= (3.5 if runs > 100 else 6) * error).all()


def test_on_the_shipped_reference_prompts_do_not_matter() -> None:
    """Its own recordings against each other: four of each prompt against the rest, or half of the prompts."""
    of = load_reference(Path(metrics.__file__).parent / "references/composer/musicnn-msd.safetensors")
    own, rng = windows_of(of), np.random.default_rng(1)
    values: dict[str, list[list[float | None]]] = {"same": [], "other": []}
    for split, found in values.items():
        for run in range(6):
            units, strata = (own.recordings, own.groups) if split == "same" else (own.groups, own.groups // 48)
            half = [rng.permutation(np.unique(units[strata == one]))[::2] for one in np.unique(strata)]
            chosen = np.isin(units, np.concatenate(half))
            rest = replace(of, fingerprint=str(run), embeddings=own.part(~chosen))
            found.append([metric.evaluate(own.part(chosen), rest).value for metric in (Density(), Coverage())])
    same, other = (np.array(found, dtype=float) for found in values.values())
    # Density of equal sets has a standard deviation of .03 on the same prompts and .08 on others, here.
    assert abs(same.mean(axis=0)[0] - 1) < 3.5 * 0.03 / np.sqrt(6)
    assert abs(other.mean(axis=0)[0] - 1) < 3.5 * 0.08 / np.sqrt(6)
    assert same.mean(axis=0)[1] == pytest.approx(96.9, abs=0.6) and other.mean(axis=0)[1] == pytest.approx(
        96.9, abs=1.6
    )


def test_intervals_leave_prompts_out() -> None:
    """The reference, and how its prompts were dealt, stay as they are."""
    of, clips = reference(1, 30, 4), music(2, 12, 2, 3)
    for metric in (Density(), Coverage(), Diversity()):
        contributions = metric.contributions(metric.grouped(clips), of)
        values = contributions.values(~np.eye(12, dtype=bool))
        assert contributions.left_out(np.ones(12, dtype=bool)) == pytest.approx(values, rel=1e-9)
        estimate = metric.evaluate(clips, of)
        reach = 2.200985 * np.sqrt(11 / 12 * ((values - values.mean()) ** 2).sum())
        assert estimate.value is not None and estimate.low is not None and estimate.high is not None
        assert (estimate.low, estimate.high) == pytest.approx(
            (estimate.value - reach, estimate.value + reach), rel=1e-5
        )


def test_repeating_one_good_clip_is_dense_but_covers_little() -> None:
    """What is most typical of the reference, again and again, wins by density and loses by coverage and diversity."""
    of, honest = reference(1, 150, 4), music(2, 36, 2, 4)
    repeating = replace(honest, vectors=np.zeros_like(honest.vectors) + windows_of(of).vectors.mean(axis=0))
    one = replace(honest, vectors=np.zeros_like(honest.vectors) + windows_of(of).vectors[0])
    density, coverage, diversity = Density(), Coverage(), Diversity()
    assert density.evaluate(repeating, of).value > 2 * density.evaluate(honest, of).value  # type: ignore[operator]
    assert coverage.evaluate(one, of).value < 0.5 * coverage.evaluate(honest, of).value  # type: ignore[operator]
    assert diversity.evaluate(repeating, None).value == 0
    for metric, other, sign in ((density, repeating, 1), (coverage, one, -1), (diversity, repeating, -1)):
        difference = metric.difference(honest, other, of, 0)
        assert difference.estimate is not None and difference.p is not None
        assert sign * difference.estimate > 0
        assert difference.p < 0.01


def test_what_is_farther_from_the_reference_reads_less() -> None:
    of, clips = reference(1, 60, 4), music(2, 36, 2, 4)
    noise = np.random.default_rng(3).normal(size=clips.vectors.shape)
    for metric in (Density(), Coverage()):
        sets = [replace(clips, vectors=(clips.vectors + dose * noise).astype(np.float32)) for dose in (0, 1, 2, 4)]
        values = [metric.evaluate(one, of).value for one in sets]
        assert values == sorted(values, reverse=True) and len(set(values)) == 4  # type: ignore[type-var]


def test_how_many_clips_and_windows_there_are_does_not_matter() -> None:
    """A prompt counts once: the same clips twice over, or their windows in another order of clips, are as many."""
    of, clips = reference(1, 30, 4), music(2, 12, 2, 3)
    twice = replace(
        clips,
        vectors=np.concatenate([clips.vectors, clips.vectors]),
        recordings=np.concatenate([clips.recordings, 100 + clips.recordings]),
        groups=np.concatenate([clips.groups, clips.groups]),
    )
    for metric, near in ((Density(), 0.1), (Coverage(), 3)):
        assert metric.evaluate(twice, of).value == pytest.approx(metric.evaluate(clips, of).value, abs=near)
        assert metric.difference(clips, twice, of, 0).warnings == ()


def test_genres_of_one_side_only_are_left_aside_and_told() -> None:
    rng = np.random.default_rng(4)
    of = as_reference(drawn(rng, rng.normal(size=(36, 4)), BALANCED.tolist(), 2))
    clips = drawn(rng, rng.normal(size=(36, 4)), BALANCED.tolist(), 2)
    own = windows_of(of)
    fewer = replace(of, embeddings=own.part(own.groups >= 12))
    for metric in (Density(), Coverage()):
        estimate, alone = metric.evaluate(clips, fewer), metric.evaluate(clips.part(clips.groups >= 12), fewer)
        assert (estimate.value, estimate.n, alone.warnings) == (alone.value, alone.n, ())
        assert [(w.code, w.params["clips"]) for w in estimate.warnings] == [("W-GENRES", ["choral", "dance"])]
        assert metric.evaluate(clips, of).warnings == ()


def test_too_few_prompts_are_a_reason() -> None:
    of = reference(1, 20, 4)
    estimate = Density().evaluate(music(2, 10, 2, 3), of)
    assert (estimate.value, findall(r"\d+", estimate.reason or "")) == (None, ["10", "11", "5"])
    assert Density().evaluate(music(2, 11, 2, 3), of).value is not None
    assert Density().evaluate(music(2, 20, 2, 3), reference(1, 10, 4)).value is None
    clips = music(2, 12, 2, 3)
    still = replace(of, embeddings=replace(windows_of(of), vectors=np.ones_like(windows_of(of).vectors)))
    assert "same embedding" in str(Coverage().evaluate(clips, still).reason)
    with pytest.raises(UsageError):
        Coverage().evaluate(clips, replace(of, embeddings=None))
    with pytest.raises(UsageError):
        Density(k=0)


def test_diversity_is_the_mean_distance_between_the_clips_of_a_prompt() -> None:
    clips = music(3, 5, 3, 4)
    means = clips.vectors.astype(float).reshape(5, 3, 4, DIMENSION).mean(axis=2)
    estimate = Diversity().evaluate(clips, None)
    assert estimate.value == pytest.approx(np.mean([pdist(prompt).mean() for prompt in means]))
    assert (estimate.n, estimate.reason, estimate.warnings) == (15, None, ())


def test_diversity_needs_two_seeds_and_counts_the_prompts_that_have_them() -> None:
    single = music(3, 5, 1, 4)
    estimate = Diversity().evaluate(single, None)
    assert (estimate.value, findall(r"\d+", estimate.reason or "")) == (None, ["2", "2"])
    clips = music(3, 5, 2, 4)
    some = clips.part((clips.groups > 0) | (clips.recordings == 0))
    estimate = Diversity().evaluate(some, None)
    assert estimate.value == Diversity().evaluate(clips.part(clips.groups > 0), None).value
    assert estimate.n == 8
