"""Ratings that nobody gave: they follow the metric, the same seed gives the same, and the analysis reads them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import UsageError
from bench.stats.survey_model import OpinionVariances
from bench.survey.metric_agreement import predict
from bench.survey.reading import read_ratings
from bench.survey.simulate import COLUMNS, SimulatedListeners, simulate_survey

LEVELS = Path(__file__).parents[2] / "plugins" / "levels.py"
QUIET = OpinionVariances(0, 0, 0, 0, 1e-12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {
        "models": [
            {"name": f"{LEVELS}:Levels", "as": "low"},
            {"name": f"{LEVELS}:Levels", "as": "high", "params": {"shift": 0.1, "salt": 1}},
        ],
        "metrics": [f"{LEVELS}:Peak"],
        "seeds": [0],
        "duration": 0.1,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("run")).folder


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_listener_rates_every_clip_once(folder: Path) -> None:
    found = rows(simulate_survey(folder, "Peak", SimulatedListeners(5)))
    assert tuple(found[0]) == COLUMNS
    assert len(found) == 5 * 2 * 12 == len({(r["listener"], r["model"], r["prompt"]) for r in found})
    assert {r["overall"] for r in found} <= set("12345")


def test_the_same_seed_gives_the_same_answers(folder: Path) -> None:
    one, again, other = (simulate_survey(folder, "Peak", SimulatedListeners(4, seed=seed)) for seed in (1, 1, 2))
    assert one == again != other


def test_without_noise_ratings_are_the_metric_rounded(folder: Path) -> None:
    found = rows(simulate_survey(folder, "Peak@1", SimulatedListeners(2, variances=QUIET)))
    by_model = {m: np.mean([int(r["overall"]) for r in found if r["model"] == m]) for m in ("low", "high")}
    assert by_model["high"] > by_model["low"]
    listeners = {r["listener"] for r in found}
    answers = [[r["overall"] for r in found if r["listener"] == who] for who in sorted(listeners)]
    assert answers[0] == answers[1]


def test_the_analysis_reads_them_and_finds_the_metric(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text(simulate_survey(folder, "Peak", SimulatedListeners(12)) + "\n")
    predictions = predict(folder, read_ratings(file))
    assert predictions.as_record()


@pytest.mark.parametrize("metric", ["Peek", "kad"])
def test_what_no_clip_has_is_refused(folder: Path, metric: str) -> None:
    with pytest.raises(UsageError):
        simulate_survey(folder, metric)
    with pytest.raises(UsageError):
        SimulatedListeners(1)
