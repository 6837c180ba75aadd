"""Ranks with doubt: what the tests leave open, and no more."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.comparison.result import Comparison
from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.leaderboard.rank_table import place_rows, rank_notes
from bench.leaderboard.ranks import RankRange, ranks
from bench.scores.aggregate import Cell, Column

Pairs = dict[tuple[int, int], tuple[float | None, float | None]]


def column(direction: Direction = "higher", ref: str = "quality@1") -> Column:
    return Column(ref, "%", direction)


def cell(model: str, value: float | None, column: Column = column(), group: str = "all") -> Cell:  # noqa: B008
    return Cell(model, column, group, Estimate(value, None, None, 12), 12, None, None)


def pair(
    a: str,
    b: str,
    estimate: float | None,
    p: float | None,
    column: Column = column(),  # noqa: B008
    grouping: str = "all",
) -> Comparison:
    return Comparison(
        a, b, column, grouping, "all" if grouping == "all" else "jazz", estimate, None, None, p, None, None, 12
    )


@st.composite
def boards(draw: st.DrawFn) -> tuple[list[Cell], list[Comparison]]:
    """Any outcome of the tests of up to six models, consistent or not: permutation tests need not be transitive."""
    directions: list[Direction] = ["higher", "lower"]
    direction = draw(st.sampled_from(directions))
    models = [f"m{i}" for i in range(draw(st.integers(1, 6)))]
    metric = column(direction)
    values = st.one_of(st.none(), st.floats(-10, 10))
    cells = [cell(model, draw(values), metric) for model in models]
    outcomes = st.tuples(values, st.one_of(st.none(), st.sampled_from([0.0001, 0.01, 0.04, 0.2, 1.0])))
    return cells, [pair(a, b, *draw(outcomes), metric) for a, b in combinations(models, 2)]


@given(boards())
def test_ranks_are_places_that_exist_and_what_is_open_is_open_both_ways(
    board: tuple[list[Cell], list[Comparison]],
) -> None:
    cells, comparisons = board
    found = ranks(cells, comparisons)
    valued = {c.model for c in cells if c.estimate.value is not None}
    tested = [{c.a, c.b} for c in comparisons if c.p is not None and {c.a, c.b} <= valued]
    assert {model for model, _ in found} == (set().union(*tested) if len(valued) > 1 else valued)
    for (model, ref), rank in found.items():
        assert 1 <= rank.best <= rank.worst <= len(valued)
        assert rank.worst - rank.best == len(rank.tied) + len(rank.untested)
        assert all({model, other} in tested and model in found[other, ref].tied for other in rank.tied)
        assert set(rank.untested) == {other for other in valued - {model} if {model, other} not in tested}


@given(boards(), st.randoms(use_true_random=False))
def test_other_names_in_another_order_change_nothing_else(
    board: tuple[list[Cell], list[Comparison]], rng: random.Random
) -> None:
    cells, comparisons = board
    names = [c.model for c in cells]
    new = dict(zip(names, rng.sample(names, len(names)), strict=True))
    turned = []
    for c in comparisons:
        a, b, estimate = new[c.a], new[c.b], c.estimate
        if rng.random() < 0.5:
            a, b, estimate = b, a, None if estimate is None else -estimate
        turned.append(replace(c, a=a, b=b, estimate=estimate))
    rng.shuffle(turned)
    renamed = [cell(new[c.model], c.estimate.value, c.column) for c in cells]
    rng.shuffle(renamed)
    ours, theirs = ranks(cells, comparisons), ranks(renamed, turned)
    assert {(new[m], ref): (r.best, r.worst, {new[t] for t in r.tied}) for (m, ref), r in ours.items()} == {
        key: (r.best, r.worst, set(r.tied)) for key, r in theirs.items()
    }


@pytest.mark.parametrize("direction", ["higher", "lower"])
@given(st.permutations(range(5)))
def test_models_that_are_all_told_apart_have_a_place_each(direction: Direction, order: list[int]) -> None:
    metric = column(direction)
    cells = [cell(f"m{i}", float(i), metric) for i in order]
    comparisons = [pair(f"m{a}", f"m{b}", float(b - a), 0.0005, metric) for a, b in combinations(order, 2)]
    found = ranks(cells, comparisons)
    for i in range(5):
        place = i + 1 if direction == "lower" else 5 - i
        assert found[f"m{i}", "quality@1"] == RankRange(place, place)


@given(st.integers(1, 8))
def test_where_nothing_is_told_apart_every_place_is_open(count: int) -> None:
    models = [f"m{i}" for i in range(count)]
    comparisons = [pair(a, b, 1.0, 0.9) for a, b in combinations(models, 2)]
    found = ranks([cell(model, 1.0) for model in models], comparisons)
    for model in models:
        assert found[model, "quality@1"] == RankRange(1, count, tuple(m for m in models if m != model))


def test_holm_is_over_the_pairs_of_one_metric() -> None:
    """Adjusted by hand: of .02, .03 and .9 Holm makes .06, .06 and .9; alone, .03 stays."""
    cells = [cell(m, 0.0) for m in "abc"]
    alike = ranks(cells, [pair("a", "b", 1, 0.02), pair("a", "c", 1, 0.03), pair("b", "c", 1, 0.9)])
    assert {r.text for r in alike.values()} == {"1–3"}
    told = ranks(cells, [pair("a", "b", 1, 0.016), pair("a", "c", 1, 0.024), pair("b", "c", 1, 0.9)])
    assert [told[m, "quality@1"] for m in "abc"] == [RankRange(3, 3), RankRange(1, 2, ("c",)), RankRange(1, 2, ("b",))]
    alone = ranks(cells[:2], [pair("a", "b", 1, 0.03), pair("b", "c", 1, 0.9)])
    assert [alone[m, "quality@1"] for m in "ab"] == [RankRange(2, 2), RankRange(1, 1)]


def test_what_has_no_direction_no_value_or_is_of_one_genre_has_no_rank() -> None:
    neither = column("none", "variety@1")
    cells = [cell("a", 1.0), cell("b", None), cell("a", 1.0, neither), cell("b", 2.0, neither)]
    comparisons = [pair("a", "b", 1.0, 0.0005, neither), pair("a", "b", 1.0, 0.0005, grouping="genre")]
    assert ranks([*cells, cell("b", 2.0, group="jazz")], comparisons) == {("a", "quality@1"): RankRange(1, 1)}


@pytest.mark.parametrize(
    ("estimate", "low", "high", "of_sets", "apart"),
    [
        (2.0, 0.1, 3.9, True, True),
        (-2.0, -3.9, -0.1, False, True),
        # The clips are of two distributions, and whether their distance differs is open.
        (2.0, -0.1, 4.1, True, False),
        (-2.0, -4.0, 0.0, False, False),
        (-2.0, 0.1, 3.9, True, False),
        # The same difference for every prompt, and a plugin that gives no interval.
        (2.0, None, None, False, True),
        (2.0, None, None, True, False),
    ],
)
def test_a_small_p_is_no_place_where_the_interval_leaves_open_who_is_ahead(
    estimate: float, low: float | None, high: float | None, of_sets: bool, apart: bool
) -> None:
    metric = replace(column(), of_sets=of_sets)
    cells = [cell(m, 0.0, metric) for m in "ab"]
    found = ranks(cells, [replace(pair("a", "b", estimate, 0.001, metric), low=low, high=high)])
    assert (found["a", "quality@1"].tied == ()) == apart
    assert not pair("a", "b", 2.0, 0.001).told_apart(0.05) and not pair("a", "b", 2.0, 0.001).told_apart(None)


def test_no_test_is_no_tie() -> None:
    """Of a, b and c the third has no test; then b has none with c either, and then nobody has."""
    gone = "the reference is gone"
    cells = [cell(m, 0.0) for m in "abc"]
    told, without = pair("a", "b", 1.0, 0.001), replace(pair("a", "c", 1.0, None), reason=gone)
    other = replace(without, a="b")
    found = ranks(cells, [told, without, other])
    assert {model: rank.text for (model, _), rank in found.items()} == {"a": "2–3", "b": "1–2"}
    assert found["b", "quality@1"] == RankRange(1, 2, (), ("c",))
    assert place_rows(cells, found) == [("quality@1", "1st or 2nd: b; 2nd or 3rd: a; not tested: c")]
    assert f"quality@1: 2 of 3 pairs are not tested: {gone}" in rank_notes(cells, [told, without, other])
    # Nothing is told of b, which is more than a tie says.
    half = ranks(cells, [replace(told, p=0.5), without, pair("b", "c", 1.0, 0.5)])
    assert place_rows(cells, half) == [("quality@1", "1st to 3rd: a, b, c")]
    nobody = [replace(told, p=None, reason=gone), without, other]
    assert ranks(cells, nobody) == {} and place_rows(cells, {}) == []
    assert rank_notes(cells, nobody) == [f"quality@1: 3 of 3 pairs are not tested: {gone}"]


def test_notes_name_what_no_data_could_settle() -> None:
    def noted(models: int, n: int, warnings: tuple[Notice, ...] = ()) -> list[str]:
        names = [f"m{i}" for i in range(models)]
        tests = [replace(pair(a, b, 1.0, 0.5), n=n, warnings=warnings) for a, b in combinations(names, 2)]
        return rank_notes([cell(name, 0.0) for name in names], tests)

    for models in range(2, 12):
        pairs = models * (models - 1) / 2
        fewest = next(n for n in range(2, 99) if 2 / 2**n * pairs < 0.05)
        assert noted(models, fewest) == []
        (note,) = noted(models, fewest - 1)
        assert f"with {fewest - 1} prompts" in note
    assert noted(4, 6)[0].endswith("with 6 prompts p is never below .031 before Holm")
    assert noted(11, 36) == []
    floor = Notice("W-FLOOR", {"permutations": 999, "p": 0.001})
    assert noted(11, 36, (floor,)) == [f"quality@1: {floor.sentence} before Holm"]


def test_table_shows_ranges_and_marks_what_is_told_from_nothing() -> None:
    other = column("lower", "distance@1")
    cells = [cell(m, None if m == "d" else 0.0, metric) for m in "abcd" for metric in (column(), other)]
    cells += [cell("a", 1.0, column("none", "variety@1"))]
    comparisons = [pair("a", "b", 1.0, 0.001), pair("a", "c", 1.0, 0.001), pair("b", "c", 1.0, 0.5)]
    comparisons += [pair(a, b, 1.0, 0.9, other) for a, b in combinations("abc", 2)]
    assert place_rows(cells, ranks(cells, comparisons)) == [
        ("quality@1", "1st or 2nd: b, c; 3rd: a; no value: d"),
        ("distance@1", "open: no two of 3 rows differ significantly; no value: d"),
    ]
    assert place_rows(cells[:2], ranks(cells[:2], ())) == []


@pytest.mark.parametrize(
    ("number", "written"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd"), (113, "113th")]
)
def test_a_place_is_an_ordinal(number: int, written: str) -> None:
    cells = [cell(f"m{place}", 0.0) for place in range(1, number + 2)]
    settled = {(one.model, "quality@1"): RankRange(place, place) for place, one in enumerate(cells, 1)}
    assert f"{written}: m{number}" in place_rows(cells, settled)[0][1].split("; ")
