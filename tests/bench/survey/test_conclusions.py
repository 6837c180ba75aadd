"""What a survey shows, in sentences: found and by how much, or open and what a test of this size finds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.stats.detectable import detectable_difference
from bench.survey.adjusted_intervals import adjusted_intervals, largest_difference, percent
from bench.survey.analysis import analyse
from bench.survey.pair_findings import pair_findings
from bench.survey.rating_range import Range
from bench.survey.ratings import Ratings
from bench.survey.report import as_markdown, as_text
from bench.survey.results import Analysis


def survey(steps: tuple[float, ...], scales: tuple[str, ...] = ("Overall",), listeners: int = 8) -> Ratings:
    """Ratings on 0–100 of models with these means above 50."""
    rng = np.random.default_rng(4)
    rows = [
        (f"l{i}", f"p{j}", f"m{k}", scale, float(np.clip(round(50 + step + rng.normal(0, 10)), 0, 100)), "", "")
        for scale, (k, step), i, j in product(scales, enumerate(steps), range(listeners), range(10))
    ]
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value", "seed", "genre"])
    models = tuple(f"m{k}" for k in range(len(steps)))
    return Ratings(table, (), (), models, dict.fromkeys(scales, Range(0, 100)))


def analysed(ratings: Ratings) -> Analysis:
    return analyse(ratings, resamples=50)


def test_each_pair_has_a_sentence_and_they_come_first() -> None:
    found = analysed(survey((0, 0.5, 15)))
    said = found.claims[:3]
    assert [text.split(":")[0] for text in said] == ["Overall"] * 3
    assert "is not settled" in said[0]
    assert "m2 is rated higher than m0 by 1" in said[1]
    assert "m2 is rated higher than m1 by 1" in said[2]
    assert found.claims[3].startswith("Intervals and tests hold for new listeners")
    lines = as_text(found).partition("What this shows\n")[2]
    assert lines.startswith("Overall: ")


def test_the_better_model_is_named_first_and_by_a_positive_amount() -> None:
    found = analysed(survey((15, 0)))
    (one,) = found.comparisons
    assert (one.estimate or 0) < -5
    assert found.claims[0].startswith(f"Overall: m0 is rated higher than m1 by {-(one.estimate or 0):.1f} ")
    assert f"{-(one.high or 0):.1f} to {-(one.low or 0):.1f}" in found.claims[0]


def test_intervals_agree_with_p_after_holm() -> None:
    found = analysed(survey((0, 3, 6, 9), ("Overall", "Groove"), listeners=5))
    intervals = adjusted_intervals(found.design, found.comparisons, found.confidence)
    outcomes = set()
    for one, interval in zip(found.comparisons, intervals, strict=True):
        assert interval is not None
        assert one.p_holm is not None
        assert (interval.low > 0 or interval.high < 0) == (one.p_holm <= 0.05)
        outcomes.add(one.p_holm <= 0.05)
        assert one.estimate is not None
        assert one.se is not None
        reach = stats.t.ppf((1 + interval.confidence) / 2, one.df) * one.se
        assert interval.high - one.estimate == pytest.approx(reach)
        assert 0.95 <= interval.confidence <= 1 - 0.05 / 12 + 1e-12
    assert outcomes == {True, False}


def test_one_comparison_keeps_its_interval() -> None:
    found = analysed(survey((0, 4)))
    (interval,) = adjusted_intervals(found.design, found.comparisons, found.confidence)
    (one,) = found.comparisons
    assert interval is not None
    assert (interval.confidence, interval.low, interval.high) == pytest.approx((0.95, one.low, one.high))
    assert "after Holm" not in found.claims[0]


def test_an_open_pair_says_what_a_test_of_this_size_finds() -> None:
    found = analysed(survey((0, 1), listeners=4))
    (one,) = found.comparisons
    assert one.se is not None
    assert one.df is not None
    expected = detectable_difference(one.se, one.df)
    assert "is not settled" in found.claims[0]
    assert f"finds a difference of {expected:.1f} in 80 of 100" in found.claims[0]


def test_intervals_stay_where_differences_can_lie() -> None:
    found = analysed(survey((0, 4)))
    (one,) = found.comparisons
    wide = replace(one, se=500.0, df=3.0, p=0.9, p_holm=0.9)
    (interval,) = adjusted_intervals(found.design, (wide,), 0.95)
    assert interval is not None
    assert (interval.low, interval.high) == (-100, 100)
    assert "too small to find any difference" in pair_findings(found.design, (wide,), 0.95)[0]
    votes = replace(found.design, kind="preferences", ranges={})
    assert largest_difference(votes, "Overall") == 1
    assert largest_difference(replace(votes, ranges={"Overall": (-3.0, 3.0)}), "Overall") == 3


def test_a_pair_without_a_test_says_why() -> None:
    found = analysed(survey((0, 4), listeners=1))
    assert found.claims[0].startswith("Overall: m1 and m0 could not be tested: ")


def test_many_pairs_are_counted() -> None:
    found = analysed(survey((0, 0, 0, 10, 20, 30)))
    settled = sum(one.p_holm is not None and one.p_holm <= 0.05 for one in found.comparisons)
    assert 0 < settled < 15
    assert found.claims[0].startswith(f"Overall: {settled} of 15 pairs are settled")
    assert found.claims[1] == "Overall: m5 is rated higher than m0, m1, m2, m3, and 1 more."
    assert not any("is not settled" in claim for claim in found.claims)


def test_confidences_are_written_with_the_digits_they_need() -> None:
    assert [percent(c).replace("\u00a0", " ") for c in (0.95, 0.9875, 1 - 0.05 / 190)] == ["95 %", "98.8 %", "99.97 %"]


def test_the_first_lines_say_what_was_read_and_lost() -> None:
    ratings = survey((0, 4))
    found = analysed(replace(ratings, rows=400, rows_lost=240))
    lines = as_text(found).splitlines()
    assert "400 rows" in lines[1]
    assert "240 (60.0 %)" in lines[1]
    assert "none left out" in as_text(analysed(replace(ratings, rows=160))).splitlines()[1]


def test_ratings_are_written_with_the_decimals_they_have() -> None:
    ratings = survey((0, 4))
    table = ratings.table.assign(value=np.where(ratings.table["model"] == "m0", 40.0, ratings.table["value"]))
    found = analysed(replace(ratings, table=table))
    row = next(line for line in as_markdown(found).splitlines() if line.startswith("| Overall | m0 | 40.00"))
    assert "| 40 | 40–40 |" in row


def test_a_table_without_rows_is_left_out() -> None:
    found = analysed(survey((0, 4)))  # more than 11 different ratings: no steps
    assert found.ordinal
    assert "odds ratio" not in as_text(found)
