"""What is found of two models becomes a sentence: what is settled, what is open, and what nobody can say."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.comparison.result import Comparison
from bench.contracts.metric import Estimate
from bench.contracts.notice import Notice
from bench.report.findings import MOST_SHOWN, Finding, find, metric_names, split
from bench.scores.aggregate import Cell, Column

HIGHER = Column("accuracy@1", "%", "higher")
LOWER = Column("distance@2", "", "lower", of_sets=True)
UNRANKED = Column("pitches@1", "pitches", "none")
COLUMNS = (HIGHER, LOWER, UNRANKED)
FEW = (Notice("W-FEW", {"prompts": 6, "differing": 2}),)


def compared(column: Column, estimate: float | None, p: float | None = 0.001, **changes: Any) -> Comparison:
    """Base against tuned; the interval reaches one unit to both sides."""
    low, high = (None, None) if estimate is None else (estimate - 1, estimate + 1)
    values = {"low": low, "high": high, "p": p, "p_holm": p, "p_bh": None, "n": 12} | changes
    return Comparison("base", "tuned", column, "all", "all", estimate, **values)


def only(*comparisons: Comparison) -> Finding:
    (found,) = find(comparisons, COLUMNS)
    return found


def kinds(found: Finding) -> list[tuple[str, tuple[str, ...], str]]:
    return [(clause.kind, clause.metrics, clause.ahead) for clause in found.clauses]


@pytest.mark.parametrize(
    ("column", "estimate", "ahead"),
    [(HIGHER, 5.0, "tuned"), (HIGHER, -5.0, "base"), (LOWER, 5.0, "base"), (LOWER, -5.0, "tuned")],
)
def test_who_is_better_goes_by_the_direction_of_the_metric(column: Column, estimate: float, ahead: str) -> None:
    found = only(compared(column, estimate))
    assert kinds(found) == [("better", (column.ref,), ahead)]
    other = {"base": "tuned", "tuned": "base"}[ahead]
    unit = " points" if column is HIGHER else ""
    name = column.ref.partition("@")[0]
    size = f"by 5.0{unit} (95 % interval 4.0 to 6.0, p = .001)"
    assert found.sentence == f"{ahead} is better than {other} on {name} {size}."


def test_a_metric_that_ranks_nothing_makes_no_model_better() -> None:
    found = only(compared(UNRANKED, -3.0))
    assert kinds(found) == [("open", (), ""), ("differs", (UNRANKED.ref,), "base")]
    assert "neither better nor worse" in found.sentence


def test_a_small_p_settles_nothing_where_the_interval_reaches_0() -> None:
    assert kinds(only(compared(HIGHER, 0.5)))[1:] == [("open", (HIGHER.ref,), "")]


def test_what_no_outcome_could_settle_is_not_called_open() -> None:
    found = only(compared(HIGHER, 5.0, 0.2, warnings=FEW), compared(LOWER, 2.0, 0.3))
    assert kinds(found)[1:] == [("open", (LOWER.ref,), ""), ("few", (HIGHER.ref,), "")]


def test_reasons_are_told_once_with_all_that_they_hold_for() -> None:
    none = [compared(column, None, None, reason="no clip has a value") for column in (HIGHER, UNRANKED)]
    found = only(*none, compared(LOWER, None, None, reason="another view"))
    assert kinds(found)[1:] == [
        ("missing", (HIGHER.ref, UNRANKED.ref), ""),
        ("missing", (LOWER.ref,), ""),
    ]
    assert found.sentence.count("no clip has a value") == 1


def test_the_same_difference_on_every_prompt_has_no_interval_and_needs_none() -> None:
    found = only(compared(HIGHER, 2.0, low=None, high=None))
    assert found.sentence == "tuned is better than base on accuracy by 2.0 points (p = .001)."
    assert "p < .001" in only(compared(HIGHER, 5.0, 0.0001)).sentence


def test_groups_and_metrics_that_are_not_shown_say_nothing() -> None:
    group = Comparison("base", "tuned", HIGHER, "genre", "jazz", 5, 4, 6, 0.001, None, 0.001, 6)
    assert find([group, compared(Column("other@1", "", "higher"), 5.0)], COLUMNS) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(COLUMNS),
            st.none() | st.floats(-9, 9),
            st.none() | st.floats(0.0005, 1),
            st.booleans(),
        ),
        min_size=1,
        unique_by=lambda one: one[0],
    )
)
def test_every_metric_is_told_once_and_better_only_where_it_is_settled(rows: list[Any]) -> None:
    comparisons = [
        compared(column, estimate, None if estimate is None else p, warnings=FEW if few else ())
        for column, estimate, p, few in rows
    ]
    found = only(*comparisons)
    told = [ref for clause in found.clauses for ref in clause.metrics]
    assert sorted(told) == sorted(c.column.ref for c in comparisons)
    better = {ref for clause in found.clauses if clause.kind == "better" for ref in clause.metrics}
    assert better == {c.column.ref for c in comparisons if c.told_apart(c.p_holm) and c.better}
    assert found.sentence.endswith(".") and found.sentence.count("is better than") == len(
        {clause.ahead for clause in found.clauses if clause.kind == "better"}
    )


def test_pairs_with_the_first_model_open_the_page() -> None:
    models = [f"m{place}" for place in range(12)]
    pairs = [Finding(a, b, ()) for a, b in combinations(models, 2)]
    opened, folded = split(pairs, "m0")
    assert [(one.a, one.b) for one in opened] == [("m0", f"m{place}") for place in range(1, MOST_SHOWN + 1)]
    assert len(opened) + len(folded) == len(pairs)


def test_a_reference_that_is_a_models_own_music_is_said_beside_what_it_favors() -> None:
    column = replace(LOWER, reference="music")
    mark = Notice("W-OWN-MUSIC", {"model": "base", "reference": "music"})
    cell = Cell("base", column, "all", Estimate(1.0, 0.0, 2.0, 12, None, (mark,)), 12, None, None)
    for estimate, favored in ((5.0, True), (-5.0, False)):
        (found,) = find([compared(column, estimate)], [column], [cell])
        assert ("base's own music" in found.sentence) == favored
        assert "distance (a distance to reference music)" in found.sentence


def test_p_says_where_it_is_the_smallest_of_so_many_prompts() -> None:
    assert "12 prompts can give no smaller one" in only(compared(HIGHER, 5.0, 2 / 2**12)).sentence
    assert "smallest" not in only(compared(HIGHER, 5.0, 4 / 2**12)).sentence


@pytest.mark.parametrize("unit", ["% of a quarter", "of chance"])
def test_a_size_does_not_read_as_a_probability(unit: str) -> None:
    column = Column("m@1", unit, "lower")
    (found,) = find([compared(column, 5.0)], [column])
    assert "%" not in found.sentence.replace("95 %", "") and "of chance" not in found.sentence


def test_an_end_of_an_interval_that_is_not_0_does_not_read_so() -> None:
    found = only(compared(HIGHER, 1.0, low=0.004, high=1.996))
    assert "95 % interval 0.004 to 1.996" in found.sentence


def test_names_keep_their_version_where_two_have_one_name() -> None:
    columns = [Column(ref, "", "none") for ref in ("kad@1", "kad@2", "fad[path=a@b]@1")]
    assert list(metric_names(columns).values()) == ["kad@1", "kad@2", "fad[path=a@b]"]
