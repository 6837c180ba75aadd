"""kad by genres and prompts: every pair at once as an independent form, laws, and a true 0 that reads 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from bench import EmbeddingSet, Reference
from metrics import kernel_sides, pairwise
from metrics.grouped import Grouped
from metrics.kernel import KernelAudioDistance, KernelAudioDistanceKadtk, kernel_audio_distance

Array = npt.NDArray[np.float64]
D = 4
GENRES = ("choral", "dance", "jazz", "pop", "rock", "soul")
relaxed = settings(deadline=None, max_examples=30)


def as_set(
    vectors: Array, groups: Sequence[int], genres: Mapping[int, str], prompts: Mapping[int, str]
) -> EmbeddingSet:
    """Two windows a recording."""
    recordings = np.arange(len(vectors), dtype=np.int64) // 2
    return EmbeddingSet(vectors.astype(np.float32), recordings, np.array(groups, dtype=np.int64), "e", genres, prompts)


def shuffled(own: EmbeddingSet, order: npt.NDArray[np.int64]) -> EmbeddingSet:
    return replace(own, vectors=own.vectors[order], recordings=own.recordings[order], groups=own.groups[order])


def as_reference(own: EmbeddingSet, name: str = "r") -> Reference:
    vectors = own.vectors.astype(np.float64)
    return Reference("music", "e", name, own.windows, vectors.mean(axis=0), np.cov(vectors.T), own)


def every_pair(x: EmbeddingSet, y: EmbeddingSet, sigma: float) -> float:
    """The definition of the docstrings, pair by pair, in dense matrices; not a number where nothing can be compared."""

    def labels(of: EmbeddingSet) -> tuple[list[str], list[str]]:
        texts = [of.prompts.get(group, f"only here: {id(of)} {group}") for group in of.groups.tolist()]
        return [of.genres.get(group, "") for group in of.groups.tolist()], texts

    (of_x, text_x), (of_y, text_y) = labels(x), labels(y)
    shared = sorted((set(of_x) & set(of_y)) - {""})
    a, b = x.vectors.astype(float), y.vectors.astype(float)
    own_x = x.groups[:, None] != x.groups
    own_y = y.groups[:, None] != y.groups
    across = np.array(text_x)[:, None] != np.array(text_y)

    def cells(p: Array, q: Array, counts: npt.NDArray[np.bool_], rows: Sequence[str], columns: Sequence[str]) -> Array:
        kernel = np.exp(-cdist(p, q, "sqeuclidean") / (2 * sigma**2))
        names = [sorted(set(rows)), sorted(set(columns))] if not shared else [shared, shared]
        found = np.full((len(names[0]), len(names[1])), np.nan)
        for (i, g), (j, h) in product(enumerate(names[0]), enumerate(names[1])):
            chosen = counts & (np.array(rows) == g)[:, None] & (np.array(columns) == h)
            if chosen.any():
                found[i, j] = kernel[chosen].mean()
        return found

    of_y = of_y if shared else [""] * len(of_y)
    xx, yy = cells(a, a, own_x, of_x, of_x), cells(b, b, own_y, of_y, of_y)
    xy = cells(a, b, across, of_x, of_y)
    whole = xx + yy - xy - xy.T if shared else xx
    genres = len(whole)
    same, other = np.diag(whole), whole[~np.eye(genres, dtype=bool)]
    same, other = same[~np.isnan(same)], other[~np.isnan(other)]
    if not (len(same) or len(other)):
        return float("nan")
    share = 0.0 if not len(same) else 1.0 if not len(other) else 1 / genres
    value = sum(part * kind.mean() for part, kind in ((share, same), (1 - share, other)) if part)
    return float(100 * (value if shared else value + yy[0, 0] - 2 * xy[:, 0].mean()))


@st.composite
def sets(draw: st.DrawFn) -> tuple[EmbeddingSet, EmbeddingSet]:
    """Clips and reference with genres and prompts of any balance, some of them on one side only or unknown."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    found = []
    for known in (draw(st.integers(0, 3)), draw(st.integers(0, 3))):
        prompts = draw(st.integers(2, 7))
        groups = np.sort(np.r_[np.arange(prompts), rng.integers(0, prompts, rng.integers(0, 8))])
        genres = {group: GENRES[int(rng.integers(0, known))] for group in range(prompts)} if known else {}
        texts = {group: f"text {rng.integers(0, 9)} {group}" for group in range(prompts) if rng.random() < 0.7}
        found.append(as_set(rng.normal(size=(len(groups), D)), rng.permutation(groups).tolist(), genres, texts))
    return found[0], found[1]


