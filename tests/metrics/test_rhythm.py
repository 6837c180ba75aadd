import math
from collections.abc import Iterator
from re import findall

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from bench.errors import DataError
from metrics.notes.grid import fit_lines, fit_phase
from metrics.rhythm import RhythmGrid, RhythmicInconsistency, rhythmic_inconsistency
from metrics.rhythm_chance import LINES, ONSETS, SPANS, chance_deviation, chance_ratio
from metrics.rhythm_lines import CONFUSIONS, HEARD, Search, distinct, find_lines
from metrics.rhythm_simulation import simulate_deviation, simulate_ratio

relaxed = settings(deadline=None)
onset_lists = st.lists(st.floats(0, 30, allow_subnormal=False), min_size=1, max_size=40)
quarters = st.floats(0.2, 2)
SWING = np.array([beat + swung for beat in range(40) for swung in (0, 2 / 3)])
TRIPLETS = np.arange(120) / 3


def symbolic(onsets: np.ndarray, quarter: float | None = 0.5) -> DecodedClip:
    events = tuple(Note(float(onset), 0.1, 60) for onset in onsets)
    audio = Audio(np.zeros((1, 8000), dtype=np.float32), 8000)
    return DecodedClip(audio, Prompt("p", "a tune", "piano"), Notes(events, origin="symbolic", quarter=quarter))


def brute_force(onsets: list[float], quarter: float, phases: int = 0) -> float:
    """The definition, in loops; tries the onsets as phases, or a dense row of phases."""
    step = quarter / 4
    candidates = [i * step / phases for i in range(phases)] if phases else onsets
    best = math.inf
    for phase in candidates:
        distances = [abs((onset - phase) / step - round((onset - phase) / step)) * step for onset in onsets]
        best = min(best, sum(distances) / len(distances))
    return 100 * best / quarter


@relaxed
@given(onset_lists, quarters)
def test_agrees_with_the_definition(onsets: list[float], quarter: float) -> None:
    value = rhythmic_inconsistency(onsets, quarter)
    assert value == pytest.approx(brute_force(onsets, quarter), abs=1e-9)
    assert value <= brute_force(onsets, quarter, phases=97) + 1e-9
    assert 0 <= value <= 6.25 + 1e-9  # the mean over all phases is 6.25, so the best is no worse


@relaxed
@given(onset_lists, quarters, st.floats(0, 100), st.randoms(use_true_random=False))
def test_shift_order_and_time_scale_do_not_matter(
    onsets: list[float], quarter: float, shift: float, random: object
) -> None:
    value = rhythmic_inconsistency(onsets, quarter)
    assert rhythmic_inconsistency([onset + shift for onset in onsets], quarter) == pytest.approx(value, abs=1e-8)
    assert rhythmic_inconsistency([2 * onset for onset in onsets], 2 * quarter) == pytest.approx(value, abs=1e-8)
    random.shuffle(onsets)  # type: ignore[attr-defined]
    assert rhythmic_inconsistency(onsets, quarter) == value


@relaxed
@given(st.lists(st.integers(0, 400), min_size=1, max_size=50), quarters, st.floats(0, 1))
def test_onsets_on_the_grid_read_nothing(sixteenths: list[int], quarter: float, start: float) -> None:
    assert rhythmic_inconsistency([start + n * quarter / 4 for n in sixteenths], quarter) == pytest.approx(0, abs=1e-8)


def test_swing_and_triplets_have_their_closed_forms() -> None:
    assert rhythmic_inconsistency(SWING * 0.5, 0.5) == pytest.approx(100 / 24)
    assert rhythmic_inconsistency(TRIPLETS * 0.5, 0.5) == pytest.approx(100 / 18)


def test_many_random_onsets_read_a_quarter_of_the_step() -> None:
    onsets = np.random.default_rng(0).uniform(0, 4000, 100_000)
    assert rhythmic_inconsistency(onsets, 0.5) == pytest.approx(6.25, abs=0.05)


