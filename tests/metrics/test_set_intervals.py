"""Intervals and tests of set metrics, on simulated music whose truth is known.

Windows lie in clips and clips in prompts, with variances .4 (prompt), .2 (clip) and .4 (window), in every dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from re import findall
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from bench import EmbeddingSet, Reference, SetMetric
from bench.contracts.notice import Notice
from bench.contracts.plugins import find, load
from bench.errors import DataError, UsageError
from metrics.coverage import Coverage, Density
from metrics.diversity import Diversity
from metrics.fad_infinity import FrechetAudioDistanceInfinity, extrapolate
from metrics.frechet import FrechetAudioDistance, frechet_audio_distance
from metrics.kernel import KernelAudioDistance, KernelAudioDistanceKadtk, kernel_audio_distance

RUNS = 1000
SHORT_OR_LONG = pytest.mark.parametrize(
    "runs", [pytest.param(300, id="short"), pytest.param(RUNS, marks=pytest.mark.simulate, id="long")]
)
D = 4
EVERY = (
    KernelAudioDistance,
    KernelAudioDistanceKadtk,
    FrechetAudioDistance,
    Density,
    Coverage,
    Diversity,
)


def music(
    rng: np.random.Generator,
    prompts: int,
    seeds: int,
    windows: int,
    shift: float = 0.0,
    d: int = D,
    effects: npt.NDArray[np.float64] | None = None,
) -> EmbeddingSet:
    """``effects``, shape (prompts, 1, 1, d), are what two models that follow the same prompts have in common."""
    vectors = shift + (
        np.sqrt(0.4) * (rng.normal(size=(prompts, 1, 1, d)) if effects is None else effects)
        + np.sqrt(0.2) * rng.normal(size=(prompts, seeds, 1, d))
        + np.sqrt(0.4) * rng.normal(size=(prompts, seeds, windows, d))
    )
    clips = np.repeat(np.arange(prompts * seeds), windows)
    return EmbeddingSet(vectors.reshape(-1, d).astype(np.float32), clips, clips // seeds, "e@1")


def reference(
    rng: np.random.Generator, recordings: int = 100, windows: int = 3, d: int = D, name: str = "r"
) -> Reference:
    own = music(rng, recordings, 1, windows, d=d)
    vectors = own.vectors.astype(np.float64)
    return Reference("music", "e@1", name, own.windows, vectors.mean(axis=0), np.cov(vectors.T), own)


@cache
def fixed_reference() -> Reference:
    return reference(np.random.default_rng(99))


def windows_of(of: Reference) -> EmbeddingSet:
    assert of.embeddings is not None
    return of.embeddings


def true_kad(of: Reference, shift: float, sigma: float) -> float:
    """What KAD estimates without bias given this reference: its evaluated music is standard normal about the shift."""
    own = windows_of(of)
    s, y = sigma**2, own.vectors.astype(np.float64)
    within = (s / (s + 2)) ** (D / 2)
    across = (s / (s + 1)) ** (D / 2) * np.exp(-((y - shift) ** 2).sum(axis=1) / (2 * (s + 1))).mean()
    squared = ((y[:, None] - y) ** 2).sum(axis=2)
    others = own.recordings[:, None] != own.recordings
    return float(100 * (within + np.exp(-squared / (2 * s))[others].mean() - 2 * across))


def covered(lows: Sequence[float | None], highs: Sequence[float | None], truth: float) -> float:
    ends = np.array([lows, highs], dtype=float)
    return float(((ends[0] <= truth) & (truth <= ends[1])).mean())


def slack(runs: int) -> float:
    """By how much a share near 5 or 95 % may be farther off than in `RUNS` runs: three standard errors less theirs."""
    return float(3 * np.sqrt(0.05 * 0.95) * (1 / np.sqrt(runs) - 1 / np.sqrt(RUNS)))


@pytest.mark.slow
@pytest.mark.parametrize(("prompts", "seeds", "shift"), [(12, 1, 0.4), (36, 2, 0.4), (36, 2, 0.0)])
def test_the_interval_of_kad_covers_the_truth(prompts: int, seeds: int, shift: float) -> None:
    of, metric = fixed_reference(), KernelAudioDistance()
    rng = np.random.default_rng(1)
    estimates = [metric.evaluate(music(rng, prompts, seeds, 4, shift), of) for _ in range(RUNS)]
    values = np.array([estimate.value for estimate in estimates])
    truth = true_kad(of, shift, estimates[0].details["bandwidth"])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / np.sqrt(RUNS))
    assert 0.92 <= covered([e.low for e in estimates], [e.high for e in estimates], truth) <= 0.97


@pytest.mark.slow
@SHORT_OR_LONG
def test_the_interval_of_fad_covers_its_expectation_at_this_number_of_prompts(runs: int) -> None:
    of, metric = fixed_reference(), FrechetAudioDistance()
    rng = np.random.default_rng(2)
    estimates = [metric.evaluate(music(rng, 36, 2, 4, 0.4), of) for _ in range(runs)]
    expectation = float(np.mean(np.array([estimate.value for estimate in estimates], dtype=float)))
    share = covered([e.low for e in estimates], [e.high for e in estimates], expectation)
    assert 0.92 - slack(runs) <= share <= 0.97 + slack(runs)


@pytest.mark.slow
def test_a_true_zero_reads_zero_where_pairs_that_are_alike_are_left_out() -> None:
    rng = np.random.default_rng(3)
    values: dict[type[SetMetric], list[float]] = {KernelAudioDistance: [], KernelAudioDistanceKadtk: []}
    for _ in range(300):
        of, clips = reference(rng, recordings=60), music(rng, 12, 1, 6)
        for kind, found in values.items():
            value = kind().evaluate(clips, of).value
            assert value is not None
            found.append(value)
    ours, all_pairs = (np.array(found) for found in values.values())
    assert abs(ours.mean()) <= 2.5 * ours.std() / np.sqrt(len(ours))
    assert all_pairs.mean() > 10 * all_pairs.std() / np.sqrt(len(all_pairs))


class QuickTest(FrechetAudioDistance):
    """As many permutations as a thousand tests take."""

    def permutations(self, evaluated: EmbeddingSet) -> int:
        del evaluated
        return 39


@pytest.mark.slow
@pytest.mark.parametrize("metric", [KernelAudioDistance(), QuickTest()], ids=["kad", "fad"])
@SHORT_OR_LONG
def test_equal_models_rarely_differ_and_the_interval_covers_zero(metric: SetMetric, runs: int) -> None:
    """The two models share the prompts' effects, as they do when both follow them."""
    of = fixed_reference()
    rng = np.random.default_rng(4)
    found = []
    for _ in range(runs):
        effects = rng.normal(size=(24, 1, 1, D))
        a, b = (music(rng, 24, 2, 3, 0.4, effects=effects) for _ in "ab")
        found.append(metric.difference(a, b, of, seed=0))
    assert np.mean([difference.p <= 0.05 for difference in found]) <= 0.07 + slack(runs)  # type: ignore[operator]
    # For sets that are this alike the variance is mostly that of pairs, which the jackknife overstates.
    assert 0.92 - slack(runs) <= covered([d.low for d in found], [d.high for d in found], 0.0) <= 0.99
    assert "come from one distribution" in found[0].null


