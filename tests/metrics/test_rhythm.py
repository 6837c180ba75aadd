import math
from re import findall

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from bench.errors import DataError
from metrics import rhythm_chance
from metrics.notes.grid import fit_grid, fit_phase
from metrics.rhythm import RhythmGrid, RhythmicInconsistency, rhythmic_inconsistency

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
def test_the_tempo_is_found_within_four_percent(error: float) -> None:
    onsets = 0.3 + np.random.default_rng(3).choice(160, 60, replace=False) * 0.125
    grid = fit_grid(np.sort(onsets), 0.5 * (1 + error), lines=4)
    assert grid.quarter == pytest.approx(0.5, rel=1e-4)
    assert grid.deviation < 1e-4
    assert (grid.phase - 0.3) / 0.125 == pytest.approx(round((grid.phase - 0.3) / 0.125), abs=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_the_fit_is_as_good_as_an_exhaustive_search(seed: int) -> None:
    onsets = np.sort(np.random.default_rng(seed).uniform(0, 20, 60))
    exhaustive, _ = fit_phase(onsets, np.linspace(0.48, 0.52, 20_001), 4)
    assert fit_grid(onsets, 0.5, 4).deviation == pytest.approx(exhaustive.min(), abs=2e-3)


@pytest.mark.parametrize(("onsets", "percent"), [(16, 3.9), (40, 4.7), (80, 5.1), (160, 5.5)])
def test_chance_has_the_known_values(onsets: int, percent: float) -> None:
    assert 100 * rhythm_chance.chance_deviation(onsets, quarters=30, lines=4) == pytest.approx(percent, abs=0.2)


@pytest.mark.parametrize(("onsets", "lines"), [(16, 10), (24, 80), (54, 160)])
def test_the_tables_are_what_their_functions_compute(onsets: int, lines: int) -> None:
    at = rhythm_chance.ONSETS.index(onsets), rhythm_chance.LINES.index(lines)
    deviation = rhythm_chance.simulate_deviation(onsets, lines)
    assert deviation == pytest.approx(rhythm_chance.chance_deviation(onsets, lines / 4, 4) * 4, abs=1e-4), at
    ratio = rhythm_chance.simulate_smaller_ratio(onsets, lines)
    assert ratio == pytest.approx(rhythm_chance.chance_smaller_ratio(onsets, lines / 4), abs=1e-4), at


def test_between_the_tables_nodes_chance_is_near_a_simulation() -> None:
    simulated = rhythm_chance.simulate_deviation(100, 120, draws=100)
    assert rhythm_chance.chance_deviation(100, 30, 4) * 4 == pytest.approx(simulated, rel=0.02)


def test_steady_sixteenths_read_nothing_and_random_onsets_read_chance() -> None:
    steady = RhythmicInconsistency().score(symbolic(np.arange(100) * 0.125))
    assert steady.value == pytest.approx(0, abs=0.01)
    assert steady.details["tempo"] == pytest.approx(120, rel=1e-3)
    ratios = [
        RhythmicInconsistency().score(symbolic(np.random.default_rng(seed).uniform(0, 20, 80))).details["ratio"]
        for seed in range(20)
    ]
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)


def test_the_better_of_two_grids_tells_swing_from_disorder() -> None:
    swing, triplets, straight = (
        RhythmGrid().score(symbolic(beats * 0.5)) for beats in (SWING, TRIPLETS, np.arange(80) / 4)
    )
    assert [score.details["grid"] for score in (swing, triplets, straight)] == ["triplet", "triplet", "straight"]
    assert max(score.value or 0 for score in (swing, triplets, straight)) < 0.01
    disorder = [
        RhythmGrid().score(symbolic(np.random.default_rng(seed).uniform(0, 20, 80))).value or 0 for seed in range(20)
    ]
    assert np.mean(disorder) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("metric", [RhythmicInconsistency(), RhythmGrid()])
def test_few_onsets_are_a_reason_and_never_nothing(metric: RhythmicInconsistency) -> None:
    for onsets, number in ((np.arange(15) * 0.5, "15"), (np.repeat(np.arange(8) * 0.5, 4), "8"), (np.empty(0), "0")):
        score = metric.score(symbolic(onsets))
        assert (score.value, findall(r"\d+", score.reason or "")) == (None, [number, "16"])
    assert metric.score(symbolic(np.arange(30) * 0.5, quarter=None)).reason == "no beat found"


def test_the_known_quarter_is_folded_into_the_same_octave_as_a_tracked_one() -> None:
    scores = [RhythmicInconsistency().score(symbolic(SWING * 0.5, quarter)) for quarter in (0.25, 0.5, 1.0)]
    assert [score.value for score in scores] == pytest.approx([scores[0].value] * 3)
