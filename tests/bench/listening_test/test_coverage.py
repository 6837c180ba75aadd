"""Surveys with known differences, answered through the server: what comes out covers them as the statistics promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bench.listening_test.answers import questions
from bench.listening_test.design import ListeningDesign, read_design, write_design
from bench.listening_test.rate_limit import RateLimit
from bench.listening_test.read_test import read_listening_test
from bench.listening_test.server import Server
from bench.listening_test.sessions import plan_sessions
from bench.stats.survey_model import FIVE_POINT, TYPICAL, simulate_ratings
from bench.storage.listening_answers import Answers
from bench.survey.analysis import analyse
from bench.survey.latent_ratings import LatentRatings, mean_difference

LISTENERS, EFFECT = 8, 0.6
Ratings = npt.NDArray[np.float64]


def make_folder(template: Path, folder: Path, block: int) -> ListeningDesign:
    """A test of two models on six prompts of which each listener hears a block."""
    drawn = read_design(template)
    sessions = plan_sessions(drawn.test, drawn.models, len(drawn.items), block)
    design = replace(drawn, sessions=tuple(sessions))
    folder.mkdir()
    write_design(design, folder)
    return design


def answer_all(folder: Path, design: ListeningDesign, ratings: Ratings) -> None:
    """Give every rating, shape (models, listeners, items), to the server, page after page."""
    answers = Answers(folder, design.id)
    server = Server(folder, design, answers, "")
    server.requests = RateLimit(1_000_000, 1.0)
    for listener, session in enumerate(design.sessions):
        answers.enroll(listener)
        answers.consent(listener)
        who = answers.listener(listener)
        assert who is not None
        for page, trial in enumerate(session):
            value = int(ratings[design.models.index(trial.models[0]), listener, trial.item])
            heard = [design.files[key].seconds for key in design.keys_on(trial)]
            answer = {question.key: value for question in questions(design, trial)}
            message = {"page": page, "final": True, "number": 1, "answer": answer, "heard": heard, "seconds": 2.0}
            assert server.save(who, message)["saved"]
    answers.close()


@pytest.fixture
def template(make_test: Callable[..., Path]) -> Path:
    checks = {"practice": 0, "beeps": 0, "spoiled": 0, "headphones": False}
    return make_test(models=["alpha1", "beta2"], scales=["Harmony"], listeners=LISTENERS, checks=checks)


@pytest.mark.parametrize("block", [6, 4])
def test_every_rating_comes_out_as_it_went_in(block: int, template: Path, tmp_path: Path) -> None:
    design = make_folder(template, tmp_path / "test", block)
    ratings = simulate_ratings(np.random.default_rng(3), 1, LISTENERS, 6, EFFECT, TYPICAL)[:, 0]
    answer_all(tmp_path / "test", design, ratings)
    survey = read_listening_test(tmp_path / "test")
    assert len(survey.table) == 2 * LISTENERS * block and survey.exclusions == ()
    prompts = [item.prompt for item in design.items]
    for row in survey.table.itertuples():
        listener = int(str(row.listener).removeprefix("listener-")) - 1
        assert row.value == ratings[design.models.index(str(row.model)), listener, prompts.index(str(row.prompt))]


@pytest.mark.simulate
@pytest.mark.parametrize("block", [6, 4])
def test_intervals_cover_the_true_difference(block: int, template: Path, tmp_path: Path) -> None:
    """300 surveys: 95 % intervals cover in 92 to 98 % of them; two standard errors are 2.5 points."""
    true = mean_difference(EFFECT, LatentRatings(TYPICAL, 0.0), FIVE_POINT)
    surveys = simulate_ratings(np.random.default_rng(11), 300, LISTENERS, 6, EFFECT, TYPICAL)
    covered = 0
    for place in range(surveys.shape[1]):
        folder = tmp_path / str(place)
        design = make_folder(template, folder, block)
        answer_all(folder, design, surveys[:, place])
        (one,) = analyse(read_listening_test(folder)).comparisons
        assert one.low is not None and one.high is not None
        covered += one.low <= true <= one.high
    assert 0.92 <= covered / surveys.shape[1] <= 0.985