def test_a_difference_that_is_there_is_found() -> None:
    of = fixed_reference()
    rng = np.random.default_rng(5)
    near, far = music(rng, 30, 2, 3), music(rng, 30, 2, 3, 0.6)
    for metric in (KernelAudioDistance(), FrechetAudioDistance(), KernelAudioDistanceKadtk()):
        there, back = metric.difference(near, far, of, 0), metric.difference(far, near, of, 0)
        assert there.p == back.p
        floors = [warning for warning in there.warnings if warning.code == "W-FLOOR"]
        if isinstance(metric, FrechetAudioDistance):
            assert there.p == 0.001 and floors == [Notice("W-FLOOR", {"permutations": 999, "p": 0.001})]
        else:
            assert there.p is not None and there.p <= 0.0003 and not floors
        assert there.low is not None and there.low > 0
        values = [metric.evaluate(x, of).value for x in (near, far)]
        assert there.estimate == pytest.approx(values[1] - values[0])  # type: ignore[operator]
        assert back.estimate == pytest.approx(-there.estimate)  # type: ignore[operator]


@pytest.mark.parametrize("metric", [KernelAudioDistance(), FrechetAudioDistance()], ids=["kad", "fad"])
def test_leaving_out_and_swapping_are_what_they_say(metric: Any) -> None:
    """The shared sums give what the sets would give that are put together by hand."""
    from metrics.grouped import Grouped

    of = fixed_reference()
    rng = np.random.default_rng(6)
    a, b = music(rng, 26, 2, 3), music(rng, 26, 1, 4, 0.3)
    contributions = metric.contributions(Grouped.of(a) + Grouped.of(b), of)
    swapped = rng.integers(0, 2, 26).astype(bool)
    chosen = np.r_[~swapped, swapped]
    parts = [a.part(~swapped[a.groups]), b.part(swapped[b.groups])]
    mixed = EmbeddingSet(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([parts[0].recordings, parts[1].recordings + 1000]),
        np.concatenate([part.groups for part in parts]),
        "e@1",
    )
    value = metric.evaluate(mixed, of).value
    assert contributions.values(chosen[None])[0] == pytest.approx(value, rel=1e-7)
    assert contributions.value(chosen) == pytest.approx(value, rel=1e-12)
    # The observed order, one swapped as above, and all exchanged.
    swaps = np.array([np.zeros(26), swapped, np.ones(26)]).astype(bool)
    b_less_a = contributions.values(np.hstack([swaps, ~swaps])) - contributions.values(np.hstack([~swaps, swaps]))
    assert contributions.differences(swaps) == pytest.approx(b_less_a, rel=1e-7)
    assert contributions.differences(swaps)[0] == pytest.approx(metric.difference(a, b, of, 0).estimate, rel=1e-7)


