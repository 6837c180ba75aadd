"""Measured rows beside figures of papers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.contracts.metric import Estimate
from bench.leaderboard.published import PublishedRow
from bench.leaderboard.published_gaps import gap_tables, published_gaps
from bench.scores.aggregate import Cell, Column

ROW = PublishedRow(
    model="theirs", metric="CLAP score", value=0.28, protocol="some", source="a paper", ours="clap-score"
)


def cell(
    value: float | None, low: float | None, high: float | None, ref: str = "clap-score@1", group: str = "all"
) -> Cell:
    return Cell("mine", Column(ref, "", "higher"), group, Estimate(value, low, high, 40), 40, None, None)


def test_the_detectable_difference_is_found_with_a_power_of_80_percent() -> None:
    """Power by the noncentral t of scipy, for a paired difference of that size and for two means of equal error."""
    n, deviation = 40, 0.1
    se = deviation / math.sqrt(n)
    half = float(stats.t.ppf(0.975, n - 1)) * se
    (gap,) = published_gaps([ROW], [cell(0.3, 0.3 - half, 0.3 + half)], n)
    assert gap.gap == pytest.approx(0.02)
    assert gap.detectable is not None and gap.detectable_with_error is not None
    for difference, error in ((gap.detectable, se), (gap.detectable_with_error, se * math.sqrt(2))):
        beyond = stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, difference / error)
        assert beyond == pytest.approx(0.8, abs=1e-3)


def test_simulated_papers_are_told_apart_as_often() -> None:
    """At the difference of the last column, 80 % of pairs of runs of n prompts differ at the 5 % level."""
    rng, n = np.random.default_rng(0), 30
    half = float(stats.t.ppf(0.975, n - 1)) / math.sqrt(n)
    (gap,) = published_gaps([ROW], [cell(0.0, -half, half)], n)
    assert gap.detectable_with_error is not None
    ours = rng.normal(gap.detectable_with_error, 1, (4000, n))
    theirs = rng.normal(0, 1, (4000, n))
    assert (stats.ttest_ind(ours, theirs, axis=1).pvalue < 0.05).mean() == pytest.approx(0.8, abs=0.03)


def test_an_interval_cut_at_a_bound_counts_by_its_whole_side() -> None:
    whole, cut = (published_gaps([ROW], [cell(0.5, low, 0.9)], 20)[0] for low in (0.1, 0.4))
    assert whole.detectable == cut.detectable


@pytest.mark.parametrize(
    "other",
    [
        cell(0.3, 0.2, 0.4, ref="clap-score-large@1"),
        cell(0.3, 0.2, 0.4, ref="clap-score[checkpoint=x]@1"),
        cell(0.3, 0.2, 0.4, group="jazz"),
        cell(None, None, None),
    ],
)
def test_only_the_same_metric_over_all_prompts_stands_beside(other: Cell) -> None:
    assert published_gaps([ROW], [other], 40) == []


def test_findings_in_words_and_other_metrics_have_no_gap() -> None:
    rows = [ROW.model_copy(update={"ours": ""}), ROW.model_copy(update={"value": None, "text": "better"})]
    assert published_gaps(rows, [cell(0.3, 0.2, 0.4)], 40) == []


def test_a_row_without_an_interval_has_a_gap_and_no_detectable_difference() -> None:
    gaps = published_gaps([ROW], [cell(0.3, None, None)], 40)
    assert [(gap.detectable, gap.detectable_with_error) for gap in gaps] == [(None, None)]
    ((_, rows),) = gap_tables(gaps, 40)
    assert rows == [("theirs", "0.28", "+0.02")]


def test_each_measured_row_has_a_table_of_the_figures_of_its_metric() -> None:
    other = ROW.model_copy(update={"model": "others", "value": 0.31})
    cells = [cell(0.3, 0.29, 0.31), cell(50.0, 40.0, 60.0, ref="tempo-adherence@1")]
    gaps = published_gaps([ROW, other], cells, 40)
    assert gaps[0].detectable == gaps[1].detectable is not None
    ((heading, rows),) = gap_tables(gaps, 40)
    assert "clap-score@1" in heading and "40 prompts" in heading
    assert [(model, figure) for model, figure, _ in rows] == [("theirs", "0.28"), ("others", "0.31")]
