"""Spoilers do exactly what they say, and responses say exactly what was found."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.audio import Audio
from bench.contracts.metric import ClipMetric, Direction
from bench.contracts.notes import Notes
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.errors import UsageError
from bench.progress import Silent
from metrics.degradation_kinds import DEGRADATIONS, fewer
from metrics.degradations import chance_of, clipped, dulled, looped, noisy, quieter, replaced
from metrics.dose_listening import CLEAN, DoseOptions, another_genre, score_doses
from metrics.dose_response import Response, respond
from metrics.sensitivity import paired_p, rank_correlation, smallest_detected

RATE = 44_100


def sound(seconds: float = 2.0, hz: float = 440.0) -> Audio:
    t = np.arange(round(seconds * RATE)) / RATE
    return Audio(np.stack([0.5 * np.sin(2 * np.pi * hz * t), 0.2 * np.cos(2 * np.pi * hz * t)]), RATE)


def rms(audio: Audio) -> float:
    return float(np.square(audio.samples, dtype=np.float64).mean() ** 0.5)


def decibels(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@pytest.mark.parametrize("dose", [3, 6, 24])
def test_quieter_is_that_many_decibels_and_nothing_else(dose: float) -> None:
    clean = sound()
    soft = quieter(clean, dose)
    assert decibels(rms(soft) / rms(clean)) == pytest.approx(-dose, abs=1e-5)
    np.testing.assert_allclose(soft.samples * 10 ** (dose / 20), clean.samples, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dose", [6, 12, 18])
def test_clipping_flattens_at_the_level_and_keeps_the_power(dose: float) -> None:
    clean = sound()
    spoiled = clipped(clean, dose)
    assert rms(spoiled) == pytest.approx(rms(clean), rel=1e-5)
    loud = np.abs(clean.samples) > clean.peak * 10 ** (-dose / 20)
    assert loud.any()
    np.testing.assert_allclose(np.abs(spoiled.samples[loud]), spoiled.peak, rtol=1e-5)
    gain = spoiled.peak / (clean.peak * 10 ** (-dose / 20))
    np.testing.assert_allclose(spoiled.samples[~loud], clean.samples[~loud] * gain, rtol=1e-5, atol=1e-6)


def test_low_pass_removes_what_is_above_and_moves_nothing() -> None:
    low, high = sound(hz=200.0), sound(hz=6000.0)
    both = Audio(low.samples + high.samples, RATE)
    inner = slice(RATE // 4, -RATE // 4)  # away from the filter's ends
    left = dulled(both, 3.0).samples[:, inner]  # nothing above 2 kHz
    np.testing.assert_allclose(left, low.samples[:, inner], atol=1e-4)
    assert np.array_equal(dulled(Audio(low.samples, 8000), 1.0).samples, low.samples)


def test_noise_has_its_level_and_is_the_same_at_every_dose() -> None:
    clean = sound()
    added = {
        level: noisy(clean, level, np.random.default_rng(3)).samples - clean.samples for level in (-30.0, -10.0, 0.0)
    }
    for level, noise in added.items():
        assert decibels(float(np.square(noise, dtype=np.float64).mean() ** 0.5) / rms(clean)) == pytest.approx(
            level, abs=0.1
        )
    np.testing.assert_allclose(added[0.0] * 10 ** (-30 / 20), added[-30.0], atol=1e-6)


def test_a_loop_repeats_its_first_quarters() -> None:
    rng = np.random.default_rng(0)
    clean = Audio(rng.normal(0, 0.1, (2, 4 * RATE)).astype(np.float32), RATE, Notes((), quarter=0.4))
    spoiled = looped(clean, 2)
    length = round(0.8 * RATE)
    assert spoiled.samples.shape == clean.samples.shape
    np.testing.assert_array_equal(spoiled.samples[:, :length], clean.samples[:, :length])
    rounds = [spoiled.samples[:, length * k : length * (k + 1)] for k in (1, 2, 3)]
    np.testing.assert_array_equal(rounds[0], rounds[1])
    np.testing.assert_array_equal(rounds[1], rounds[2])
    fade = round(0.02 * RATE)
    np.testing.assert_array_equal(rounds[0][:, fade:], clean.samples[:, fade:length])
    whole = looped(clean, 100)
    np.testing.assert_array_equal(whole.samples, clean.samples)


@given(share=st.floats(0.05, 1.0))
def test_another_clip_takes_over_for_its_share(share: float) -> None:
    ours, theirs = sound(1.0), sound(1.0, hz=330.0)
    mixed = replaced(ours, theirs, share)
    start = round((1 - share) * ours.frames)
    fade = round(0.02 * RATE)
    np.testing.assert_array_equal(mixed.samples[:, :start], ours.samples[:, :start])
    np.testing.assert_array_equal(mixed.samples[:, start + fade :], theirs.samples[:, start + fade :])
    if start == 0:
        np.testing.assert_array_equal(mixed.samples, theirs.samples)


def test_clips_that_do_not_match_are_not_spliced() -> None:
    with pytest.raises(UsageError, match=r"rate, length .*channels"):
        replaced(sound(1.0), sound(2.0), 0.5)


def test_chance_is_named_by_damage_prompt_and_seed() -> None:
    names = (("noise", "a", 0), ("noise", "a", 1), ("x", "a", 0), ("noise", "b", 0))
    draws = {name: chance_of(*name).random() for name in names}
    assert len(set(draws.values())) == 4
    assert chance_of("noise", "a", 0).random() == draws["noise", "a", 0]


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_doses_rise_and_travel_to_workers(name: str) -> None:
    spoiler = DEGRADATIONS[name]
    assert list(spoiler.doses) == sorted(set(spoiler.doses))
    assert len(spoiler.labels) == len(spoiler.doses)
    assert fewer(spoiler).doses[-1] == spoiler.doses[-1]
    again = pickle.loads(pickle.dumps(spoiler))
    if spoiler.spoil:
        expected = spoiler.spoil(sound(), spoiler.doses[1], np.random.default_rng(1)).samples
        np.testing.assert_array_equal(
            again.spoil(sound(), spoiler.doses[1], np.random.default_rng(1)).samples, expected
        )


def test_rank_correlation_is_spearmans_within_each_prompt() -> None:
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    values = rng.normal(size=(6, 5)) + np.arange(5) + 100 * np.arange(6)[:, None]
    expected = np.mean([spearmanr(row, np.arange(5)).statistic for row in values])
    assert rank_correlation(values) == pytest.approx(expected)
    tied = np.array([[1.0, 1.0, 2.0, 2.0, 3.0]])
    assert rank_correlation(tied) == pytest.approx(spearmanr(tied[0], np.arange(5)).statistic)


def test_what_does_not_move_counts_as_no_response() -> None:
    rising, still, gap = [1.0, 2, 3, 4], [7.0] * 4, [np.nan, 1, 2, 3]
    assert rank_correlation(np.array([rising, still])) == pytest.approx(0.5)
    assert rank_correlation(np.array([gap])) == pytest.approx(1.0)
    assert rank_correlation(np.array([[np.nan, np.nan, 1.0, 2.0]])) is None
    assert rank_correlation(np.array([[5.0, 5.001, 5.002]]), tolerance=0.1) == 0.0


def test_paired_p_agrees_with_all_sign_flips() -> None:
    from itertools import product

    differences = np.array([0.3, 1.2, 0.5, -0.1, 0.8, 0.4, 0.9])
    exact = np.mean(
        [abs(np.dot(signs, differences)) >= differences.sum() - 1e-12 for signs in product((-1, 1), repeat=7)]
    )
    assert paired_p(differences) == pytest.approx(exact, abs=0.006)
    assert paired_p(np.zeros(8)) == 1.0
    assert paired_p(np.array([1.0, np.nan])) is None


def test_false_detections_stay_at_the_level() -> None:
    """Nothing happens, four doses, 12 prompts: at most 5 % are detected, up to 3 standard errors."""
    rng = np.random.default_rng(11)
    runs, found = 300, 0
    for _ in range(runs):
        changes = rng.normal(size=(12, 4))
        p = [paired_p(column) for column in changes.T]
        found += smallest_detected(changes.mean(axis=0).tolist(), p) is not None
    assert found / runs <= 0.05 + 3 * (0.05 * 0.95 / runs) ** 0.5


def test_detection_descends_until_the_first_miss() -> None:
    assert smallest_detected([0.1, 1.0, 2.0, 3.0], [0.5, 0.04, 0.01, 0.001]) == 1
    assert smallest_detected([9.0, 0.1, 2.0, 3.0], [0.001, 0.5, 0.01, 0.001]) == 2
    assert smallest_detected([1.0, -2.0, 2.0, 3.0], [0.01, 0.01, 0.01, 0.01]) == 2
    assert smallest_detected([1.0, 1.0], [0.01, 0.2]) is None
    assert smallest_detected([1.0, None], [0.01, None]) is None


def test_another_genre_keeps_the_level() -> None:
    prompts = load_suite_named("genres@1").prompts
    for prompt in prompts:
        other = another_genre(prompts, prompt)
        assert other.genre != prompt.genre
        assert other.level == prompt.level
    assert another_genre(prompts[:1], prompts[0]) == prompts[0]


def test_improved_means_better_when_spoiled() -> None:
    def response(direction: Direction, first: float, last: float, detected: str | None = "1") -> Response:
        return Response(
            "m@1", "", direction, "noise", (CLEAN, "1"), (first, last), (4, 4), (None, 0.0), (None, 1.0), (None, 0.01),
            1.0, detected,
        )  # fmt: skip

    assert response("higher", 1, 2).improved
    assert response("lower", 2, 1).improved
    assert not response("lower", 1, 2).improved
    assert not response("none", 1, 2).improved
    assert not response("higher", 1, 2, None).improved


@pytest.fixture(scope="module")
def heard_level(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[list[Response], Path]:
    """A metric that hears the peak, on four prompts and two kinds of damage."""
    folder = tmp_path_factory.mktemp("doses")
    prompts = [p for p in load_suite_named("genres@1").prompts if p.level == 5]
    spoilers = [DEGRADATIONS["gain"], DEGRADATIONS["genre"]]
    names = [f"{tiny}:{name}" for name in ("Peak", "Frames")]
    metrics = {f"{name.rpartition(':')[2]}@1": create(find("metric", name), {}, ClipMetric) for name in names}
    scored = score_doses(prompts, spoilers, names, Silent(), DoseOptions(2.0, folder))
    return respond(scored, spoilers, metrics, {}), folder


def test_a_metric_of_level_answers_to_level_and_one_of_length_to_nothing(
    heard_level: tuple[list[Response], Path],
) -> None:
    peak_gain, peak_genre, frames_gain, frames_genre = heard_level[0]
    assert peak_gain.correlation == pytest.approx(-1)
    assert peak_gain.detected == "6"
    clean = peak_gain.values[0]
    assert clean is not None
    expected = [clean * 10 ** (-dose / 20) for dose in (0, 6, 12, 24)]
    assert peak_gain.values == pytest.approx(expected, rel=1e-4)
    assert peak_gain.defined == (6,) * 4
    assert peak_genre.correlation is not None
    assert abs(peak_genre.correlation) < 1
    for response in (frames_gain, frames_genre):
        assert (response.correlation, response.detected) == (0.0, None)


def test_spoiled_clips_can_be_listened_to(heard_level: tuple[list[Response], Path]) -> None:
    files = {path.relative_to(heard_level[1]).as_posix() for path in heard_level[1].rglob("*.flac")}
    assert {"clean/clean/jazz-5_0.flac", "gain/24/jazz-5_0.flac", "genre/100/rock-5_0.flac"} <= files
    assert len(files) == 6 * 7


def test_a_plot_is_drawn_and_its_name_checked_first(heard_level: tuple[list[Response], Path], tmp_path: Path) -> None:
    from metrics.dose_plot import check_plot, draw

    draw(heard_level[0], [DEGRADATIONS["gain"], DEGRADATIONS["genre"]], tmp_path / "doses.png")
    assert (tmp_path / "doses.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        check_plot(tmp_path / "doses.txt")


@pytest.mark.slow(10)
def test_the_command_says_what_a_set_metric_notices(tunebench: Callable[..., Any]) -> None:
    ran = tunebench("check", "metrics", "--quick", "--metric", "kad", "--duration", "4", "--workers", "0", "--json")
    assert ran.returncode == 0, ran.stderr
    responses = {r["spoiler"]: r for r in json.loads(ran.stdout)}
    assert list(responses) == list(DEGRADATIONS)
    assert responses["low-pass"]["correlation"] > 0
    assert responses["low-pass"]["values"][-1] > responses["low-pass"]["values"][0] + 5
    assert responses["gain"]["correlation"] == 0
    assert responses["gain"]["detected"] is None


def test_an_interrupted_check_says_that_nothing_was_kept(tunebench_path: str, tmp_path: Path) -> None:
    command = [tunebench_path, "check", "metrics", "--quick", "--metric", "melodic-complexity", "--workers", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "scoring audio: 0 of 102" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert output == ""
    assert "nothing was kept" in errors
    assert "Traceback" not in errors