@pytest.mark.parametrize("d", [3, 90, 400])
def test_metrics_give_what_the_functions_give(d: int) -> None:
    """Whether there are more windows than dimensions or not, and whether the reference has full rank or not."""
    rng = np.random.default_rng(7)
    clips, of = music(rng, 24, 2, 3, 0.2, d), reference(rng, 50, 4, d)
    own = windows_of(of)
    fad = FrechetAudioDistance().evaluate(clips, of)
    expected = frechet_audio_distance(clips.vectors, own.vectors, "exact")
    assert fad.value == pytest.approx(expected, rel=1e-9)
    assert [w for w in fad.warnings if w.code == "W-RANK"] == (
        [] if d < 144 else [Notice("W-RANK", {"of": x, "windows": n, "dimension": 400}) for x, n in ranks()]
    )
    assert any(w.code == "W-BIAS" for w in fad.warnings)
    kad, all_pairs = KernelAudioDistance().evaluate(clips, of), KernelAudioDistanceKadtk().evaluate(clips, of)
    grouped = kernel_audio_distance(clips.vectors, own.vectors, "reference", clips.groups, own.recordings)
    assert kad.value == pytest.approx(grouped, abs=1e-9)
    assert all_pairs.value == pytest.approx(
        kernel_audio_distance(clips.vectors, own.vectors, all_pairs.details["bandwidth"]), abs=1e-9
    )
    assert (kad.n, all_pairs.n, fad.n) == (48, 48, 48)


def ranks() -> list[tuple[str, int]]:
    return [("clips", 144), ("reference", 200)]


def test_the_bandwidth_of_the_evaluated_set_is_for_comparison_only() -> None:
    rng = np.random.default_rng(8)
    clips, of = music(rng, 6, 2, 3), fixed_reference()
    metric = KernelAudioDistanceKadtk(bandwidth="evaluated")
    estimate = metric.evaluate(clips, of)
    expected = kernel_audio_distance(clips.vectors, windows_of(of).vectors, estimate.details["bandwidth"])
    assert estimate.value == pytest.approx(expected, abs=1e-9)
    assert "kernel of its own" in str(metric.difference(clips, clips, of, 0).reason)
    assert KernelAudioDistance(bandwidth=2.0).evaluate(clips, of).details == {"bandwidth": 2.0, "genres": []}
    for wrong in ("median", 0.0, np.inf):
        with pytest.raises(UsageError, match="bandwidth"):
            KernelAudioDistance(bandwidth=wrong)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("runs", [pytest.param(6, id="short"), pytest.param(12, marks=pytest.mark.simulate, id="long")])
