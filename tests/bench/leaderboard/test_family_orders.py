"""Families that put two models in opposite orders."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bench.comparison.result import Comparison
from bench.contracts.metric import Direction, Estimate
from bench.leaderboard.family_orders import disputed, family_orders, order_lines
from bench.scores.aggregate import Cell, Column


def metric(ref: str, *families: str, direction: Direction = "higher") -> Column:
    return Column(ref, "", direction, families=families)


NOTES, MORE_NOTES = metric("harmony@1", "notes"), metric("melody@1", "notes")
CLAP, DISTANCE = metric("clap-score@1", "clap-laion"), metric("kad@1", "clap-laion", direction="lower")


def cells(columns: Sequence[Column], models: str = "ab") -> list[Cell]:
    return [
        Cell(model, column, "all", Estimate(1.0, None, None, 12), 12, None, None)
        for column in columns
        for model in models
    ]


def pair(column: Column, estimate: float, p: float = 0.001, models: str = "ab") -> Comparison:
    ends = (estimate / 2, estimate * 2) if p < 0.05 else (-1.0, 1.0)
    low, high = sorted(ends)
    a, b = models[0], models[1]
    return Comparison(a, b, column, "all", "all", estimate, low, high, p, None, None, 12)


def test_two_families_that_tests_settle_in_opposite_orders_are_told_with_their_metrics() -> None:
    columns = [NOTES, MORE_NOTES, CLAP, DISTANCE]
    # B has more of the first two, and less of CLAP; a larger distance is worse.
    tested = [pair(NOTES, 3.0), pair(MORE_NOTES, 1.0), pair(CLAP, -0.2), pair(DISTANCE, 0.5)]
    (found,) = family_orders(cells(columns), tested)
    assert found.code == "W-ORDER"
    assert found.params == {
        "a": "a",
        "b": "b",
        "by_a": {"clap-laion": ["clap-score@1", "kad@1"]},
        "by_b": {"notes": ["harmony@1", "melody@1"]},
    }
    assert disputed([found]) == {"a": ("b",), "b": ("a",)}


def test_what_no_test_settles_is_one_warning_of_values_alone() -> None:
    tested = [pair(NOTES, 3.0, 0.4), pair(CLAP, -0.2), pair(NOTES, 1.0, 0.4, "ac"), pair(CLAP, 0.1, 0.4, "ac")]
    (found,) = family_orders(cells([NOTES, CLAP], "abc"), tested)
    assert found.params == {"open": [["a", "b"]], "of": 2}
    assert disputed([found]) == {}


def test_one_family_unknown_ones_and_shared_ones_contradict_nobody() -> None:
    unknown, judge = metric("mine@1"), metric("judge@1", "clap-laion", "mert")
    for one, other in ((NOTES, MORE_NOTES), (NOTES, unknown), (CLAP, judge)):
        assert family_orders(cells([one, other]), [pair(one, 3.0), pair(other, -3.0)]) == []
    neither = metric("tempo@1", "rhythm", direction="none")
    assert family_orders(cells([NOTES, neither]), [pair(NOTES, 3.0), pair(neither, -3.0)]) == []


def test_a_family_that_contradicts_itself_has_no_order() -> None:
    tested = [pair(NOTES, 3.0), pair(MORE_NOTES, -3.0), pair(CLAP, 1.0)]
    assert family_orders(cells([NOTES, MORE_NOTES, CLAP]), tested) == []


def test_p_is_adjusted_over_the_pairs_of_a_metric_as_for_ranks() -> None:
    models = ("ab", "ac", "bc")
    tested = [pair(NOTES, 3.0, 0.02, two) for two in models] + [pair(CLAP, -3.0, 0.001, two) for two in models]
    (found,) = family_orders(cells([NOTES, CLAP], "abc"), tested)
    assert found.params["of"] == 3 and len(found.params["open"]) == 3  # .02 · 3 is above .05


def test_many_are_told_in_nine_lines() -> None:
    models = [f"{a}{b}" for a in "abcde" for b in "abcde" if a < b]
    tested = [pair(column, sign, 1e-6, two) for column, sign in ((NOTES, 3.0), (CLAP, -3.0)) for two in models]
    found = family_orders(cells([NOTES, CLAP], "abcde"), tested)
    assert len(found) == 10
    lines = list(order_lines(found))
    assert len(lines) == 9 and lines[-1] == "W-ORDER: 2 more pairs like these"


@given(st.lists(st.tuples(st.sampled_from([NOTES, MORE_NOTES, CLAP, DISTANCE]), st.floats(-3, 3)), max_size=6))
def test_exchanging_the_models_exchanges_the_sides(outcomes: list[tuple[Column, float]]) -> None:
    outcomes = list({column.ref: (column, round(value, 3)) for column, value in outcomes}.values())
    here = family_orders(cells([c for c, _ in outcomes]), [pair(c, v) for c, v in outcomes])
    there = family_orders(cells([c for c, _ in outcomes]), [pair(c, -v) for c, v in outcomes])
    sides = [
        [(n.params.get(one), n.params.get(other)) for n in found]
        for found, one, other in ((here, "by_a", "by_b"), (there, "by_b", "by_a"))
    ]
    assert sides[0] == sides[1]
