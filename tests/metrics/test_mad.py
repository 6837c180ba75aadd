"""MAUVE against closed forms and mauve-text; MAD's frozen codebook, interval, test and value of equal music."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import EmbeddingSet, Reference
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from metrics.codebook import fit_codebook
from metrics.grouped import Grouped
from metrics.mad import MauveAudioDivergence, buckets_of, divergence
from metrics.mauve import mauve_of_histograms

D = 3
PUBLISHED = json.loads((Path(__file__).parent / "data" / "mauve_text.json").read_text())
"""Histograms, and what mauve-text 0.4.0 says of them."""

counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)


def by_mauve_text(p: npt.ArrayLike, q: npt.ArrayLike) -> float:
    from mauve.compute_mauve import compute_area_under_curve, get_divergence_curve_for_multinomials

    p, q = (np.asarray(x, dtype=float) / np.sum(x) for x in (p, q))
    x, y = get_divergence_curve_for_multinomials(p, q, np.linspace(1e-6, 1 - 1e-6, 25), 5).T
    by_x, by_y = np.argsort(x), np.argsort(y)
    areas = compute_area_under_curve(x[by_x], y[by_x]) + compute_area_under_curve(y[by_y], x[by_y])
    return float(areas / 2)


def test_from_the_histograms_on_it_is_mauve_text() -> None:
    """By the values that are kept, and by the package itself where it is installed."""
    rng = np.random.default_rng(1)
    cases = [(case["p"], case["q"], case["mauve"]) for case in PUBLISHED["cases"]]
    if find_spec("mauve") and find_spec("faiss"):
        drawn = [rng.multinomial(300, rng.dirichlet(np.full(20, 0.7)), 2) for _ in range(50)]
        cases += [(p, q, by_mauve_text(p, q)) for p, q in drawn]
    assert len(cases) >= 55
    for p, q, value in cases:
        assert float(mauve_of_histograms(p, q)) == pytest.approx(value, abs=1e-6)


def test_equal_histograms_read_1_and_disjoint_ones_next_to_nothing() -> None:
    assert float(mauve_of_histograms([2, 3, 5, 0], [20, 30, 50, 0])) == pytest.approx(1, abs=1e-12)
    assert float(mauve_of_histograms([1, 1], [7, 7])) == 1.0
    assert float(divergence([4, 6], [40, 60])) == pytest.approx(0, abs=1e-12)
    # Apart, KL(q ‖ r) = −ln(1 − w) and KL(p ‖ r) = −ln w: the area below ((1 − w)⁵, w⁵) is 5!·5!/10! = 1/252.
    apart = float(mauve_of_histograms([3, 1, 0, 0], [0, 0, 1, 9]))
    assert apart == pytest.approx(1 / 252, rel=0.03)
    w = np.r_[0, np.linspace(1e-6, 1 - 1e-6, 25), 1]
    x, y = (1 - w) ** 5, w**5
    assert apart == pytest.approx(float(((x[:-1] - x[1:]) * (y[:-1] + y[1:]) / 2).sum()), abs=1e-9)


@given(counts, counts, st.permutations(range(4)), st.integers(1, 9))
def test_mauve_is_symmetric_and_knows_shares_only(p: list[int], q: list[int], order: list[int], times: int) -> None:
    value = float(mauve_of_histograms(p, q))
    assert 0 < value <= 1
    assert float(mauve_of_histograms(q, p)) == pytest.approx(value, abs=1e-9)
    again = mauve_of_histograms([times * p[i] for i in order], [q[i] for i in order])
    assert float(again) == pytest.approx(value, abs=1e-9)


@given(counts, counts)
def test_buckets_that_become_one_bring_histograms_nearer(p: list[int], q: list[int]) -> None:
    merged = (np.array([x[0] + x[1], *x[2:]]) for x in (p, q))
    assert float(mauve_of_histograms(*merged)) >= float(mauve_of_histograms(p, q)) - 1e-9


@pytest.mark.parametrize(("p", "q"), [([1, 2], [1, 2, 3]), ([0, 0], [1, 1]), ([-1, 2], [1, 1]), ([np.nan, 1], [1, 1])])
def test_what_is_no_histogram_is_refused(p: list[float], q: list[float]) -> None:
    with pytest.raises(DataError):
        mauve_of_histograms(p, q)


def test_a_codebook_is_of_the_windows_whatever_their_order() -> None:
    rng = np.random.default_rng(2)
    corners = np.eye(5)[:4] * 9
    windows = (np.repeat(corners, 30, axis=0) + rng.normal(0, 0.1, (120, 5))).astype(np.float32)
    book = fit_codebook(windows, 4)
    found = book.labels(windows).reshape(4, 30)
    assert (found == found[:, :1]).all() and len(set(found[:, 0])) == 4
    order = rng.permutation(120)
    np.testing.assert_array_equal(fit_codebook(windows[order], 4).centers, book.centers)
    twice = fit_codebook(np.concatenate([windows, windows]), 4)
    np.testing.assert_allclose(np.sort(twice.centers, axis=0), np.sort(book.centers, axis=0), atol=0.02)
    # Directions count, and lengths do not.
    np.testing.assert_array_equal(book.labels(7 * windows), book.labels(windows))
    assert fit_codebook(windows[:3], 10).buckets == 3
    assert fit_codebook(np.zeros((5, 4), dtype=np.float32), 2).buckets == 1


def music(
    rng: np.random.Generator,
    prompts: int,
    seeds: int = 2,
    windows: int = 3,
    shift: float = 0.0,
    effects: npt.NDArray[np.float64] | None = None,
    first: int = 0,
) -> EmbeddingSet:
    """Variances .4 (prompt), .2 (clip) and .4 (window); ``first`` numbers the texts."""
    vectors = np.array([shift, 1.0, 0.0]) + (
        np.sqrt(0.4) * (rng.normal(size=(prompts, 1, 1, D)) if effects is None else effects)
        + np.sqrt(0.2) * rng.normal(size=(prompts, seeds, 1, D))
        + np.sqrt(0.4) * rng.normal(size=(prompts, seeds, windows, D))
    )
    clips = np.repeat(np.arange(prompts * seeds), windows)
    texts = {prompt: f"text {first + prompt}" for prompt in range(prompts)}
    return EmbeddingSet(vectors.reshape(-1, D).astype(np.float32), clips, clips // seeds, "e@1", {}, texts)


def short_or_long(short: int, long: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "runs", [pytest.param(short, id="short"), pytest.param(long, marks=pytest.mark.simulate, id="long")]
    )


class Quick(MauveAudioDivergence):
    """As many permutations as hundreds of tests take."""

    def permutations(self, evaluated: EmbeddingSet) -> int:
        del evaluated
        return 199


def as_reference(own: EmbeddingSet, name: str = "r") -> Reference:
    wide = own.vectors.astype(np.float64)
    return Reference("music", "e@1", name, own.windows, wide.mean(axis=0), np.cov(wide.T), own)


def fixed_reference() -> Reference:
    return as_reference(music(np.random.default_rng(99), 100, 1, first=1000))


def test_leaving_out_and_swapping_act_on_the_histograms_of_one_codebook() -> None:
    of, rng = fixed_reference(), np.random.default_rng(3)
    a, b = music(rng, 16), music(rng, 16, 1, 4, 3.0)
    metric = MauveAudioDivergence()
    contributions = metric.contributions(Grouped.of(a) + Grouped.of(b), of)
    assert of.embeddings is not None
    book = fit_codebook(np.concatenate([b.vectors, of.embeddings.vectors, a.vectors]), 38)  # ((96 + 64) / 2 + 300) / 10
    swapped = rng.integers(0, 2, 16).astype(bool)
    by_hand = np.concatenate([a.part(~swapped[a.groups]).vectors, b.part(swapped[b.groups]).vectors])
    histograms = (np.bincount(book.labels(x), minlength=38) for x in (by_hand, of.embeddings.vectors))
    chosen = np.r_[~swapped, swapped]
    assert contributions.value(chosen) == pytest.approx(float(divergence(*histograms)), abs=1e-12)
    each = np.repeat(chosen[None], chosen.sum(), axis=0)
    each[np.arange(len(each)), np.flatnonzero(chosen)] = False
    assert contributions.left_out(chosen) == pytest.approx(contributions.values(each), abs=1e-12)
    there, back = metric.difference(a, b, of, 0), metric.difference(b, a, of, 0)
    assert there.estimate == pytest.approx(-(back.estimate or 0), abs=1e-12) and there.p == back.p
    assert there.p is not None and there.p <= 0.05 and (there.estimate or 0) > 0


def test_the_same_clips_give_the_same_value_in_any_order_and_another_seed_another() -> None:
    of, rng = fixed_reference(), np.random.default_rng(4)
    clips = music(rng, 20)
    once, again = (MauveAudioDivergence().evaluate(clips, of) for _ in "ab")
    assert once == again
    order = rng.permutation(clips.windows)
    mixed = replace(clips, vectors=clips.vectors[order], recordings=clips.recordings[order], groups=clips.groups[order])
    shuffled = MauveAudioDivergence().evaluate(mixed, of)
    assert (shuffled.value, shuffled.low) == pytest.approx((once.value, once.low), abs=1e-12)
    other = MauveAudioDivergence(seed=1).evaluate(clips, of)
    assert other.value != once.value
    assert once.value == pytest.approx(-np.log(once.details["mauve"])) and once.details["buckets"] == 42


def test_equal_music_is_told_with_every_value() -> None:
    of, clips = fixed_reference(), music(np.random.default_rng(5), 6)
    estimate = MauveAudioDivergence().evaluate(clips, of)
    assert (
        Notice("W-EQUAL", {"reference": "music", "value": float(f"{estimate.details['equal']:.1g}")})
        in estimate.warnings
    )
    more = MauveAudioDivergence(buckets=4).evaluate(music(np.random.default_rng(5), 60), of)
    assert 0 < more.details["equal"] < estimate.details["equal"]


@pytest.mark.slow
@short_or_long(40, 1000)
@pytest.mark.parametrize("same", [True, False], ids=["same prompts", "other prompts"])
def test_equal_distributions_read_what_equal_says(runs: int, same: bool) -> None:
    """Both sides drawn anew: 30 prompts of 2 clips against 60 of 3 recordings."""
    rng, found = np.random.default_rng(6), []
    for _ in range(runs):
        effects = rng.normal(size=(60, 1, 1, D))
        of = as_reference(music(rng, 60, 3, effects=effects))
        clips = music(rng, 30, effects=effects[:30] if same else None, first=0 if same else 1000)
        estimate = MauveAudioDivergence(buckets=12).evaluate(clips, of)
        found.append((estimate.value, estimate.details["equal"], estimate.details["equal_sd"]))
    value, equal, sd = np.array(found, dtype=float).T
    assert value.mean() == pytest.approx(equal.mean(), rel=0.15, abs=3.5 * value.std() / np.sqrt(runs))
    assert 0.5 <= sd.mean() / value.std() <= 1.8


@pytest.mark.slow
@short_or_long(50, 1000)
def test_with_the_codebook_frozen_the_jackknife_is_as_wide_as_data_sets_differ(runs: int) -> None:
    """Given the reference. Buckets with few windows make it wider than that, never narrower."""
    of, rng = fixed_reference(), np.random.default_rng(7)
    metric = Quick()
    found = [metric.difference(music(rng, 36), music(rng, 36, shift=1.0), of, 0) for _ in range(runs)]
    estimates, lows, highs = np.array([(f.estimate, f.low, f.high) for f in found], dtype=float).T
    errors = (highs - lows) / 2 / 2.03  # t(35)
    assert 0.8 <= errors.mean() / estimates.std(ddof=1) <= 1.5


@pytest.mark.slow
@short_or_long(60, 2000)
def test_equal_models_rarely_differ(runs: int) -> None:
    of, rng = fixed_reference(), np.random.default_rng(8)
    p = []
    for _ in range(runs):
        effects = rng.normal(size=(20, 1, 1, D))
        a, b = (music(rng, 20, shift=0.3, effects=effects) for _ in "ab")
        p.append(Quick().difference(a, b, of, 0).p or 0)
    error = np.sqrt(0.05 * 0.95 / runs)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * error
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=3.5 * 0.5 / np.sqrt(runs))


def test_parameters_and_references_that_do_not_fit_are_refused() -> None:
    for wrong in ({"buckets": 1}, {"seed": -1}):
        with pytest.raises(UsageError):
            MauveAudioDivergence(**wrong)  # type: ignore[arg-type]
    clips = music(np.random.default_rng(9), 6)
    with pytest.raises(UsageError):
        MauveAudioDivergence().evaluate(clips, replace(fixed_reference(), embeddings=None))
    few = MauveAudioDivergence().evaluate(clips.part(clips.groups < 3), fixed_reference())
    assert few.value is not None and few.low is None and few.reason


def test_clips_that_are_all_alike_have_a_value_and_are_marked() -> None:
    of, clips = fixed_reference(), music(np.random.default_rng(10), 8)
    alike = replace(clips, vectors=np.tile(clips.vectors[:1], (clips.windows, 1)))
    estimate = MauveAudioDivergence().evaluate(alike, of)
    assert estimate.value is not None and estimate.value > 0.5
    assert "W-CONSTANT" in {warning.code for warning in estimate.warnings}


def test_there_is_a_bucket_for_ten_windows_of_clips_and_reference() -> None:
    assert [buckets_of(*of) for of in ((108, 864), (6, 6), (30_000, 864), (432.5, 864))] == [97, 2, 500, 130]