def test_fad_infinity_is_nearer_the_truth_and_says_how_straight_its_line_is(runs: int) -> None:
    """The truth is 12 dimensions × .3²; plain FAD is above it, by more the fewer the prompts are."""
    rng = np.random.default_rng(9)
    d, truth = 12, 12 * 0.3**2
    exact = replace(reference(rng, 50, 4, d), mean=np.zeros(d), covariance=np.eye(d), windows=10**6)
    plain, infinite = [], []
    for _ in range(runs):
        clips = music(rng, 150, 2, 3, 0.3, d)
        plain.append(FrechetAudioDistance().evaluate(clips, exact).value)
        estimate = FrechetAudioDistanceInfinity().evaluate(clips, exact)
        infinite.append(estimate.value)
        assert estimate.low is not None and estimate.high is not None
        assert estimate.low < estimate.value < estimate.high  # type: ignore[operator]
        assert 0 <= estimate.details["r2"] <= 1
        assert estimate.details["smallest_subset"] == 100
    error = np.std(infinite, ddof=1) / np.sqrt(runs)  # type: ignore[arg-type]
    assert np.mean(infinite) == pytest.approx(truth, abs=3 * error + 0.02)  # type: ignore[arg-type]
    assert np.mean(plain) > truth + 0.1  # type: ignore[arg-type]
    again = FrechetAudioDistanceInfinity(seed=0).evaluate(clips, exact)
    assert again == estimate
    assert FrechetAudioDistanceInfinity(seed=1).evaluate(clips, exact).value != estimate.value


def test_a_straight_line_is_extrapolated_exactly() -> None:
    clips = np.array([100, 150, 200, 300])
    assert extrapolate(clips, 2.5 + 40 / clips) == pytest.approx((2.5, 1.0))
    assert extrapolate(clips, np.full(4, 3.0)) == (3.0, 1.0)
    noisy = 2.5 + 40 / clips + np.array([0.1, -0.1, 0.1, -0.1])
    slope, intercept = np.polyfit(1 / clips, noisy, 1)
    correlation = np.corrcoef(1 / clips, noisy)[0, 1]
    assert extrapolate(clips, noisy) == pytest.approx((intercept, correlation**2))
    assert slope > 0


@pytest.mark.parametrize(("clips", "d", "needs"), [(149, 4, 300), (140, 300, 450)])
def test_fad_infinity_is_refused_with_too_few_clips(clips: int, d: int, needs: int) -> None:
    rng = np.random.default_rng(10)
    estimate = FrechetAudioDistanceInfinity().evaluate(music(rng, clips, 2, 1, 0.0, d), reference(rng, 40, 2, d))
    found = findall(r"\d+", estimate.reason or "")
    assert estimate.value is None and {str(2 * clips), str(needs)} <= set(found)


def test_too_few_prompts_are_a_reason() -> None:
    of, rng = fixed_reference(), np.random.default_rng(11)
    clips = music(rng, 30, 1, 3)
    one, three = clips.part(clips.groups < 1), clips.part(clips.groups < 3)
    for metric, few, numbers in (
        (KernelAudioDistance(), one, ["1", "2"]),
        (KernelAudioDistanceKadtk(), one.part(np.arange(3) < 1), ["1", "2"]),
        (FrechetAudioDistance(), three, ["3", "24"]),
    ):
        estimate = metric.evaluate(few, of)
        assert (estimate.value, findall(r"\d+", estimate.reason or "")) == (None, numbers)
    some = KernelAudioDistance().evaluate(three, of)
    assert some.value is not None
    assert (some.low, some.high, findall(r"\d+", some.reason or "")) == (None, None, ["3", "4"])
    none = clips.part(clips.groups < 0)
    for kind in EVERY:
        assert kind().evaluate(none, of).value is None
        difference = kind().difference(three, three, of, 0)
        assert difference.p is None and difference.reason
    alone = replace(of, fingerprint="alone", embeddings=windows_of(of).part(windows_of(of).recordings == 0))
    assert findall(r"\d+", KernelAudioDistance().evaluate(clips, alone).reason or "") == ["1", "2"]


