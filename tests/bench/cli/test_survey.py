"""``tunebench survey analyze`` as it is used: forms of output, exit codes, and what it says about bad input."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import TunebenchError
from bench.stats import crossed_t_test

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    rows = [
        (f"l{i}", f"{genre}-{j}", model, scale, int(rng.integers(1, 6)), genre)
        for i, genre, j, model, scale in product(
            range(5), ("jazz", "rock"), range(3), ("a-very-long-name-of-a-base-model", "tuned"), ("Harmony", "Rhythm")
        )
    ]
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value", "genre"])
    table.to_csv(tmp_path / "r.csv", index=False)
    return tmp_path / "r.csv"


def analyze(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["survey", "analyze", *map(str, arguments)])


def refused(*arguments: object) -> TunebenchError:
    error = analyze(*arguments).exception
    assert isinstance(error, TunebenchError)
    return error


def test_from_the_command_line(tunebench: Command, ratings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns in (60, 80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        ran = tunebench("survey", "analyze", str(ratings))
        assert (ran.returncode, ran.stderr) == (0, "")
        assert max(map(len, ran.stdout.splitlines())) <= columns
    for heading in ("Survey", "Models", "Differences", "Effect sizes", "By genre", "Agreement", "What this shows"):
        assert f"\n{heading}" in f"\n{ran.stdout}"
    assert "smallest two-sided p is .0625" in ran.stdout


def test_data_that_cannot_be_told_exits_5(tunebench: Command, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("one,two\n1,2\n")
    ran = tunebench("survey", "analyze", "x.csv")
    assert ran.returncode == 5
    assert ran.stdout == ""
    assert "--column listener=NAME" in ran.stderr
    assert "listener,prompt,model,scale,value" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_json_has_the_promised_keys_and_numbers(ratings: Path) -> None:
    ran = analyze(ratings, "--json")
    found = json.loads(ran.stdout)
    assert list(found)[:4] == ["design", "exclusions", "notes", "models"]
    assert {"design", "exclusions", "models", "comparisons", "agreement"} <= found.keys()
    one = found["comparisons"][0]
    keys = ["a", "b", "scale", "estimate", "low", "high", "t", "df", "p", "p_holm", "method"]
    assert list(one)[: len(keys)] == keys
    table = pd.read_csv(ratings)
    table = table[table["scale"] == one["scale"]].pivot_table(
        index="listener", columns=["model", "prompt"], values="value"
    )
    test = crossed_t_test(table[one["b"]].to_numpy() - table[one["a"]].to_numpy())
    assert [one[key] for key in keys[3:9]] == pytest.approx(
        [test.estimate, test.low, test.high, test.t, test.df, test.p]
    )
    assert ran.stdout == analyze(ratings, "--json").stdout


def test_order_of_models_turns_the_sign(ratings: Path) -> None:
    names = ["a-very-long-name-of-a-base-model", "tuned"]
    there, back = (
        json.loads(analyze(ratings, "--json", "--models", ",".join(order)).stdout)["comparisons"][0]
        for order in (names, names[::-1])
    )
    assert (there["a"], there["b"]) == (back["b"], back["a"])
    assert there["estimate"] == pytest.approx(-back["estimate"])
    assert there["superiority"] == pytest.approx(1 - back["superiority"])


def test_exclusions_are_listed_in_every_form(ratings: Path, tmp_path: Path) -> None:
    with ratings.open("a") as file:
        file.write("l9,jazz-0,tuned,Harmony,9,jazz\nl0,jazz-9,tuned,Harmony,?,jazz\n")
    text = analyze(ratings, "--missing", "9,?", "--markdown", tmp_path / "r.md").stdout
    assert "Excluded: 2 answers" in text
    assert "declared missing" in text and "122 (9)" in text
    assert "123 (?)" in (tmp_path / "r.md").read_text()
    found = json.loads(analyze(ratings, "--json", "--missing", "?", "--without-listener", "l9").stdout)
    assert found["exclusions"] == [
        {"reason": "left out with --without-listener", "column": "listener", "count": 1, "rows": [122]},
        {"reason": "declared missing with --missing", "column": "value", "count": 1, "rows": [123]},
    ]
    assert found["design"]["excluded"] == 2


def test_markdown_tables_are_whole(ratings: Path, tmp_path: Path) -> None:
    table = pd.read_csv(ratings)
    table["model"] = table["model"].replace("tuned", "tu|ned*")
    table.to_csv(ratings, index=False)
    analyze(ratings, "--markdown", tmp_path / "r.md")
    lines = (tmp_path / "r.md").read_text().splitlines()
    assert lines[0] == "# Listening survey"
    widths: dict[str, int] = {}
    for above, line in pairwise(lines):
        if line.startswith("| "):
            bars = line.replace("\\|", "").count("|")
            assert bars == widths.get(above, bars)
            widths[line] = bars


def test_plots(ratings: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert analyze(ratings, "--plots", tmp_path / "plots").exit_code == 0
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert names == {f"{name}.{kind}" for name in ("genres", "differences", "distribution") for kind in ("png", "svg")}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--models", "tuned,tunde"], 2, "'tunde' .*'tuned'"),
        (["--models", "tuned,"], 2, "--models .*'tuned,'.* base,tuned"),
        (["--scales", "Melody"], 2, "'Melody'"),
        (["--column", "listener=who"], 2, "'who'.* listener, prompt, model, scale, value, genre"),
        (["--column", "who"], 2, "'who'.* listener=who"),
        (["--column", "listner=who"], 2, "'listner' .*'listener'.*: listener, prompt, model, scale, value"),
        (["--column", "value=model", "--column", "value=value"], 2, "--column .*'model' and 'value'"),
        (["--rating-scale", "5"], 2, "'5'"),
        (["--rating-scale", "1-5", "--rating-scale", "1-7"], 2, "--rating-scale .*'1-[57]'"),
        (["--margin", "-1"], 2, "margin .*-1"),
        (["--confidence", "95"], 2, "confidence .*95"),
        (["--markdown", "/no/such/place.md"], 2, "cannot write /no/such/place.md"),
        (["--rating-scale", "8-9"], 2, "60 of 60 .*Harmony"),
    ],
)
def test_mistakes_are_explained(arguments: list[str], code: int, message: str, ratings: Path) -> None:
    error = refused(ratings, *arguments)
    assert error.exit_code == code
    assert re.search(message, str(error))


def test_webmushra_from_file_to_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        f"t,{who}@example.com,trial{n},{name},{int(np.clip(level + rng.normal(0, 9), 0, 100))},1,"
        for who, n in product("abcdef", range(5))
        for name, level in (("reference", 96), ("anchor35", 15), ("base", 50), ("tuned", 70))
    ]
    head = "session_test_id,email,trial_id,rating_stimulus,rating_score,rating_time,rating_comment"
    (tmp_path / "mushra.csv").write_text("\n".join([head, *rows]))
    found = json.loads(analyze(tmp_path / "mushra.csv", "--json").stdout)
    assert found["design"]["models"] == ["base", "tuned"]
    assert found["design"]["ranges"] == {"MUSHRA": [0, 100]}
    assert found["design"]["excluded"] == 60
    assert found["comparisons"][0]["low"] > 0
