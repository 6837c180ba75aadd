"""The leaderboard in every form, from a real run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

import bench
from bench import UsageError
from bench.contracts.metric import Estimate
from bench.leaderboard.grid import grid
from bench.leaderboard.ranks import RankRange
from bench.leaderboard.render import COLUMNS, leaderboard, read_board, read_cells, render
from bench.scores.aggregate import Cell, Column


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    folder = tmp_path_factory.mktemp("leaderboard")
    config = {
        "suite": "genres@1",
        "models": [
            {"name": f"{tiny}:Sine", "as": "first"},
            {"name": f"{tiny}:Sine", "as": "second", "params": {"bad": "error", "hz": 50}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
        "duration": 0.1,
        "seeds": [0, 1],
        "executor": {"workers": 0},
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return bench.run(folder / "c.yaml", folder / "out").folder


def test_cells_count_what_is_planned_and_what_has_a_value(folder: Path) -> None:
    table = leaderboard(folder).set_index(["model", "metric"])
    assert table.loc[("first", "Peak@1"), ["n", "planned"]].tolist() == [72, 72]
    assert table.loc[("second", "Peak@1"), ["n", "planned"]].tolist() == [70, 72]
    assert table.loc[("first", "Frames@1"), ["n", "planned"]].tolist() == [60, 72]


@pytest.mark.parametrize(("by", "groups"), [("genre", 6), ("level", 6)])
def test_groups_come_with_a_global_row(folder: Path, by: str, groups: int) -> None:
    table = leaderboard(folder, by)
    assert table.group.iloc[0] == "all"
    assert len(table.group.unique()) == groups + 1
    whole = table[table.group == "all"].drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, leaderboard(folder).drop(columns="group"))
    split = table[(table.group != "all") & (table.metric == "Peak@1") & (table.model == "first")]
    assert split.n.sum() == 72


def test_unknown_group_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="'mood'"):
        leaderboard(folder, "mood")


def test_every_format_says_the_same(folder: Path) -> None:
    rows = json.loads(render(folder, "json", "genre"))
    csv = pd.read_csv(io.StringIO(str(render(folder, "csv", "genre"))))
    parquet = render(folder, "parquet", "genre")
    assert isinstance(parquet, bytes)
    table = pd.read_parquet(io.BytesIO(parquet))
    assert len(rows) == len(csv) == len(table)
    for column in ("value", "low", "high"):
        expected = [row[column] for row in rows]
        assert [None if pd.isna(v) else v for v in table[column]] == expected
        assert [None if pd.isna(v) else v for v in csv[column]] == pytest.approx(expected)
    assert all(row["value"] is None and row["note"] for row in rows if row["n"] == 0)


def test_ranks_and_protocol_are_in_every_record(folder: Path) -> None:
    board = read_board(folder, "genre")
    rows = json.loads(str(render(folder, "json", "genre")))
    assert {tuple(row) for row in rows} == {COLUMNS}
    assert {row["protocol"] for row in rows} == {board.protocol.id}
    for row in rows:
        given = [row[name] for name in ("rank_best", "rank_worst", "tied")]
        if row["group"] == "all" and row["direction"] != "none":
            rank = board.ranks[row["model"], row["metric"]]
            assert given == [rank.best, rank.worst, list(rank.tied)]
        else:
            assert given == [None, None, None]
    table = leaderboard(folder, "genre")
    assert table.rank_best.tolist() == [pd.NA if row["rank_best"] is None else row["rank_best"] for row in rows]
    assert table.tied.tolist() == ["; ".join(row["tied"] or []) for row in rows]


def test_ranks_come_from_the_tests_of_the_run(folder: Path) -> None:
    """The rows play sines of 200 and 50 Hz at one level, whose peaks differ by rounding and by chance alone."""
    from bench.comparison.compare import compare

    (tested,) = [pair for pair in compare(folder, "first", "second") if pair.column.ref == "Peak@1"]
    assert tested.p is not None and tested.p >= 0.05
    ranks = read_board(folder).ranks
    assert ranks == {
        ("first", "Peak@1"): RankRange(1, 2, ("second",)),
        ("second", "Peak@1"): RankRange(1, 2, ("first",)),
    }


def test_text_shows_units_counts_chance_ranks_and_protocol(folder: Path) -> None:
    text = str(render(folder))
    header = " ".join(text.splitlines()[:3])
    assert "Peak@1" in header and "(% ↑)" in header
    assert "(70/72)" in text
    table, said, ranks, meaning, protocol = text.split("\n\n")
    assert table.splitlines()[-1].split() == ["chance", "50.000"]
    assert "(60/72): 60 of 72 clips have a value." in said
    assert "Chance: the score of music without structure." in " ".join(said.split())
    assert ranks.splitlines()[1] == "Peak@1  open: no two of 2 rows differ significantly"
    assert "Holm over the one pair of each metric) is below .05, the interval" in " ".join(meaning.split())
    assert " ".join(protocol.split()) == read_board(folder).protocol.line
    assert "\x1b" not in text


def test_markdown_is_two_tables_and_what_they_mean(folder: Path) -> None:
    table, said, missing, ranks, meaning, protocol = str(render(folder, "markdown")).split("\n\n")
    lines = table.splitlines()
    assert lines[0] == "| model | Peak@1 (% ↑) | Frames@1 (60/72) |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert len({line.count("|") for line in lines}) == 1
    assert said.startswith("± or ") and missing.startswith("no interval: all rows in Frames@1: ")
    assert ranks.splitlines()[2] == "| Peak@1 | open: no two of 2 rows differ significantly |"
    assert meaning.startswith("1st is best. ") and protocol.startswith("protocol ")


def test_latex_is_of_this_run(folder: Path) -> None:
    latex = str(render(folder, "latex", "level"))
    assert r"\begin{tabular}{llrr}" in latex
    assert f"Protocol {read_board(folder).protocol.id}: genres@1" in latex


def test_published_rows_stand_apart(folder: Path) -> None:
    bare, shown = str(render(folder)), str(render(folder, with_published=True))
    assert shown.startswith(f"{bare}\n\nPublished, not comparable with the rows above\n")
    assert "0.0498" in shown and "0.0498" not in bare
    rows = json.loads(str(render(folder, "json", with_published=True)))
    measured = json.loads(str(render(folder, "json")))
    assert rows[: len(measured)] == [{**row, "published": False} for row in measured]
    assert all(row["published"] and row["source"] and row["note"] for row in rows[len(measured) :])
    for style in ("csv", "parquet", "latex"):
        with pytest.raises(UsageError, match=rf"^{style}\b.*table.*markdown.*json"):
            render(folder, style, with_published=True)


def test_a_count_that_all_rows_share_stands_in_the_heading() -> None:
    def cell(model: str, ref: str, n: int) -> Cell:
        return Cell(
            model, Column(ref, "%", "higher"), "all", Estimate(1.0 if n else None, None, None, n), 12, None, None
        )

    shared, own = [cell("a", "x@1", 6), cell("b", "x@1", 6)], [cell("a", "y@1", 6), cell("b", "y@1", 0)]
    assert grid([*shared, *own]) == (
        ["model", "x@1 (%\xa0↑) (6/12)", "y@1 (%\xa0↑)"],
        [["a", "1.0", "1.0 (6/12)"], ["b", "1.0", "– (0/12)"]],
    )
    assert grid(shared[:1])[1] == [["a", "1.0 (6/12)"]]


@pytest.mark.parametrize(
    ("values", "half", "written"),
    [
        # Cosines, of which one decimal says nothing; the median is .021 whatever one wide row does.
        ([0.3123, 0.2987, -0.0002], [0.0213, 0.0209, 4.0], ["0.312 ± 0.021", "0.299 ± 0.021", "0.000 ± 4.000"]),
        ([68.14, -0.02], [2.31, 4.5], ["68.1 ± 2.3", "0.0 ± 4.5"]),
        ([1e99, -2.5e98], [1e98, 1e98], ["1e+99 ± 1e+98", "−2.5e+98 ± 1e+98"]),
        ([1.234e-9, 2e-10], [1.1e-10, 1.2e-10], ["1.23e−09 ± 1.1e−10", "2e−10 ± 1.2e−10"]),
        ([0.3123, 12.0], [None, None], ["0.3", "12.0"]),
        ([0.3123, 0.012], [None, None], ["0.31", "0.01"]),
    ],
)
def test_a_column_has_the_decimals_of_its_intervals(
    values: list[float], half: list[float | None], written: list[str]
) -> None:
    def cell(model: str, value: float, half: float | None) -> Cell:
        low, high = (None, None) if half is None else (value - half, value + half)
        return Cell(model, Column("x@1", "", "higher"), "all", Estimate(value, low, high, 12), 12, None, None)

    cells = [cell(f"m{i}", *row) for i, row in enumerate(zip(values, half, strict=True))]
    assert [row[1] for row in grid(cells)[1]] == written


def test_what_was_not_tested_has_no_rank_and_says_why(tmp_path: Path, tiny: Path) -> None:
    suite = tmp_path / "one.yaml"
    suite.write_text("name: one\nversion: 1\nprompts:\n  - {id: a, text: A waltz, genre: classical, level: 1}\n")
    models = [{"name": f"{tiny}:Sine", "as": name, "params": {"hz": hz}} for name, hz in (("low", 50), ("high", 200))]
    config = {"suite": str(suite), "models": models, "metrics": [f"{tiny}:Peak"], "duration": 0.1, "seeds": [0]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({**config, "executor": {"workers": 0}}))
    run = bench.run(tmp_path / "c.yaml", tmp_path / "out").folder
    why = "No ranks.\nPeak@1: 1 of 1 pair is not tested: 1 shared prompt, a test needs 4"
    _, said, ranks, _ = str(render(run)).split("\n\n")
    assert ranks == why
    assert said.splitlines()[1:] == ["no interval: all rows in Peak@1: 1 prompt, an interval needs 4"]
    assert why.replace("\n", "\n\n") in str(render(run, "markdown"))
    rows = json.loads(str(render(run, "json")))
    assert [(row["rank_best"], row["rank_worst"], row["tied"]) for row in rows] == [(None, None, None)] * 2
    assert "mathbf" not in str(render(run, "latex"))


def test_order_is_that_of_the_configuration(folder: Path) -> None:
    _, rows = grid(read_cells(folder))
    assert [row[0] for row in rows] == ["first", "second", "chance"]


def test_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"run\.db"):
        leaderboard(tmp_path)