def test_differences_are_over_the_prompts_that_both_have() -> None:
    of, rng = fixed_reference(), np.random.default_rng(12)
    a, b = music(rng, 12, 1, 3), music(rng, 12, 2, 3)
    metric = KernelAudioDistance()
    apart = metric.difference(a.part(a.groups < 5), b.part(b.groups > 6), of, 0)
    assert apart.estimate is None and apart.reason
    difference = metric.difference(a, b.part(b.groups > 1), of, 0)
    shared = metric.difference(a.part(a.groups > 1), b.part(b.groups > 1), of, 0)
    assert difference.estimate == shared.estimate
    unpaired = Notice("W-UNPAIRED", {"only_a": 2, "only_b": 0})
    uneven = Notice("W-CLIPS", {"a": 10, "b": 20})
    assert difference.warnings == (unpaired,)
    assert KernelAudioDistanceKadtk().difference(a, b.part(b.groups > 1), of, 0).warnings == (unpaired, uneven)


def test_the_seed_names_the_permutations() -> None:
    of, rng = fixed_reference(), np.random.default_rng(13)
    a, b = music(rng, 14, 1, 3), music(rng, 14, 1, 3, 0.25)
    metric = KernelAudioDistance()
    first, again, other = (metric.difference(a, b, of, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.p != other.p
    assert (first.estimate, first.low, first.high) == (other.estimate, other.low, other.high)


@pytest.mark.parametrize("metric", [KernelAudioDistance(), Density(k=1), Coverage(k=1), Diversity()])
def test_of_few_prompts_p_is_the_share_of_all_swaps(metric: Any) -> None:
    """By hand, with sets put together for each of the 2⁵ ways to say which clips of a prompt are A's."""
    of, rng = fixed_reference(), np.random.default_rng(19)
    a, b = music(rng, 5, 2, 3), music(rng, 5, 2, 3, 0.3)
    values = []
    for swapped in np.array(list(product([False, True], repeat=5))):
        sets = [
            EmbeddingSet(
                np.concatenate([one.vectors[~swapped[one.groups]], two.vectors[swapped[two.groups]]]),
                np.concatenate([one.recordings[~swapped[one.groups]], 100 + two.recordings[swapped[two.groups]]]),
                np.concatenate([one.groups[~swapped[one.groups]], two.groups[swapped[two.groups]]]),
                "e@1",
            )
            for one, two in ((a, b), (b, a))
        ]
        values.append(metric.evaluate(sets[1], of).value - metric.evaluate(sets[0], of).value)
    exact = float((np.abs(values) >= abs(values[0]) * (1 - 1e-9)).mean())
    for seed in (0, 1):
        assert metric.difference(a, b, of, seed).p == exact
    far = metric.difference(music(rng, 4, 2, 3), music(rng, 4, 2, 3, 3.0), of, 0).p
    assert far is not None and far >= 2 / 2**4


def test_permutations_are_the_same_however_many_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import metrics.grouped

    of, rng = fixed_reference(), np.random.default_rng(20)
    a, b = music(rng, 20, 1, 3), music(rng, 20, 1, 3, 0.3)
    whole = KernelAudioDistance().difference(a, b, of, 0)
    monkeypatch.setattr(metrics.grouped, "_AT_ONCE", 77)
    assert KernelAudioDistance().difference(a, b, of, 0) == whole


@pytest.mark.parametrize("kind", EVERY)
def test_spoiled_embeddings_are_never_a_silent_number(kind: type[SetMetric]) -> None:
    of, rng = fixed_reference(), np.random.default_rng(14)
    clips = music(rng, 30, 2, 3)
    spoiled = clips.vectors.copy()
    spoiled[5, 1] = np.nan
    with pytest.raises(DataError, match="not finite"):
        kind().evaluate(replace(clips, vectors=spoiled), of)
    still = kind().evaluate(replace(clips, vectors=np.ones_like(clips.vectors)), of)
    assert still.warnings[0] == Notice("W-CONSTANT", {"windows": 180})
    assert still.value is not None and np.isfinite(still.value)
    if kind.needs_reference:
        with pytest.raises(UsageError, match=r"\be@2 .*\be@1"):
            kind().evaluate(replace(clips, embedder="e@2"), of)
        with pytest.raises(DataError, match=r"\b4 dimensions .*\b6$"):
            kind().evaluate(clips, replace(of, mean=np.zeros(6), covariance=np.eye(6)))
        with pytest.raises(UsageError, match=f"{kind.__name__} .*reference"):
            kind().evaluate(clips, None)


@pytest.mark.parametrize("kind", [KernelAudioDistance, KernelAudioDistanceKadtk, Density, Coverage])
def test_a_spoiled_reference_is_never_a_silent_number(kind: type[SetMetric]) -> None:
    of, clips = fixed_reference(), music(np.random.default_rng(15), 30, 2, 3)
    own = windows_of(of)
    spoiled = own.vectors.copy()
    spoiled[5, 1] = np.inf
    with pytest.raises(DataError, match=r"reference.*not finite"):
        kind().evaluate(clips, replace(of, fingerprint="inf", embeddings=replace(own, vectors=spoiled)))
    still = replace(of, fingerprint="still", embeddings=replace(own, vectors=np.ones_like(own.vectors)))
    estimate = kind().evaluate(clips, still)
    assert estimate.value is None and "same embedding" in str(estimate.reason)
    with pytest.raises(UsageError, match=f"'{of.name}'.* mean and covariance"):
        kind().evaluate(clips, replace(of, embeddings=None))


def test_fad_does_with_a_reference_that_is_only_a_gaussian_but_not_with_a_spoiled_one() -> None:
    of, clips = fixed_reference(), music(np.random.default_rng(16), 30, 2, 3)
    metric = FrechetAudioDistance()
    assert metric.evaluate(clips, replace(of, embeddings=None)) == metric.evaluate(clips, of)
    with pytest.raises(DataError, match="not finite"):
        metric.evaluate(clips, replace(of, fingerprint="nan", mean=np.full(D, np.nan)))
    still = metric.evaluate(clips, replace(of, fingerprint="still", covariance=np.zeros((D, D))))
    assert still.value is None and "same embedding" in str(still.reason)
    with pytest.raises(DataError, match="positive semi-definite"):
        metric.evaluate(clips, replace(of, fingerprint="neg", covariance=-np.eye(D)))


def test_a_reference_tells_its_warnings() -> None:
    of = replace(fixed_reference(), warnings=(Notice("W-SYNTHETIC", {"reference": "it"}),))
    clips = music(np.random.default_rng(17), 30, 2, 3)
    assert KernelAudioDistance().evaluate(clips, of).warnings == of.warnings
    assert KernelAudioDistance().difference(clips, clips, of, 0).warnings == of.warnings


@pytest.mark.parametrize("block", [7, 64, 4096])
@pytest.mark.parametrize("kept", [0, 1 << 24])
def test_fad_is_the_same_however_its_windows_are_read(block: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer windows than dimensions, and more; all of them, without one prompt, and half of them."""
    for d in (5, 150):
        rng = np.random.default_rng(d)
        clips, of = music(rng, 26, 1, 4, 0.2, d), reference(rng, 80, 3, d)
        chosen = np.vstack([np.ones(26), np.arange(26) > 0, np.arange(26) % 2]).astype(bool)
        metric = FrechetAudioDistance()
        found = metric.contributions(metric.grouped(clips), of)
        values = found.values(chosen), found.value(chosen[0])
        with monkeypatch.context() as patch:
            patch.setattr("metrics.frechet.BLOCK", block)
            patch.setattr("metrics.frechet.KEPT", kept)
            again = metric.contributions(metric.grouped(clips), of)
            assert again.values(chosen) == pytest.approx(values[0], rel=1e-9 if d == 150 else 1e-12)
            assert again.value(chosen[0]) == pytest.approx(values[1], rel=1e-12)
        own = windows_of(of).vectors
        assert values[1] == pytest.approx(frechet_audio_distance(clips.vectors, own, "exact"), rel=1e-10)


def test_equal_sets_have_no_difference() -> None:
    clips = music(np.random.default_rng(18), 8, 2, 3)
    difference = KernelAudioDistance().difference(clips, clips, fixed_reference(), 0)
    assert difference.estimate == pytest.approx(0, abs=1e-9)
    assert difference.p == 1


@pytest.mark.parametrize("name", ["fad", "fad-inf", "kad", "kad-kadtk", "density", "coverage", "diversity"])
def test_names_lead_to_metrics_that_choose_their_embedder(name: str) -> None:
    kind = load(find("metric", name))
    assert kind().embedders[0].name == "musicnn-msd"
    (ref,) = kind(embedder="clap", embedder_params={"checkpoint": "x"}).embedders
    assert (ref.name, ref.params) == ("clap", {"checkpoint": "x"})
    assert kind.version == (2 if name in ("kad", "density", "coverage") else 1)
