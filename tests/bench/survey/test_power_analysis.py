"""Planning a survey: opinions behind ratings against those they were made from, power against Student's theory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import DataError, TunebenchError
from bench.stats.planned_survey import Simulation
from bench.stats.power import power_cell
from bench.stats.survey_model import TYPICAL, OpinionVariances, Scale, simulate_ratings
from bench.survey.latent_ratings import (
    LatentRatings,
    _correlation,
    _hermite_squares,
    estimate_opinion,
    mean_difference,
    opinion_behind,
)
from bench.survey.power_analysis import PowerPlan, Question, plan
from bench.survey.power_report import plan_record, plan_text
from bench.survey.reading import read_ratings

Command = Callable[..., Any]
SCALES = [Scale(1, 5), Scale(1, 10), Scale(0, 100), Scale(1, 2)]


def ratings_file(path: Path, scale: Scale = Scale(), centre: float = 0.0, models: int = 2) -> Path:  # noqa: B008
    """Ratings of some models by 40 listeners on 40 prompts, with typical variances."""
    a, b = simulate_ratings(np.random.default_rng(8), models - 1, 40, 40, 0.4, TYPICAL, scale, centre)
    cube = np.concatenate([a[:1], b])
    rows = [(f"l{i}", f"p{j}", f"m{k}", "Overall", value) for (k, i, j), value in np.ndenumerate(cube)]
    pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value"]).to_csv(path, index=False)
    return path


# -- opinions behind ratings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("centre", [0.0, 1.2])
def test_opinions_are_found_behind_their_ratings(scale: Scale, centre: float) -> None:
    a, b = simulate_ratings(np.random.default_rng(5), 1, 400, 400, 0.2, TYPICAL, scale, centre)
    found = opinion_behind(a[0], b[0], scale)
    # 400 listeners and prompts know their own variances to 7 %, each; the rest is known better.
    for name, variance in vars(TYPICAL).items():
        assert getattr(found.variances, name) == pytest.approx(variance, rel=0.06 if name == "residual" else 0.2), name
    assert found.centre == pytest.approx(centre, abs=0.08)


def test_missing_ratings_do_not_bias_the_opinions() -> None:
    rng = np.random.default_rng(2)
    a, b = simulate_ratings(rng, 1, 60, 60, 0.0, TYPICAL)
    whole = opinion_behind(a[0], b[0], Scale())
    missing = rng.random((60, 60)) < 0.2
    part = opinion_behind(np.where(missing, np.nan, a[0]), b[0], Scale())
    assert sum(vars(part.variances).values()) == pytest.approx(sum(vars(whole.variances).values()), rel=0.05)
    assert part.variances.prompt_model == pytest.approx(whole.variances.prompt_model, rel=0.25)


def test_half_cut_opinions_have_the_arcsine_covariance() -> None:
    """Two normal opinions of correlation ρ, cut at their mean: cov = arcsin(ρ)/2π (Sheppard 1899)."""
    squares = _hermite_squares(np.array([0.0]))
    for correlation in (0.1, 0.5, 0.9):
        assert _correlation(np.arcsin(correlation) / (2 * np.pi), squares) == pytest.approx(correlation, abs=1e-4)
    assert _correlation(-0.1, squares) == 0


def test_covariance_of_steps_is_that_of_the_bivariate_normal() -> None:
    thresholds, correlation = np.array([-1.1, -0.2, 0.7, 1.6]), 0.45
    normal = stats.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]])
    joint = sum(float(normal.cdf([s, t])) for s in thresholds for t in thresholds)
    covariance = joint - stats.norm.cdf(thresholds).sum() ** 2
    assert _correlation(covariance, _hermite_squares(thresholds)) == pytest.approx(correlation, abs=1e-4)


@pytest.mark.parametrize("scale", SCALES)
def test_mean_difference_is_that_of_simulated_ratings(scale: Scale) -> None:
    a, b = simulate_ratings(np.random.default_rng(1), 400, 30, 30, 0.6, TYPICAL, scale, 0.9)
    error = (b - a).mean(axis=(1, 2)).std() / 20
    assert mean_difference(0.6, LatentRatings(TYPICAL, 0.9), scale) == pytest.approx((b - a).mean(), abs=4 * error)


def test_opinions_without_variance_step_from_one_rating_to_the_next() -> None:
    same = LatentRatings(OpinionVariances(0, 0, 0, 0, 0), 0.0)
    assert mean_difference(0.9, same, Scale()) == 0
    assert mean_difference(1.1, same, Scale()) == 2


def test_all_pairs_of_models_count(tmp_path: Path) -> None:
    ratings = read_ratings(ratings_file(tmp_path / "r.csv", models=3))
    cube = ratings.cube("Overall")
    pairs = [opinion_behind(cube[a], cube[b], Scale()) for a, b in ((0, 1), (0, 2), (1, 2))]
    found = estimate_opinion(ratings, ratings.scales)
    assert found.centre == pytest.approx(np.mean([pair.centre for pair in pairs]))
    assert found.variances.residual == pytest.approx(np.mean([pair.variances.residual for pair in pairs]))


def test_ratings_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    frame = pd.read_csv(ratings_file(tmp_path / "r.csv"))
    for rows, reason in (
        (frame.assign(value=3), "equal"),
        (frame[frame["listener"] == "l1"], "one listener"),
        (frame[frame["prompt"] == "p1"], "one prompt"),
        (frame[frame["model"] == "m1"], "one model"),
    ):
        rows.to_csv(tmp_path / "few.csv", index=False)
        ratings = read_ratings(tmp_path / "few.csv")
        with pytest.raises(DataError, match=reason):
            estimate_opinion(ratings, ratings.scales)


# -- the plan --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def question() -> Question:
    return Question(effect=0.6, opinion=LatentRatings(TYPICAL, 0.0), runs=200, most=40)


@pytest.fixture(scope="module")
def planned(question: Question) -> PowerPlan:
    return plan([4, 8, 16], [6, 18], question)


def test_power_is_students_where_listeners_are_all_that_varies() -> None:
    """Without variance by prompt, and on so fine a scale, the crossed t is nearly the t-test of listener means."""
    variances = OpinionVariances(0.02, 0.02, 0.04, 0.0, 0.001)
    asked = Question(effect=0.25, opinion=LatentRatings(variances, 0.0), scale=Scale(0, 1000), runs=2000)
    (cell,) = plan([9], [12], asked).cells
    se = (2 * (0.04 / 9 + 0.001 / 108)) ** 0.5
    beyond = stats.t.ppf(0.975, 8)
    theory = stats.nct.sf(beyond, 8, 0.25 / se) + stats.nct.cdf(-beyond, 8, 0.25 / se)
    assert cell.power == pytest.approx(theory, abs=4 * asked.power_error(theory))
    # And the other way round: the noncentrality that is found in 80 of 100 surveys.
    deltas = np.linspace(0.1, 0.6, 2001)
    detectable = deltas[np.searchsorted(stats.nct.sf(beyond, 8, deltas / se), 0.8)]
    assert cell.detectable == pytest.approx(detectable, rel=4 * asked.detectable_error())


def test_the_plan_holds_what_was_asked(planned: PowerPlan, question: Question) -> None:
    assert [(cell.listeners, cell.prompts) for cell in planned.cells] == [(n, m) for n in (4, 8, 16) for m in (6, 18)]
    for cell in planned.cells:
        assert cell.power == power_cell(cell.listeners, cell.prompts, 0.6, Simulation(TYPICAL, runs=200))
        assert cell.detectable is not None
        reached = power_cell(cell.listeners, cell.prompts, cell.detectable, Simulation(TYPICAL, runs=200))
        assert reached == pytest.approx(0.8, abs=0.03)
        assert cell.detectable_mean == mean_difference(cell.detectable, question.opinion, Scale())


def test_fewest_listeners_are_enough_and_one_less_is_not(planned: PowerPlan) -> None:
    scarce, enough = planned.fewest
    assert (scarce.prompts, scarce.listeners, scarce.power) == (6, None, None)
    assert enough.listeners is not None
    assert enough.power is not None
    assert enough.power >= 0.8 > power_cell(enough.listeners - 1, 18, 0.6, Simulation(TYPICAL, runs=200))


def test_cheapest_design_costs_ratings_or_minutes(question: Question) -> None:
    by_ratings = plan([6, 12], [18, 60], question).cheapest
    by_minutes = plan([6, 12], [18, 60], replace(question, rating_minutes=0.1, listener_minutes=60)).cheapest
    assert by_ratings is not None
    assert by_minutes is not None
    assert by_ratings.cost == 2 * by_ratings.listeners * by_ratings.prompts
    assert by_minutes.cost == pytest.approx(by_minutes.listeners * (60 + 0.2 * by_minutes.prompts))
    # Where a listener is dear, each hears more.
    assert by_ratings.prompts == 18
    assert by_minutes.prompts == 60
    assert by_minutes.listeners < by_ratings.listeners


def test_the_plan_does_not_depend_on_the_number_of_workers(question: Question) -> None:
    few = replace(question, runs=100)
    assert plan([3, 5], [4, 6], few, workers=2) == plan([3, 5], [4, 6], few, workers=1)


def test_a_ceiling_costs_power(question: Question) -> None:
    high = replace(question, opinion=LatentRatings(TYPICAL, 1.5))
    (cell,), (middle,) = (plan([16], [18], asked).cells for asked in (high, question))
    assert cell.power < middle.power
    assert cell.detectable_mean is not None
    assert cell.detectable is not None
    assert cell.detectable_mean < 0.85 * cell.detectable


def test_errors_of_the_simulation() -> None:
    asked = Question(effect=0.4, opinion=LatentRatings(TYPICAL, 0.0), runs=2000)
    assert asked.power_error(0.8) == pytest.approx((0.8 * 0.2 / 2000) ** 0.5)
    assert asked.power_error(1.0) == pytest.approx(asked.power_error(0.0)) == pytest.approx(1 / 2000, rel=1e-3)
    # Φ(x − 1.96) is .8 at x = 2.8016 and .8089 at 2.8334, as many surveys more as the standard error says.
    assert asked.detectable_error() == pytest.approx(np.log(2.8334 / 2.8016), rel=0.02)


def test_a_design_that_cannot_be_reached_is_said_so(planned: PowerPlan, question: Question) -> None:
    hopeless = plan([4], [2], replace(question, effect=0.1, runs=100, most=8))
    assert hopeless.cheapest is None
    text = plan_text(hopeless, "typical")
    assert "No design" in text
    assert "> 8" in text
    assert plan_record(hopeless)["cheapest"] is None
    assert "cheapest design" in plan_text(planned, "typical")


# -- the command -----------------------------------------------------------------------------------------------------


def test_json_is_in_rating_steps() -> None:
    sizes = ("--listeners", "8,4", "--prompts", "6", "--runs", "100", "--workers", "1", "--json", "--seed", "3")
    five, ten = (
        CliRunner().invoke(app, ["survey", "power", *sizes, "--scale", scale, "--latent-effect", effect])
        for scale, effect in (("1-5", "1"), ("1-10", "2.25"))
    )
    assert five.exit_code == ten.exit_code == 0, five.output + ten.output
    a, b = json.loads(five.stdout), json.loads(ten.stdout)
    assert [(cell["listeners"], cell["prompts"], cell["ratings"]) for cell in a["cells"]] == [(4, 6, 48), (8, 6, 96)]
    assert (a["effect"], b["effect"], b["scale"], b["centre"]) == (1, 2.25, [1, 10], 5.5)
    assert b["components"]["residual"] == pytest.approx(TYPICAL.residual * 2.25**2)
    # A finer scale of the same width shows nearly the same.
    assert b["cells"][1]["power"] == pytest.approx(a["cells"][1]["power"], abs=0.05)
    assert b["cells"][1]["detectable"] == pytest.approx(2.25 * a["cells"][1]["detectable"], rel=0.05)
    assert set(a) == {
        *("scale", "effect", "effect_mean", "components", "centre", "target", "runs", "seed", "detectable_error"),
        *("design", "margin", "cells", "fewest", "cheapest"),
    }


def test_plans_from_an_earlier_survey(tunebench: Command, tmp_path: Path) -> None:
    ratings_file(tmp_path / "r.csv", Scale(1, 10), 0.8)
    ran = tunebench(
        *("survey", "power", "--from", "r.csv", "--models", "m0,m1", "--listeners", "4", "--prompts", "6"),
        *("--runs", "100", "--workers", "1", "--rating-minutes", "0.5", "--effect", "3"),
    )
    assert ran.returncode == 0, ran.stderr
    assert "on 1–10" in ran.stdout
    assert "estimated from r.csv: m0, m1; Overall; 40 listeners × 40 prompts)" in " ".join(ran.stdout.split())
    assert "minutes a listener" in ran.stdout
    assert "2 of 2" in ran.stderr


def _planned(*arguments: str) -> dict[str, Any]:
    sizes = ("--listeners", "6", "--prompts", "8", "--runs", "100", "--workers", "1", "--json", "--most-listeners", "8")
    ran = CliRunner().invoke(app, ["survey", "power", *sizes, *arguments])
    assert ran.exit_code == 0, ran.output
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_effects_are_in_points_of_mean_ratings() -> None:
    found = _planned("--effect", "0.5", "--scale", "1-10")
    assert found["effect_mean"] == pytest.approx(0.5) and found["effect"] > 0.5
    assert found["cells"][0]["power_given"] is None and found["cells"][0]["power_low"] is None


def test_designs_of_several_tests_votes_and_equivalence() -> None:
    several = _planned("--rated-scales", "2", "--compare-models", "3", "--effect", "0.9", "--power-of", "any")
    (cell,) = several["cells"]
    assert (several["design"]["tests"], several["design"]["true"], cell["ratings"]) == (6, 4, 6 * 8 * 2 * 3)
    assert cell["power"] == cell["power_any"] >= cell["power_given"] >= cell["power_all"]
    votes = _planned("--votes", "--ties", "0.2", "--effect", "0.9")
    assert 0.5 < votes["effect_mean"] < 1 and votes["cells"][0]["ratings"] == 48
    third = _planned("--design", "33%", "--effect", "0.9")
    assert third["cells"][0]["ratings"] == round(6 * 8 * 2 * 0.33)
    equal = _planned("--margin", "3")
    assert equal["cells"][0]["power"] > 0.9 and equal["cells"][0]["detectable"] is None


def test_a_pilot_leaves_a_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ratings_file(tmp_path / "r.csv")
    (cell,) = _planned("--from", "r.csv", "--models", "m0,m1", "--effect", "0.8")["cells"]
    assert cell["power_low"] <= cell["power"] + 0.05 and cell["power_low"] < cell["power_high"]
    frame = pd.read_csv("r.csv")
    small = frame["listener"].isin([f"l{n}" for n in range(4)]) & frame["prompt"].isin([f"p{n}" for n in range(6)])
    frame[small].to_csv("few.csv", index=False)
    (few,) = _planned("--from", "few.csv", "--models", "m0,m1", "--effect", "0.8")["cells"]
    assert few["power_high"] - few["power_low"] > cell["power_high"] - cell["power_low"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--listeners", "5,1"), 2, "--listeners is '5,1'"),
        (("--prompts", "six"), 2, "--prompts is 'six'"),
        (("--scale", "1-5.5"), 2, "--scale is '1-5.5'"),
        (("--scale", "5"), 2, "rating scale"),
        (("--effect", "-1"), 2, "above 0"),
        (("--effect", "nan"), 2, "above 0"),
        (("--effect", "9"), 2, " 9"),
        (("--effect", ".3", "--latent-effect", ".3"), 2, "--latent-effect"),
        (("--margin", "0"), 2, "above 0"),
        (("--margin", ".3", "--compare-models", "3"), 2, "two models"),
        (("--differing-scales", "2"), 2, "--rated-scales"),
        (("--ties", ".2"), 2, "--votes"),
        (("--design", "square"), 2, "--design is 'square'"),
        (("--design", "1.5"), 2, "--design is '1.5'"),
        (("--design", "latin", "--votes"), 2, "complete"),
        (("--target", "1"), 2, "between 0.05 and 1"),
        (("--components", "typcal"), 2, "'typical'"),
        (("--components", "listner=1"), 2, "'listener'"),
        (("--components", "listener=a"), 2, "listener is 'a'"),
        (("--components", "listener=1"), 2, "prompt, listener-model, prompt-model, residual"),
        (("--models", "a,b"), 2, "--from FILE"),
        (("--from", "r.csv", "--components", "typical"), 2, "--components"),
        (("--from", "r.csv", "--column", "who"), 2, "listener=who"),
        (("--from", "none.csv"), 2, "none.csv"),
        (("--from", "flat.csv"), 5, "equal"),
    ],
)
def test_mistakes_are_explained(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"l{i},p{j},m{k},3" for i in range(3) for j in range(3) for k in range(2)]
    for name in ("r.csv", "flat.csv"):
        Path(name).write_text("\n".join(["listener,prompt,model,Overall", *rows]))
    ran = CliRunner().invoke(app, ["survey", "power", *arguments])
    assert isinstance(ran.exception, TunebenchError), ran.output
    assert ran.exception.exit_code == code
    assert words in str(ran.exception)
    assert "\n" not in str(ran.exception)


def _children(pid: int) -> list[int]:
    """Processes that a process has started."""
    listing = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listing.stdout.split()]


def _alive(pid: int) -> bool:
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_driver(how: signal.Signals, tunebench_path: str) -> None:
    command = [tunebench_path, "survey", "power", "--runs", "1000000", "--workers", "2"]
    driver = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ.copy(), text=True
    )
    workers: list[int] = []
    for _ in range(600):
        workers = _children(driver.pid)
        if len(workers) >= 3:  # two, and Python's tracker of resources
            break
        time.sleep(0.05)
    assert len(workers) >= 2
    driver.send_signal(how)
    _, said = driver.communicate(timeout=60)
    assert driver.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert "Traceback" not in said
    for _ in range(600):
        if not any(map(_alive, workers)):
            break
        time.sleep(0.05)
    assert not any(map(_alive, workers))