@relaxed
@given(sets(), st.sampled_from([(3, 2), (5, 7), (2048, 512)]))
def test_it_is_the_mean_of_every_pair_that_counts(
    pair: tuple[EmbeddingSet, EmbeddingSet], shape: tuple[int, int]
) -> None:
    x, y = pair
    metric, of = KernelAudioDistance(bandwidth=2.0), as_reference(y)
    x = metric.considered(x, of)
    estimate = metric.evaluate(x, of)
    if len(np.unique(x.groups)) < 2:
        assert estimate.value is None
        return
    expected = every_pair(x, y, 2.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairwise, "ROWS", shape[0])
        patch.setattr(pairwise, "COLUMNS", shape[1])
        value = KernelAudioDistance(bandwidth=2.0).evaluate(x, of).value
    assert (value is None) == np.isnan(expected)
    if value is not None:
        assert value == pytest.approx(expected, abs=1e-9)


@relaxed
@given(sets(), st.integers(0, 2**32 - 1))
def test_the_order_of_windows_and_the_numbers_of_prompts_do_not_matter(
    pair: tuple[EmbeddingSet, EmbeddingSet], seed: int
) -> None:
    x, y = pair
    rng = np.random.default_rng(seed)
    value = KernelAudioDistance(bandwidth=1.5).evaluate(x, as_reference(y)).value
    order = rng.permutation(x.windows)
    number = dict(enumerate((100 + rng.permutation(10)).tolist()))
    moved = EmbeddingSet(
        x.vectors[order],
        x.recordings[order],
        np.array([number[group] for group in x.groups[order].tolist()]),
        "e",
        {number[group]: genre for group, genre in x.genres.items()},
        {number[group]: text for group, text in x.prompts.items()},
    )
    again = (
        KernelAudioDistance(bandwidth=1.5).evaluate(moved, as_reference(shuffled(y, rng.permutation(y.windows)))).value
    )
    assert again == (None if value is None else pytest.approx(value, abs=1e-9))


@relaxed
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 3), st.integers(2, 3))
def test_a_set_and_itself_with_other_clips_alike_read_exactly_zero(
    seed: int, genres: int, prompts: int, clips: int
) -> None:
    """Clips of a prompt that are all the same: the pairs that count have one value on both sides and across."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(genres * prompts), clips)
    vectors = rng.normal(size=(genres * prompts, D))[groups]
    own = as_set(
        vectors,
        groups.tolist(),
        {group: GENRES[group // prompts] for group in range(genres * prompts)},
        {group: f"text {group}" for group in range(genres * prompts)},
    )
    estimate = KernelAudioDistance(bandwidth=1.0).evaluate(own, as_reference(own))
    assert estimate.value == pytest.approx(0, abs=1e-10)


def drawn(rng: np.random.Generator, effects: Array, genres: Sequence[int], clips: int, first: int = 0) -> EmbeddingSet:
    """Two windows a clip about their prompt's effect; ``first`` numbers the texts."""
    number = len(effects)
    vectors = effects[:, None, None] + np.sqrt(0.15) * rng.normal(size=(number, clips, 1, D))
    vectors = (vectors + np.sqrt(0.3) * rng.normal(size=(number, clips, 2, D))).reshape(-1, D)
    groups = np.repeat(np.arange(number), 2 * clips).tolist()
    named = {group: GENRES[genre] for group, genre in enumerate(genres)}
    return as_set(vectors, groups, named, {group: f"text {first + group}" for group in range(number)})


BALANCED = np.repeat(np.arange(6), 6)
SUITES = {
    "genres": np.arange(36),
    "quick": np.arange(0, 36, 3),
    "one prompt a genre": np.arange(0, 36, 6),
    "unbalanced": np.r_[0:6, 6, 7, 12, 13, 18, 24, 30, 31],
    "one genre": np.arange(6, 12),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "runs", [pytest.param(40, id="short"), pytest.param(1000, marks=pytest.mark.simulate, id="long")]
)
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("prompts", ["same", "other"])
def test_sets_of_one_distribution_read_zero(suite: str, prompts: str, runs: int) -> None:
    """Whatever the suite's balance, and whether or not the reference is of the same prompts.

    Genres, prompts, clips and windows have variances .8, .35, .15 and .3.
    """
    rng = np.random.default_rng(list(map(ord, suite + prompts)))
    chosen, values = SUITES[suite], []
    for run in range(runs):
        centres = np.sqrt(0.8) * rng.normal(size=(6, D))
        effects = centres[BALANCED] + np.sqrt(0.35) * rng.normal(size=(36, D))
        other = centres[BALANCED] + np.sqrt(0.35) * rng.normal(size=(36, D))
        music = drawn(rng, effects, BALANCED.tolist(), 3)
        own = (effects if prompts == "same" else other)[chosen]
        clips = drawn(rng, own, BALANCED[chosen].tolist(), 2)
        texts = {
            group: f"text {place + (0 if prompts == 'same' else 100)}" for group, place in enumerate(chosen.tolist())
        }
        value = KernelAudioDistance().evaluate(replace(clips, prompts=texts), as_reference(music, str(run))).value
        assert value is not None
        values.append(value)
    assert abs(np.mean(values)) <= 3.5 * np.std(values, ddof=1) / np.sqrt(runs)