def test_jitter_reads_its_mean_absolute_size() -> None:
    generator = np.random.default_rng(1)
    jittered = (np.arange(20_000) / 4 + generator.normal(0, 0.02, 20_000)) * 0.5
    assert rhythmic_inconsistency(jittered, 0.5) == pytest.approx(100 * 0.02 * math.sqrt(2 / math.pi), abs=0.05)


@pytest.mark.parametrize(
    ("onsets", "quarter"),
    [
        ([], 0.5),
        ([0, math.nan], 0.5),
        ([math.inf], 0.5),
        ([[0, 1]], 0.5),
        (["a"], 0.5),
        ([0, 1], 0),
        ([0, 1], -1),
        ([0, 1], math.nan),
        ([0, 1], math.inf),
        ([1e300], 1e-300),
    ],
)
def test_impossible_rhythms_are_refused(onsets: list[float], quarter: float) -> None:
    with pytest.raises(DataError, match=r"onsets|quarter"):
        rhythmic_inconsistency(onsets, quarter)


@pytest.mark.parametrize("error", [-0.038, -0.02, 0.013, 0.038])
def test_the_spacing_is_found_within_four_percent(error: float) -> None:
    onsets = 0.3 + np.random.default_rng(3).choice(160, 60, replace=False) * 0.125
    lines = fit_lines(np.sort(onsets), 0.125 * (1 + error))
    assert lines.spacing == pytest.approx(0.125, rel=1e-4)
    assert lines.deviation < 4e-4
    assert (lines.phase - 0.3) / 0.125 == pytest.approx(round((lines.phase - 0.3) / 0.125), abs=0.02)


def test_a_spacing_without_freedom_is_kept() -> None:
    onsets = np.arange(50) * 0.126
    lines = fit_lines(onsets, 0.125, freedom=0.0)
    assert lines.spacing == 0.125
    assert 400 * lines.deviation / 4 == pytest.approx(rhythmic_inconsistency(onsets, 0.5) * 4)


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_as_good_as_an_exhaustive_search(seed: int) -> None:
    onsets = np.sort(np.random.default_rng(seed).uniform(0, 20, 60))
    exhaustive, _ = fit_phase(onsets, np.linspace(0.12, 0.13, 20_001))
    assert fit_lines(onsets, 0.125).deviation == pytest.approx(exhaustive.min(), abs=8e-3)


def test_many_spacings_are_tried_in_parts_that_fit_into_memory() -> None:
    onsets = np.sort(np.random.default_rng(0).uniform(0, 300, 3000))
    spacings = np.linspace(0.1, 0.2, 400)
    together, _ = fit_phase(onsets, spacings)
    assert together.tolist() == [fit_phase(onsets, spacings[i : i + 1])[0][0] for i in range(400)]


@pytest.mark.parametrize(("onsets", "percent"), [(16, 3.9), (40, 4.7), (80, 5.1), (160, 5.5)])
def test_chance_has_the_known_values(onsets: int, percent: float) -> None:
    assert 25 * chance_deviation(onsets, lines=120, freedom=0.04) == pytest.approx(percent, abs=0.2)


@pytest.mark.parametrize(("onsets", "lines"), [(16, 10), (24, 80), (54, 160)])
def test_the_tables_of_deviations_are_what_is_simulated(onsets: int, lines: int) -> None:
    assert onsets in ONSETS and lines in LINES
    for freedom in (0.0, 0.04):
        simulated = simulate_deviation(onsets, lines, freedom, draws=100)
        assert chance_deviation(onsets, lines, freedom) == pytest.approx(simulated, rel=0.02)


