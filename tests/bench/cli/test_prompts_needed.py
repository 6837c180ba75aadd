"""``tunebench check metrics --prompts-needed``: what it goes with, what it prints and writes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import UsageError
from metrics.distances_of_prompts import DISTANCES


@pytest.mark.parametrize(
    "more",
    [
        *(["--full"], ["--metric", "kad"], ["--json"], ["--seeds", "2"], ["--plot", "x.png"], ["--dose-dir", "x"]),
        *(["--workers", "0"], ["--workers", "2"]),
    ],
)
def test_it_goes_with_few_options(tmp_path: Path, more: list[str]) -> None:
    done = CliRunner().invoke(app, ["check", "metrics", "--prompts-needed", str(tmp_path / "out"), *more])
    assert isinstance(done.exception, UsageError)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["check", "metrics", "--prompts-needed", str(tmp_path / "file")])
    assert isinstance(done.exception, UsageError) and str(tmp_path / "file") in str(done.exception)


@pytest.mark.slow(20)
def test_the_short_form_writes_table_figure_and_data(tmp_path: Path) -> None:
    words = ["check", "metrics", "--quick", "--duration", "3", "--prompts-needed", str(tmp_path)]
    done, again = (CliRunner().invoke(app, words) for _ in "ab")
    assert done.exit_code == again.exit_code == 0 and done.stdout == again.stdout
    assert {path.suffix for path in tmp_path.iterdir() if path.is_file()} == {".csv", ".svg", ".png", ".md"}
    with (tmp_path / "prompts-needed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(DISTANCES) * 2 * 2
    assert all(name in done.stdout for name in DISTANCES)
    largest = {row["distance"]: row for row in rows if (row["damage"], row["dose"]) == ("low-pass", "2")}
    assert float(largest["kad@2"]["detected"]) > 0.8
