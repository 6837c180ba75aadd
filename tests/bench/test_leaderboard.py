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
from bench.leaderboard import grid, leaderboard, read_cells, render


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
    with pytest.raises(UsageError, match="cannot group by 'mood'"):
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


def test_text_shows_units_counts_and_chance(folder: Path) -> None:
    text = str(render(folder))
    header = " ".join(text.splitlines()[:3])
    assert "Peak@1" in header and "(% ↑)" in header
    assert "(70/72)" in text
    assert text.splitlines()[-1].split() == ["chance", "50.0"]
    assert "\x1b" not in text


def test_markdown_is_a_table(folder: Path) -> None:
    lines = str(render(folder, "markdown")).splitlines()
    assert lines[0] == "| model | Peak@1 (% ↑) | Frames@1 |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert len({line.count("|") for line in lines}) == 1


def test_order_is_that_of_the_configuration(folder: Path) -> None:
    _, rows = grid(read_cells(folder))
    assert [row[0] for row in rows] == ["first", "second", "chance"]


def test_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run folder"):
        leaderboard(tmp_path)