@pytest.mark.parametrize(("onsets", "span"), [(24, 5), (36, 10)])
@pytest.mark.parametrize("search", Search)
def test_the_tables_of_ratios_are_what_is_simulated(search: Search, onsets: int, span: int) -> None:
    assert onsets in ONSETS and span in SPANS
    assert chance_ratio(search.value, onsets, span) == pytest.approx(
        simulate_ratio(search, onsets, span, draws=30), abs=0.04
    )


def test_lines_of_every_division_are_among_those_of_every_mistaken_quarter() -> None:
    for confusion in CONFUSIONS:
        for part in (1 / 2, 1 / 3, 1 / 4, 1 / 6):
            assert min(abs(share * confusion / part - 1) for share in HEARD) < 1e-6, (confusion, part)
    for stranger in (5 / 4, 5 / 3):
        assert min(abs(share * stranger / (1 / 4) - 1) for share in HEARD) > 0.04


@pytest.mark.parametrize("step", [1 / 2, 1 / 3, 1 / 4, 1 / 6])
@pytest.mark.parametrize("confusion", CONFUSIONS)
def test_straight_playing_reads_nothing_whichever_quarter_of_the_family_is_heard(step: float, confusion: float) -> None:
    onsets = 0.5 * step * np.sort(np.random.default_rng(0).choice(round(20 / step), round(14 / step), replace=False))
    assert find_lines(onsets, Search.HEARD, 0.5 * confusion * 1.02).value < 0.02


@pytest.mark.parametrize("confusion", [5 / 4, 5 / 3])
def test_a_quarter_of_no_family_finds_no_lines(confusion: float) -> None:
    onsets = 0.125 * np.sort(np.random.default_rng(0).choice(80, 60, replace=False))
    assert find_lines(onsets, Search.HEARD, 0.5 * confusion).value > 0.5


def random_values(search: Search, onsets: int, draws: int, quarter: float | None) -> Iterator[float]:
    for draw in range(draws):
        times = np.random.default_rng([onsets, draw, 7]).uniform(0, 10, onsets)
        yield find_lines(times, search, quarter).value


SHORT_AND_LONG = [pytest.param(40, id="short"), pytest.param(400, marks=pytest.mark.simulate, id="long")]


@pytest.mark.parametrize("draws", SHORT_AND_LONG)
@pytest.mark.parametrize(
    ("search", "quarter"),
    [(Search.KNOWN, 0.5), (Search.HEARD, 0.4), (Search.HEARD, 0.95), (Search.ANY, None)],
)
def test_random_onsets_read_one_at_every_density(search: Search, quarter: float | None, draws: int) -> None:
    densities = (16, 30, 60, 110, 200) if draws > 100 else (20, 50)
    for onsets in densities:
        assert np.mean(list(random_values(search, onsets, draws, quarter))) == pytest.approx(1, abs=0.05), onsets


SPREADS = (0, 0.1, 0.2, 0.3, 0.5, 0.7)
"""Standard deviations as shares of the spacing that was played."""


def means_under_jitter(step: float, search: Search, quarter: float, draws: int, seconds: float) -> list[float]:
    """Mean value at each of the spreads, of steps at 120 bpm."""
    spacing, count = 0.5 * step, round(seconds / (0.5 * step))
    even = np.arange(count)
    deviates = [np.random.default_rng(draw).normal(0, 1, count) for draw in range(draws)]
    return [
        float(np.mean([find_lines(spacing * (even + sd * normal), search, quarter).value for normal in deviates]))
        for sd in SPREADS
    ]


def check_rise(means: list[float]) -> None:
    assert means[0] < 0.02
    assert all(np.diff(means[:4]) > 0.05), means
    assert min(means[4:]) > 0.9, means


@pytest.mark.parametrize(("step", "search"), [(1 / 2, Search.HEARD), (1 / 4, Search.KNOWN), (1 / 3, Search.KNOWN)])
def test_the_value_rises_with_jitter_up_to_chance(step: float, search: Search) -> None:
    check_rise(means_under_jitter(step, search, 0.5, draws=40, seconds=8))


