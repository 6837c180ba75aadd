"""Preferences analysed: the habit of choosing a side, ties taken two ways, "both bad", and places."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from bench.survey.analysis import analyse
from bench.survey.bradley_terry import strength_fits
from bench.survey.pair_votes import vote_table, votes_of
from bench.survey.ratings import Preferences
from bench.survey.reading import read_survey
from bench.survey.report import as_text, sections
from bench.survey.results import Analysis, record
from bench.survey.sides import side_choices, side_warnings

COLUMNS = ["listener", "prompt", "a", "b", "choice"]


def votes(
    models: Sequence[str] = ("base", "tuned"),
    listeners: int = 8,
    prompts: int = 12,
    better: float = 0.0,
    tie: float = 0.0,
    bad: float = 0.0,
    second: float = 0.5,
    turned: bool = True,
) -> pd.DataFrame:
    """Choices "a", "b", "tie" or "both bad" of every pair by every listener on every prompt.

    Args:
        models: each with log-odds ``better`` against the one before it.
        listeners, prompts: how many.
        better: see ``models``.
        tie, bad: chance of a tie, and of calling both bad.
        second: chance of the side shown second between equals.
        turned: whether the sides change from prompt to prompt; otherwise earlier models are always first.
    """
    rng = np.random.default_rng(11)
    rows = []
    for i, j, (x, y) in product(range(listeners), range(prompts), combinations(range(len(models)), 2)):
        first, last = (y, x) if turned and (i + j) % 2 else (x, y)
        odds = (last - first) * better + math.log(second / (1 - second))
        side = "b" if rng.random() < 1 / (1 + math.exp(-odds)) else "a"
        choice = rng.choice(["tie", "both bad", side], p=[tie, bad, 1 - tie - bad])
        rows.append((f"l{i}", f"p{j}", models[first], models[last], choice))
    return pd.DataFrame(rows, columns=COLUMNS)


def read(table: pd.DataFrame, folder: Path) -> Preferences:
    table.to_csv(folder / "votes.csv", index=False)
    found = read_survey(folder / "votes.csv")
    assert isinstance(found, Preferences)
    return found


def analysed(table: pd.DataFrame, folder: Path) -> Analysis:
    return analyse(read(table, folder), resamples=50)


def codes(found: Analysis) -> list[list[str]]:
    return [[warning.split(":")[0] for warning in one["warnings"]] for one in record(found)["comparisons"]]


# -- sides -----------------------------------------------------------------------------------------------------------


def test_a_model_always_on_one_side_is_a_warning_on_its_result(tmp_path: Path) -> None:
    """Equal models, of which one is always shown first to listeners who press the second side in 7 of 10 votes."""
    found = analysed(votes(listeners=12, prompts=24, second=0.7, turned=False), tmp_path)
    (one,) = found.comparisons
    assert one.p is not None
    assert one.p < 0.001  # nothing but the side
    assert codes(found) == [["W-SIDE"]]
    assert json.loads(json.dumps(record(found)))["comparisons"][0]["warnings"] == list(one.warnings)
    text = " ".join(as_text(found).split())
    assert text.count("W-SIDE: 'base'") == 1
    assert any(claim.startswith("preference: tuned is preferred") and "W-SIDE" in claim for claim in found.claims)


def test_balanced_sides_give_no_warning_and_no_difference(tmp_path: Path) -> None:
    found = analysed(votes(listeners=12, prompts=24, second=0.7), tmp_path)
    assert codes(found) == [[]]
    assert found.comparisons[0].p is not None
    assert found.comparisons[0].p > 0.05
    assert "W-SIDE" not in as_text(found)


@pytest.mark.parametrize(("share", "warned"), [(0.85, False), (0.95, True)])
def test_nearly_always_is_nine_in_ten(share: float, warned: bool, tmp_path: Path) -> None:
    table = votes(listeners=10, prompts=20, turned=False)
    turn = np.arange(len(table)) >= share * len(table)
    table.loc[turn, ["a", "b"]] = table.loc[turn, ["b", "a"]].to_numpy()
    assert codes(analysed(table, tmp_path)) == [["W-SIDE"] if warned else []]


def test_only_the_pair_that_was_not_turned_is_warned_of(tmp_path: Path) -> None:
    table = votes(("x", "y", "z"))
    wrong = (table["a"] == "y") & (table["b"] == "x")
    table.loc[wrong, ["a", "b"]] = ["x", "y"]
    found = side_warnings(survey := read(table, tmp_path), side_choices(survey, 0.95))
    assert list(found) == [("x", "y", "preference")]


def test_the_share_of_the_first_side_and_its_interval(tmp_path: Path) -> None:
    """Independent votes, of which the second side has 70 %: near the binomial interval, which knows no listeners."""
    table = votes(listeners=20, prompts=30, second=0.7)
    (one,) = side_choices(read(table, tmp_path), 0.95)
    chosen = int((table["choice"] == "a").sum())
    assert (one.votes, one.share) == (600, pytest.approx(chosen / 600))
    exact = binomtest(chosen, 600).proportion_ci(method="wilson")
    assert one.low is not None
    assert one.high is not None
    assert (one.low, one.high) == (pytest.approx(exact.low, abs=0.03), pytest.approx(exact.high, abs=0.03))
    assert one.p is not None
    assert one.p < 0.001
    assert one.known  # a and b are sides
    named = table.assign(choice=np.where(table["choice"] == "a", table["a"], table["b"]))
    (by_name,) = side_choices(read(named, tmp_path), 0.95)
    assert not by_name.known
    assert replace(by_name, known=True) == one


def test_a_column_of_sides_says_which_was_shown_first(tmp_path: Path) -> None:
    """Models by column as ever, sides of their own: what stands in column a says nothing then."""
    table = votes(listeners=10, prompts=20, turned=False)
    table["side"] = np.where(np.arange(len(table)) % 2, "a", "b")
    found = analysed(table, tmp_path)
    assert found.sides[0].known
    assert codes(found) == [[]]
    expected = (table["choice"] == table["side"]).mean()
    assert found.sides[0].share == pytest.approx(expected)
    table["side"] = "b"
    other = analysed(table, tmp_path)
    assert codes(other) == [["W-SIDE"]]
    assert "'tuned'" in other.comparisons[0].warnings[0]


def test_ties_choose_no_side(tmp_path: Path) -> None:
    table = votes(tie=0.3, bad=0.1)
    (one,) = side_choices(read(table, tmp_path), 0.95)
    assert one.votes == int(table["choice"].isin(["a", "b"]).sum())
    table["choice"] = "tie"
    assert side_choices(read(table, tmp_path), 0.95) == ()


# -- ties, "both bad", places ----------------------------------------------------------------------------------------


def test_two_models_of_ties_where_there_are_ties(tmp_path: Path) -> None:
    with_ties, without = (analysed(votes(("x", "y", "z"), better=0.5, tie=tie), tmp_path) for tie in (0.2, 0.0))
    assert [fit.ties for fit in with_ties.strengths] == ["half wins", "Davidson"]
    assert [fit.ties for fit in without.strengths] == ["half wins"]
    assert with_ties.strengths[1].nu is not None
    assert with_ties.strengths[0].nu is None
    half_wins, davidson = ([one.strength or 0 for one in fit.models] for fit in with_ties.strengths)
    assert davidson[2] - davidson[0] > half_wins[2] - half_wins[0] > 0
    titles = [section.title for section in sections(without)]
    assert not any("Davidson" in title for title in titles)


def test_the_strength_of_two_models_is_the_log_odds(tmp_path: Path) -> None:
    """The half-win form: (wins + ties/2) / (losses + ties/2)."""
    table = votes(better=0.8, tie=0.25)
    fit = strength_fits(read(table, tmp_path), 0.95)[0]
    tuned = next(one for one in fit.models if one.model == "tuned")
    base = next(one for one in fit.models if one.model == "base")
    assert (tuned.wins, tuned.losses, tuned.ties) == (base.losses, base.wins, base.ties)
    odds = (tuned.wins + tuned.ties / 2) / (tuned.losses + tuned.ties / 2)
    assert (tuned.strength or 0) - (base.strength or 0) == pytest.approx(math.log(odds), abs=1e-6)
    assert (tuned.elo or 0) - (base.elo or 0) == pytest.approx(400 * math.log10(odds), abs=1e-3)
    davidson = strength_fits(read(table, tmp_path), 0.95)[1]
    of = {one.model: one.strength or 0 for one in davidson.models}
    assert of["tuned"] - of["base"] == pytest.approx(math.log(tuned.wins / tuned.losses), abs=1e-6)


def test_models_that_no_vote_links_are_named(tmp_path: Path) -> None:
    table = votes(("w", "x", "y", "z"), better=0.5, tie=0.1, bad=0.1)
    within = table.apply(lambda row: {row["a"], row["b"]} in ({"w", "z"}, {"x", "y"}), axis=1)
    for kept in (within, within | (table["choice"] == "both bad")):  # a verdict on both prefers neither
        for fit in strength_fits(read(table[kept], tmp_path), 0.95):
            assert {one.strength for one in fit.models} == {None}
            assert "w, z with x, y" in fit.reason


def test_both_bad_is_an_outcome_of_its_own(tmp_path: Path) -> None:
    table = votes(better=0.8, tie=0.15, bad=0.2)
    bad = table["choice"] == "both bad"
    found = analysed(table, tmp_path)
    kept = analysed(table[~bad], tmp_path)
    assert found.design.both_bad == bad.sum() > 0
    assert found.design.answers == len(table)
    assert found.design.missing == {"preference": 0}
    assert sum(kept.design.missing.values()) == bad.sum()
    assert found.comparisons[0].estimate == pytest.approx(kept.comparisons[0].estimate)
    for one, other in zip(found.strengths, kept.strengths, strict=True):
        assert [model.both_bad for model in one.models] == [bad.sum()] * 2
        assert [(m.strength, m.wins, m.ties, m.losses) for m in one.models] == [
            (m.strength, m.wins, m.ties, m.losses) for m in other.models
        ]
    counts = {section.title: section.table.header for section in sections(found) if section.table}
    assert "both bad" in next(header for title, header in counts.items() if "half wins" in title)


def test_places_are_those_that_the_tests_leave_open(tmp_path: Path) -> None:
    table = votes(("low", "middle", "high"), listeners=16, prompts=20, better=1.5)
    fit = strength_fits(read(table, tmp_path), 0.95)[0]
    assert {one.model: (one.best, one.worst) for one in fit.models} == {"high": (1, 1), "middle": (2, 2), "low": (3, 3)}
    equal = strength_fits(read(votes(("x", "y", "z"), listeners=5), tmp_path), 0.95)[0]
    assert {(one.best, one.worst) for one in equal.models} == {(1, 3)}
    found = analysed(table, tmp_path)
    (said,) = [claim for claim in found.claims if "places" in claim]
    assert said.endswith("high 1, middle 2, low 3.")


def test_each_place_follows_from_the_differences(tmp_path: Path) -> None:
    fit = strength_fits(read(votes(("x", "y", "z", "w"), better=0.5, tie=0.1), tmp_path), 0.95)[0]
    for one in fit.models:
        won = lost = 0
        for pair in fit.differences:
            if one.model in (pair.a, pair.b) and pair.p_holm is not None and pair.p_holm < 0.05:
                ahead = (pair.estimate or 0) > 0
                won += (pair.b if ahead else pair.a) == one.model
                lost += (pair.a if ahead else pair.b) == one.model
        assert (one.best, one.worst) == (1 + lost, 4 - won)


def test_strengths_do_not_depend_on_how_pairs_were_written(tmp_path: Path) -> None:
    table = votes(("x", "y", "z"), better=0.6, tie=0.2, bad=0.1)
    turned = table.assign(a=table["b"], b=table["a"], choice=table["choice"].replace({"a": "b", "b": "a"}))
    one, other = (strength_fits(read(part.sample(frac=1, random_state=1), tmp_path), 0.95) for part in (table, turned))
    for left, right in zip(one, other, strict=True):
        assert [m.strength for m in left.models] == pytest.approx([m.strength for m in right.models], abs=1e-7)
        assert [m.low for m in left.models] == pytest.approx([m.low for m in right.models], abs=1e-6)


# -- arenas ----------------------------------------------------------------------------------------------------------


def arena(listeners: int, votes_each: int, models: int = 6) -> Preferences:
    """Every vote on a prompt of its own, and the last model better than the others."""
    rng = np.random.default_rng(5)
    count = listeners * votes_each
    pairs = np.array(list(combinations(range(models), 2)))[rng.integers(0, math.comb(models, 2), count)]
    turn = rng.random(count) < 0.5
    first, last = np.where(turn, pairs[:, 1], pairs[:, 0]), np.where(turn, pairs[:, 0], pairs[:, 1])
    odds = 1.4 * ((last == models - 1).astype(float) - (first == models - 1))
    draw = rng.random(count)
    b = rng.random(count) < 1 / (1 + np.exp(-odds))
    outcome = np.where(draw < 0.05, "both bad", np.where(draw < 0.2, "tie", np.where(b, "b", "a")))
    choice = np.select([outcome == "a", outcome == "b"], [-1, 1], 0)
    table = pd.DataFrame(
        {
            "listener": [f"l{i}" for i in np.arange(count) % listeners],
            "prompt": [f"p{i}" for i in range(count)],
            "a": [f"m{i}" for i in first],
            "b": [f"m{i}" for i in last],
            "scale": "preference",
            "choice": choice,
            "outcome": outcome,
            "score": choice.astype(float),
            "seed": "",
            "genre": "",
            "position": np.nan,
            "side": "a",
        }
    )
    return Preferences(table, (), (), tuple(f"m{i}" for i in range(models)))


def test_an_arena_whose_votes_have_prompts_of_their_own() -> None:
    survey = arena(120, 8)
    found = analyse(survey, resamples=50)
    assert {one.method for one in found.comparisons} == {"clustered votes"}
    assert all(one.missing == 0 for one in found.comparisons)
    assert not any(one.warnings for one in found.comparisons)
    assert all(one.components is None for one in found.comparisons)
    assert "nan" not in as_text(found).split()
    half_wins = {one.model: one for one in found.strengths[0].models}
    assert (half_wins["m5"].best, half_wins["m5"].worst) == (1, 1)
    assert found.strengths[0].effective_listeners == pytest.approx(120, abs=6)
    # 15 pairs: a sentence a scale and one a model that is above others.
    assert found.claims[0].startswith("preference: ")
    assert any(claim.startswith("preference: m5 is preferred to") for claim in found.claims)
    assert not any("is not settled" in claim for claim in found.claims)


def test_one_listener_is_described_and_not_tested(tmp_path: Path) -> None:
    found = analysed(votes(listeners=1, prompts=6, turned=False), tmp_path)
    assert found.comparisons[0].p is None
    assert codes(found) == [["W-SIDE"]]
    assert "could not be tested" in found.claims[0]
    assert not {"nan", "inf"} & set(as_text(found).split())


def test_pairs_and_tables_of_votes_hold_every_vote() -> None:
    survey = arena(20, 10)
    decided = survey.table[survey.table["outcome"] != "both bad"]
    pairs = votes_of(survey, "preference")
    assert sum(len(one.scores) for one in pairs.values()) == len(decided)
    assert not any(one.crossed for one in pairs.values())
    table = vote_table(survey, "preference")
    assert len(table.choice) == len(decided)
    for (a, b), one in pairs.items():
        here = decided[decided["a"].isin([a, b]) & decided["b"].isin([a, b])]
        signs = np.where(here["b"] == b, here["choice"], -here["choice"])
        assert one.mean() == pytest.approx(signs.mean())
    only_bad = replace(survey, table=survey.table.assign(outcome="both bad"))
    assert votes_of(only_bad, "preference") == {}