@pytest.mark.slow
@pytest.mark.parametrize(
    "runs", [pytest.param(40, id="short"), pytest.param(1000, marks=pytest.mark.simulate, id="long")]
)
def test_a_reference_without_genres_reads_zero_too(runs: int) -> None:
    """Its recordings are drawn from all genres alike, as the suite's prompts are."""
    rng = np.random.default_rng(5)
    values = []
    for run in range(runs):
        centres = np.sqrt(0.8) * rng.normal(size=(6, D))
        effects = centres[rng.integers(0, 6, 60)] + np.sqrt(0.35) * rng.normal(size=(60, D))
        music = replace(drawn(rng, effects, [0] * 60, 1), genres={}, prompts={})
        genres = np.repeat(np.arange(6), 3)
        clips = drawn(rng, centres[genres] + np.sqrt(0.35) * rng.normal(size=(18, D)), genres.tolist(), 2)
        value = KernelAudioDistance().evaluate(clips, as_reference(music, str(run))).value
        assert value is not None
        values.append(value)
    assert abs(np.mean(values)) <= 3.5 * np.std(values, ddof=1) / np.sqrt(runs)


def world(seed: int = 0, prompts: int = 18, clips: int = 2) -> tuple[EmbeddingSet, EmbeddingSet, Reference]:
    """Two models on the same prompts, three a genre, and a reference that has every second of these prompts."""
    rng = np.random.default_rng(seed)
    genres = (np.arange(prompts) * 6 // prompts).tolist()
    effects = rng.normal(size=(prompts, D))
    music = drawn(rng, effects[::2], genres[::2], 4)
    music = replace(music, prompts={group: f"text {2 * group}" for group in range(len(effects[::2]))})
    return drawn(rng, effects, genres, clips), drawn(rng, effects + 0.3, genres, clips), as_reference(music)


@pytest.mark.parametrize("uneven", [False, True])
def test_swaps_are_sets_put_together_by_hand(uneven: bool) -> None:
    a, b, of = world()
    if uneven:
        b = b.part(b.recordings % 7 != 3)
    metric = KernelAudioDistance()
    contributions = metric.contributions(metric.grouped(a) + metric.grouped(b), of)
    rng = np.random.default_rng(1)
    swaps = np.array([np.zeros(18), rng.integers(0, 2, 18), rng.integers(0, 2, 18), np.ones(18)]).astype(bool)
    found = contributions.differences(swaps)
    for swap, value in zip(swaps, found, strict=True):
        mixed = []
        for kept, taken in ((a, b), (b, a)):
            parts = kept.part(~swap[kept.groups]), taken.part(swap[taken.groups])
            mixed.append(
                EmbeddingSet(
                    np.concatenate([part.vectors for part in parts]),
                    np.concatenate([parts[0].recordings, 1000 + parts[1].recordings]),
                    np.concatenate([part.groups for part in parts]),
                    "e",
                    a.genres,
                    a.prompts,
                )
            )
        values = [metric.evaluate(one, of).value for one in mixed]
        assert value == pytest.approx(values[1] - values[0], abs=1e-9)  # type: ignore[operator]


def test_what_is_left_out_is_a_prompt() -> None:
    a, _, of = world()
    metric = KernelAudioDistance()
    contributions = metric.contributions(metric.grouped(a), of)
    without = [metric.evaluate(a.part(a.groups != prompt), of).value for prompt in range(18)]
    assert contributions.left_out(np.ones(18, dtype=bool)) == pytest.approx(without, abs=1e-9)


def test_of_many_prompts_some_are_left_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is the same; interval and p are of bundles of one genre, and nearly the same."""
    rng = np.random.default_rng(3)
    genres = np.repeat(np.arange(6), 20).tolist()
    effects = rng.normal(size=(120, D))
    clips, other = drawn(rng, effects, genres, 1), drawn(rng, effects + 0.1, genres, 1)
    of = as_reference(drawn(rng, rng.normal(size=(60, D)), np.repeat(np.arange(6), 10).tolist(), 1, first=1000))
    exact, exact_test = KernelAudioDistance().evaluate(clips, of), KernelAudioDistance().difference(clips, other, of, 0)
    monkeypatch.setattr(kernel_sides, "MOST_UNITS", 42)
    units = KernelAudioDistance().grouped(clips)
    assert len(units.starts) == 42
    starts = [units.genres[group] for group in units.groups[units.starts].tolist()]
    ends = [units.genres[group] for group in units.groups[np.r_[units.starts[1:], units.groups.size] - 1].tolist()]
    assert starts == ends
    found, test = KernelAudioDistance().evaluate(clips, of), KernelAudioDistance().difference(clips, other, of, 0)
    assert found.value == pytest.approx(exact.value, abs=1e-9)
    assert found.high is not None and found.value is not None and exact.high is not None and exact.value is not None
    assert found.high - found.value == pytest.approx(exact.high - exact.value, rel=0.35)
    assert test.estimate == pytest.approx(exact_test.estimate, abs=1e-9)
    assert test.p is not None and exact_test.p is not None and abs(test.p - exact_test.p) < 0.1


class TestGenresOfOneSideOnly:
    def test_they_are_left_aside_and_told(self) -> None:
        a, _, of = world()
        own = of.embeddings
        assert own is not None
        fewer = as_reference(
            own.part(np.isin(own.groups, [g for g, name in own.genres.items() if name != "jazz"])), "f"
        )
        estimate = KernelAudioDistance(bandwidth=2.0).evaluate(a, fewer)
        others = a.part(np.isin(a.groups, [group for group, genre in a.genres.items() if genre != "jazz"]))
        alone = KernelAudioDistance(bandwidth=2.0).evaluate(others, fewer)
        assert (estimate.value, estimate.n) == (alone.value, alone.n) and alone.warnings == ()
        (notice,) = estimate.warnings
        assert (notice.code, notice.params["clips"], notice.params["music"]) == ("W-GENRES", ["jazz"], [])
        assert "jazz" not in estimate.details["genres"] and len(estimate.details["genres"]) == 5
        (back,) = KernelAudioDistance(bandwidth=2.0).evaluate(others, of).warnings
        assert (back.code, back.params["clips"], back.params["music"]) == ("W-GENRES", [], ["jazz"])
        assert "jazz" in back.text and "jazz" in notice.text

    def test_without_any_in_common_all_is_compared_with_all(self) -> None:
        a, _, of = world()
        assert of.embeddings is not None
        foreign = replace(of.embeddings, genres=dict.fromkeys(range(9), "polka"))
        estimate = KernelAudioDistance(bandwidth=2.0).evaluate(a, as_reference(foreign, "p"))
        plain = KernelAudioDistance(bandwidth=2.0).evaluate(a, as_reference(replace(foreign, genres={}), "n"))
        assert (estimate.value, estimate.details["genres"]) == (plain.value, [])
        assert [w.code for w in estimate.warnings] == ["W-GENRES"] and plain.warnings == ()

    def test_one_prompt_a_genre_against_a_reference_without_genres_is_told(self) -> None:
        a, _, of = world()
        assert of.embeddings is not None
        singles = a.part(a.groups % 3 == 0)
        unlabelled = as_reference(replace(of.embeddings, genres={}), "n")
        assert [w.code for w in KernelAudioDistance().evaluate(singles, unlabelled).warnings] == ["W-ONE-EACH"]
        assert KernelAudioDistance().evaluate(singles, of).warnings == ()

    def test_without_genres_and_prompts_it_is_the_function(self) -> None:
        a, _, of = world()
        assert of.embeddings is not None
        plain, music = replace(a, genres={}, prompts={}), replace(of.embeddings, genres={}, prompts={})
        value = KernelAudioDistance(bandwidth=2.0).evaluate(plain, as_reference(music, "n")).value
        expected = kernel_audio_distance(plain.vectors, music.vectors, 2.0, plain.groups, music.groups)
        assert value == pytest.approx(expected, abs=1e-9)


def test_all_pairs_know_no_genres_and_no_prompts() -> None:
    a, b, of = world()
    assert of.embeddings is not None
    bare = [replace(one, genres={}, prompts={}) for one in (a, b)]
    unlabelled = as_reference(replace(of.embeddings, genres={}, prompts={}), "n")
    metric = KernelAudioDistanceKadtk()
    assert metric.evaluate(a, of) == metric.evaluate(bare[0], unlabelled)
    assert metric.difference(a, b, of, 0) == metric.difference(bare[0], bare[1], unlabelled, 0)
    assert len(Grouped.of(a).starts) == len(metric.grouped(a).starts)


def test_pairs_of_one_prompt_only_are_a_reason() -> None:
    """The one genre's reference is of the one prompt that the clips of it are of."""
    rng = np.random.default_rng(4)
    clips = drawn(rng, rng.normal(size=(2, D)), [0, 1], 2)
    music = replace(drawn(rng, rng.normal(size=(2, D)), [0, 0], 2), prompts={0: "text 0", 1: "text 1"})
    estimate = KernelAudioDistance(bandwidth=1.0).evaluate(clips, as_reference(music))
    assert estimate.value is None and estimate.reason