@pytest.mark.simulate
@pytest.mark.parametrize(
    ("search", "quarter"), [(Search.KNOWN, 0.5), (Search.HEARD, 0.5), (Search.HEARD, 2 / 3), (Search.HEARD, 0.25)]
)
@pytest.mark.parametrize("step", [1 / 2, 1 / 3, 1 / 4], ids=["eighths", "triplets", "sixteenths"])
def test_the_value_rises_with_jitter_whatever_is_played_and_heard(step: float, search: Search, quarter: float) -> None:
    check_rise(means_under_jitter(step, search, quarter, draws=100, seconds=10))


def test_steady_sixteenths_read_nothing_and_random_onsets_read_chance() -> None:
    steady = RhythmicInconsistency().score(symbolic(np.arange(100) * 0.125))
    assert steady.value == pytest.approx(0, abs=0.01)
    assert (steady.details["lines_ms"], steady.details["percent_of"]) == (125, "known 500 ms")
    ratios = [
        RhythmicInconsistency().score(symbolic(np.random.default_rng(seed).uniform(0, 20, 80))).details["ratio"]
        for seed in range(20)
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("bpm", [60, 97, 139, 140, 160, 170, 200])
def test_straight_playing_at_any_known_tempo_reads_nothing(bpm: float) -> None:
    quarter = 60 / bpm
    for beats in (np.arange(80) / 4, np.arange(80) / 2, TRIPLETS, SWING, np.arange(80) / 6, np.arange(60) * 1.5):
        clip = symbolic(beats * quarter, quarter)
        assert RhythmGrid().score(clip).value == pytest.approx(0, abs=1e-6)
        assert RhythmicInconsistency().score(clip).value == pytest.approx(0, abs=1e-6)


def test_distances_are_in_percent_of_the_known_quarter() -> None:
    generator = np.random.default_rng(2)
    for quarter in (0.3, 0.8):
        onsets = quarter * (np.arange(400) / 4 + generator.normal(0, 0.02, 400))
        score = RhythmicInconsistency().score(symbolic(onsets - onsets.min(), quarter))
        assert score.value == pytest.approx(100 * 0.02 * math.sqrt(2 / math.pi), rel=0.1)
        assert score.value == pytest.approx(0.1 * score.details["distance_ms"] / quarter)
        assert score.value == pytest.approx(score.details["sixteenths"])
        assert score.value == pytest.approx(score.details["ratio"] * score.details["chance"])


def test_swing_is_told_from_disorder() -> None:
    swing, triplets, straight = (
        RhythmGrid().score(symbolic(beats * 0.5)) for beats in (SWING, TRIPLETS, np.arange(80) / 4)
    )
    assert [score.details["lines_ms"] for score in (swing, triplets, straight)] == pytest.approx(
        [500 / 3, 500 / 3, 125]
    )
    disorder = [
        RhythmGrid().score(symbolic(np.random.default_rng(seed).uniform(0, 20, 80))).value or 0 for seed in range(20)
    ]
    assert np.mean(disorder) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("metric", [RhythmicInconsistency(), RhythmGrid()])
def test_few_onsets_are_a_reason_and_never_nothing(metric: RhythmicInconsistency) -> None:
    for onsets, number in ((np.arange(15) * 0.5, "15"), (np.repeat(np.arange(8) * 0.5, 4), "8"), (np.empty(0), "0")):
        score = metric.score(symbolic(onsets))
        assert (score.value, findall(r"\d+", score.reason or "")) == (None, [number, "16"])


@relaxed
@given(st.lists(st.floats(0, 30, allow_subnormal=False), max_size=30))
def test_onsets_of_a_chord_count_once(onsets: list[float]) -> None:
    times = distinct(np.array(onsets))
    assert len(times) == len(np.unique(np.array(onsets).round(3)))
    assert sorted(times) == list(times)
    assert distinct(np.repeat(times, 3)).tolist() == times.tolist()
