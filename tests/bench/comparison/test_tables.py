"""Comparisons as people and programs read them: every format says the same, and nothing is said that was not tested."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

import bench
from bench.cli import compare as cli
from bench.comparison.compare import ComparisonOptions, compare
from bench.comparison.result import Chance, Comparison
from bench.comparison.tables import findings, render
from bench.contracts.notice import Notice
from bench.errors import UsageError
from bench.number_format import p_text
from bench.scores.aggregate import Column
from bench.scores.protocol import protocol_of
from bench.storage.digests import write_digests
from bench.storage.store import Store

LEVELS = Path(__file__).parents[2] / "plugins" / "levels.py"
COLUMN = Column("peak@1", "%", "higher", bounds=(0.0, 100.0))
FOUND = Comparison("base", "tuned", COLUMN, "all", "all", 5.0, 3.0, 7.0, 0.001, 0.004, None, 12, 1.5, 1.0, 2.5)
FIELDS = [
    *("metric", "a", "b", "grouping", "group", "mean_a", "mean_b", "estimate", "low", "high", "p", "p_holm", "p_bh"),
    *(
        "mean_low",
        "mean_high",
        "mean_p",
        "n",
        "effect",
        "superiority",
        "detectable",
        "unit",
        "direction",
        "better",
        "chance",
        "reason",
        "reference",
    ),
    *("view", "warnings", "warning_codes", "protocol", "protocol_b"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {
        "models": [
            {"name": f"{LEVELS}:Levels", "as": "base"},
            {"name": f"{LEVELS}:Levels", "as": "tuned", "params": {"shift": 0.05, "salt": 1, "flaw": "rock"}},
        ],
        "metrics": [f"{LEVELS}:Peak", f"{LEVELS}:Loud"],
        "seeds": [0, 1],
        "duration": 0.1,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("tables") / "run").folder


@pytest.fixture(scope="module")
def rendered(folder: Path) -> Callable[..., str]:
    def write(style: Any, by: str | None = None) -> str:
        with Store.read(folder) as store:
            protocol = protocol_of(store)
        return render(compare(folder, "base", "tuned", options=ComparisonOptions(by=by)), (protocol, protocol), style)

    return write


def test_json_is_a_list_of_the_same_fields_in_the_same_order(rendered: Callable[..., str]) -> None:
    rows = json.loads(rendered("json", "genre"))
    assert len(rows) == 14 and all(list(row) == FIELDS for row in rows)
    assert rows[0]["chance"].keys() == {"estimate", "low", "high", "p"}
    assert rows[0]["metric"] == "Peak@1" and rows[0]["better"] == "tuned"
    assert rows[0]["warnings"] == ["W-UNPAIRED: 2 prompts that only one of the two has are left out (2 of A)"]
    assert rows[0]["warning_codes"] == ["W-UNPAIRED"]
    assert rendered("json", "genre") == rendered("json", "genre")


def test_csv_says_what_json_says(rendered: Callable[..., str]) -> None:
    rows = json.loads(rendered("json", "genre"))
    table = list(csv.DictReader(io.StringIO(rendered("csv", "genre"))))
    assert len(table) == len(rows)
    for flat, row in zip(table, rows, strict=True):
        for name in ("estimate", "low", "high", "p", "p_bh", "detectable"):
            assert (float(flat[name]) if flat[name] else None) == row[name]
        chance = row["chance"] or {}
        assert (float(flat["chance_estimate"]) if flat["chance_estimate"] else None) == chance.get("estimate")
        assert flat["warnings"] == "; ".join(row["warnings"])


def test_a_frame_says_what_json_says(folder: Path, rendered: Callable[..., str]) -> None:
    frame = bench.Run(folder).compare("base", "tuned", by="genre")
    rows = json.loads(rendered("json", "genre"))
    assert frame["metric"].tolist() == [row["metric"] for row in rows]
    found = [row["estimate"] for row in rows]
    assert frame["estimate"].isna().tolist() == [one is None for one in found]
    assert frame["estimate"].dropna().tolist() == [one for one in found if one is not None]
    assert frame["chance_p"][0] == rows[0]["chance"]["p"]


def test_the_page_says_what_the_numbers_are_of(rendered: Callable[..., str], folder: Path) -> None:
    text = rendered("table")
    assert text.startswith("B − A, where A is base and B is tuned\n")
    assert "Peak@1 (% ↑)" in text and "The unit is the prompt" in text
    assert "all: W-UNPAIRED: 2 prompts that only one of the two has are left out (2 of A)" in text
    assert "with half the seeds each, it is wider than that of B − A" in " ".join(text.split())
    assert max(map(len, text.splitlines()[8:])) <= 120
    with Store.read(folder) as store:
        assert f"protocol {protocol_of(store).id}" in text
    assert "BH p" not in text
    assert "BH p" in rendered("markdown", "genre")


def test_markdown_holds_tables_that_are_tables(rendered: Callable[..., str]) -> None:
    text = rendered("markdown", "level")
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 2
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1
    assert blocks[1][0].startswith("| level | metric | A | B | B − A [95 %] | p | BH p |")


class TestFindings:
    """A p above .05 is never called equality: it says what would have been found."""

    def said(self, **changes: Any) -> str:
        (sentence,) = findings([replace(FOUND, **changes)])
        return sentence

    def test_what_is_settled(self) -> None:
        assert self.said() == "peak@1: tuned is better by 5.0 points (Holm p .004)."
        worse = self.said(estimate=-5.0, low=-7.0, high=-3.0)
        assert worse == "peak@1: base is better by 5.0 points (Holm p .004)."
        lower = self.said(column=replace(COLUMN, direction="lower", unit="dB"))
        assert lower == "peak@1: base is better by 5.0 dB (Holm p .004)."
        neutral = self.said(column=replace(COLUMN, direction="none"), estimate=-5.0, low=-7.0, high=-3.0)
        assert neutral == "peak@1: base is higher by 5.0 points (Holm p .004)."

    def test_what_is_not(self) -> None:
        open_ = self.said(p=0.3, p_holm=0.6)
        assert open_.startswith("peak@1: not settled; a true difference of 2.5 points would show (p < .05) in four")
        assert "(p .020, Holm p .100)" in self.said(p=0.02, p_holm=0.1)
        assert "too few prompts" in self.said(
            p=0.3, p_holm=0.6, warnings=(Notice("W-FEW", {"prompts": 5, "p": 0.0625}),)
        )
        distance = self.said(p=0.3, p_holm=0.6, detectable=None, low=-0.5, high=1.25)
        assert distance == "peak@1: not settled; the 95 % interval of B − A reaches from −0.50 to 1.25 points."
        assert "there is no interval" in self.said(p=1.0, p_holm=1.0, detectable=None, low=None, high=None)
        bare = self.said(low=None, high=None, column=replace(COLUMN, of_sets=True))
        assert "the two differ (Holm p .004), but there is no interval: which is ahead stays open" in bare
        assert "which is ahead stays open" in self.said(low=-1.0)
        assert findings([replace(FOUND, p=None, p_holm=None)]) == []

    def test_small_numbers_are_no_zeros(self) -> None:
        tiny = self.said(estimate=5e-9, low=3e-9, high=7e-9, column=replace(COLUMN, unit=""))
        assert tiny == "peak@1: tuned is better by 5e−09 (Holm p .004)."

    def test_no_page_claims_equality(self, rendered: Callable[..., str]) -> None:
        for style in ("table", "markdown"):
            text = rendered(style, "genre").lower()
            assert "no difference" not in text and "no significant" not in text and "equal." not in text

    @pytest.mark.parametrize(("p", "text"), [(None, "–"), (0.0004, "<.001"), (0.05, ".050"), (1.0, "1.000")])
    def test_p_is_written_without_its_zero(self, p: float | None, text: str) -> None:
        assert p_text(p) == text

    def test_better_is_of_the_metrics_direction(self) -> None:
        assert FOUND.better == "tuned"
        assert replace(FOUND, column=replace(COLUMN, direction="lower")).better == "base"
        assert replace(FOUND, column=replace(COLUMN, direction="none")).better is None
        assert replace(FOUND, estimate=0.0).better is replace(FOUND, estimate=None).better is None

    def test_records_are_json(self) -> None:
        record = replace(FOUND, chance=Chance(0.1, None, None, None), null="words").record()
        assert json.loads(json.dumps(record)) == record
        assert list(record) == FIELDS[:-2]


class TestCommand:
    def call(self, *arguments: object) -> str:
        app = Typer()
        app.command()(cli.command)
        done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    def test_options_reach_what_they_name(self, folder: Path, rendered: Callable[..., str], tmp_path: Path) -> None:
        assert self.call(folder, "base", "tuned", "--json", "--by", "genre").strip() == rendered("json", "genre")
        assert self.call(folder, "base", "tuned").strip() == rendered("table")
        output = tmp_path / "page.md"
        assert self.call(folder, "base", "tuned", "--format", "markdown", "-o", output) == ""
        assert output.read_text().strip() == rendered("markdown")
        other = self.call(folder, "base", "tuned", "--with", folder, "--format", "csv")
        assert other.strip() == rendered("csv")

    def test_mistakes_are_usage_errors(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"'tunned'.*'tuned'"):
            self.call(folder, "base", "tunned")
        with pytest.raises(UsageError, match="cannot write"):
            self.call(folder, "base", "tuned", "-o", tmp_path / "no" / "folder.txt")

    def test_a_run_without_metrics_says_so(self, tmp_path: Path, folder: Path) -> None:
        import shutil
        import sqlite3

        shutil.copytree(folder, tmp_path / "bare")
        with sqlite3.connect(tmp_path / "bare" / "run.db") as db:
            db.execute("UPDATE metrics SET shown = 0")
            write_digests(db)
        db.close()
        with pytest.raises(UsageError) as caught:
            self.call(tmp_path / "bare", "base", "tuned")
        assert f"'tunebench score {tmp_path / 'bare'}'" in str(caught.value)


def test_the_command_leaves_with_the_right_code(folder: Path, tunebench: Callable[..., Any]) -> None:
    done = tunebench("compare", folder, "base", "tuned", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)[0]["metric"] == "Peak@1"
    wrong = tunebench("compare", folder, "base", "tunned")
    assert wrong.returncode == 2 and wrong.stdout == ""
    assert wrong.stderr.startswith("tunebench: ") and wrong.stderr.count("\n") == 1
