"""One survey however it is written down: each file gives its numbers or its question, and so do its rewritings."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.survey.answer_rules import AnswerRules
from bench.survey.ratings import Ratings
from bench.survey.reading import read_survey
from bench.survey_question import SurveyQuestion

FOLDER = Path(__file__).parents[2] / "data" / "surveys"
WIDE = {"latin_square": ["Overall"], "unnamed_scales": ["Overall", "Alignment", "Groove"]}
ROLES = {"model_a": "a", "model_b": "b", "winner": "choice", "score": "choice"}

Rows = list[list[str]]


def rows_of(name: str) -> Rows:
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.reader(file))


def read(path: Path, *options: Any, **more: Any) -> Any:
    """What a file gives: every answer that counts, in an order that does not depend on its rows; or its question."""
    try:
        found = read_survey(path, *options, **more)
    except SurveyQuestion as question:
        return sorted(question.answers), sorted(re.findall(r"[\w–-]+", str(question)))
    roles = ["listener", "prompt", "scale"]
    roles += ["model", "value"] if isinstance(found, Ratings) else ["a", "b", "outcome", "score", "side"]
    return sorted(map(tuple, found.table[roles].itertuples(index=False))), dict(found.ranges), found.excluded


def write(rows: Rows, path: Path, separator: str, encoding: str) -> Path:
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def decimal(cell: str) -> str:
    return f"{cell},0" if cell.lstrip("-").isdecimal() else cell


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.csv")))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_rewriting_gives_the_same_numbers_or_the_same_question(
    name: str, data: st.DataObject, tmp_path: Path
) -> None:
    rows = rows_of(name)
    header, body = rows[0], [["Zoë" if cell == "L1" else cell for cell in row] for row in rows[1:]]
    path = tmp_path / "r.csv"
    wanted = read(write([header, *body], path, ",", "utf-8"))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    separator = data.draw(st.sampled_from([",", ";", "\t"]))
    if separator != "," and data.draw(st.booleans()):
        answers = [i for i, column in enumerate(header) if column in ("value", "score", *WIDE.get(name, ()))]
        body = [[decimal(cell) if i in answers else cell for i, cell in enumerate(row)] for row in body]
    body = data.draw(st.permutations(body)) if len(body) < 100 else body[::-1]
    order = data.draw(st.permutations(range(len(header))))
    names, options = list(header), {}
    if data.draw(st.booleans()):
        fixed = WIDE.get(name, [])
        names = [column if column in fixed else f"Spalte {i}" for i, column in enumerate(header)]
        options = {ROLES.get(old, old): new for old, new in zip(header, names, strict=True) if old != new}
    write([[row[i] for i in order] for row in [names, *body]], path, separator, encoding)
    found = read(path, options, scales=WIDE.get(name))
    assert found == wanted


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Very good", "VERY GOOD"),
        ("Very good", "Very\u00a0good"),
        ("Very good", "  very  good "),
        ("Excellent", "Excellent."),
    ],
)
def test_words_are_read_however_they_are_set(before: str, after: str, tmp_path: Path) -> None:
    rows = rows_of("words_with_very_good")
    wanted = read(write(rows, tmp_path / "r.csv", ",", "utf-8"))
    changed = [[after if cell == before else cell for cell in row] for row in rows]
    assert read(write(changed, tmp_path / "r.csv", ",", "utf-8")) == wanted


SCALES: dict[str, Mapping[str, str]] = {
    "labels": {"1": "1 - Very bad", "2": "2: Bad", "3": "3 (fair)", "4": "4 = Good", "5": "5. Very good"},
    "label first": {"1": "Very bad (1)", "2": "Bad - 2", "3": "Fair: 3", "4": "Good [4]", "5": "Very good = 5"},
    "shares": {number: f"{number}/5" for number in "12345"},
    "out of": {number: f"{number} out of 5" for number in "12345"},
    "stars": {number: "★" * int(number) + "☆" * (5 - int(number)) for number in "12345"},
    "counted stars": {number: f"{number} stars" for number in "12345"},
    "P.800": {"1": "Bad", "2": "poor", "3": "Fair", "4": "Good", "5": "Excellent"},
    "agreement": dict(
        zip("12345", ["strongly disagree", "disagree", "neutral", "agree", "strongly agree"], strict=True)
    ),
    "ends only": {"1": "Very bad", "2": "2", "3": "3", "4": "4", "5": "Very good"},
    "decimals": {number: f"{number}.00" for number in "12345"},
}


@pytest.mark.parametrize("notation", SCALES)
def test_every_notation_of_five_steps_gives_the_same_numbers(notation: str, tmp_path: Path) -> None:
    numbers = {"1 - Very bad": "1", "5 - Very good": "5"}
    rows = [[numbers.get(cell, cell) for cell in row] for row in rows_of("labelled_ends")]
    wanted = read(write(rows, tmp_path / "r.csv", ",", "utf-8"))
    written = [rows[0], *([*row[:-1], SCALES[notation][row[-1]]] for row in rows[1:])]
    assert read(write(written, tmp_path / "r.csv", ",", "utf-8")) == wanted


def test_percent_are_read_on_0_to_100(tmp_path: Path) -> None:
    rows = rows_of("unnamed_scales")
    written = [rows[0], *([*row[:3], *(f"{20 * int(cell)} %" for cell in row[3:])] for row in rows[1:])]
    found = read_survey(write(written, tmp_path / "r.csv", ",", "utf-8"), scales=["Overall"])
    assert found.ranges == {"Overall": (0, 100)}
    assert found.table["value"].tolist() == [20 * int(row[3]) for row in rows[1:]]


# -- what the files give -----------------------------------------------------------------------------------------------


def analyze(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["survey", "analyze", *arguments])


def means(output: str, scale: str) -> dict[str, float]:
    return {one["model"]: round(one["mean"], 2) for one in json.loads(output)["models"] if one["scale"] == scale}


@pytest.mark.parametrize("name", ["words_with_very_good", "labelled_ends"])
def test_words_and_labels_give_the_numbers_they_stand_for(name: str) -> None:
    found = json.loads(analyze(str(FOLDER / f"{name}.csv"), "--json").stdout)
    assert {one["model"]: round(one["mean"], 2) for one in found["models"]} == {"base": 2.08, "tuned": 3.76}
    assert round(found["comparisons"][0]["estimate"], 2) == 1.68
    assert found["design"]["excluded"] == 0


@pytest.mark.parametrize(
    ("name", "scale", "base", "lost"),
    [("missing_as_minus_1", "Harmony", 2.92, 27), ("missing_as_99", "Harmony", 2.83, 26)],
)
def test_codes_for_a_missing_answer_are_asked_about_and_the_answer_can_be_pasted(
    name: str, scale: str, base: float, lost: int
) -> None:
    asked = analyze(str(FOLDER / f"{name}.csv"), "--json").exception
    assert isinstance(asked, SurveyQuestion)
    assert asked.exit_code == 2
    assert "\n" not in str(asked)
    command = shlex.split(asked.commands[0])
    assert command[:3] == ["tunebench", "survey", "analyze"]
    pasted = CliRunner().invoke(app, command[1:])
    assert pasted.exit_code == 0
    assert means(pasted.stdout, scale)["base"] == base
    design = json.loads(pasted.stdout)["design"]
    assert (design["rows"], design["rows_lost"]) == (216, lost)
    assert design["share_lost"] == pytest.approx(lost / 216)
    text = CliRunner().invoke(app, [part for part in command[1:] if part != "--json"]).stdout
    assert f"{lost} ({100 * lost / 216:.1f} %)" in text.splitlines()[1]


@pytest.mark.parametrize("code", ["-1", "0", "9", "99", "999", "-9", "8"])
@pytest.mark.parametrize("count", [1, 40])
def test_any_code_asks_however_often_it_is_there(code: str, count: int, tmp_path: Path) -> None:
    rows = rows_of("words_with_very_good")
    numbers = {"Poor": "1", "Fair": "2", "Good": "3", "Very good": "4", "Excellent": "5"}
    body = [[numbers.get(cell, cell) for cell in row] for row in rows[1:]]
    for row in body[:count]:
        row[-1] = code
    path = write([rows[0], *body], tmp_path / "r.csv", ",", "utf-8")
    with pytest.raises(SurveyQuestion) as asked:
        read_survey(path)
    assert asked.value.answers[0] == ["--missing", code]
    found = read_survey(path, rules=AnswerRules(missing=(code,)))
    assert (found.excluded, found.ranges) == (count, {"Overall": (1, 5)})


def test_0_and_9_are_ratings_where_the_stated_scale_has_them(tmp_path: Path) -> None:
    rows = rows_of("unnamed_scales")
    body = [[*row[:3], str(int(row[3]) * 2 - 1 if row[3] != "1" else 0)] for row in rows[1:]]
    path = write([rows[0][:4], *body], tmp_path / "r.csv", ",", "utf-8")
    assert cli(path, "--rating-scale", "0-10")["design"]["excluded"] == 0
    asked = analyze(str(path)).exception
    assert isinstance(asked, SurveyQuestion)
    assert asked.answers == (["--rating-scale", "0-10"], ["--missing", "0"])


def cli(path: Path, *options: str) -> Any:
    ran = analyze(str(path), "--json", *options)
    assert ran.exit_code == 0, ran.exception
    return json.loads(ran.stdout)


def test_all_60_votes_of_the_arenas_are_read() -> None:
    for name, outcomes in (
        ("arena_words", {"a": 9, "b": 40, "tie": 11}),
        ("arena_both_bad", {"a": 6, "b": 29, "tie": 11, "both bad": 14}),
    ):
        found = read_survey(FOLDER / f"{name}.csv")
        assert found.table["outcome"].value_counts().to_dict() == outcomes
        assert found.excluded == 0
    strength = cli(FOLDER / "arena_both_bad.csv")["strengths"][0]["models"][0]
    assert (strength["wins"], strength["ties"], strength["losses"]) == (6, 11, 29)


def test_comparison_scores_are_means_in_points() -> None:
    scores = [int(row[4]) for row in rows_of("comparison_scores")[1:]]
    found = cli(FOLDER / "comparison_scores.csv")
    assert found["comparisons"][0]["estimate"] == pytest.approx(sum(scores) / 36)
    assert found["design"]["ranges"] == {"preference": [-3, 3]}
    turned = cli(FOLDER / "comparison_scores.csv", "--column", "a=model_b", "--column", "b=model_a")
    assert turned["comparisons"][0]["estimate"] == pytest.approx(-sum(scores) / 36)


def test_columns_of_small_whole_numbers_beside_a_scale_are_scales() -> None:
    found = cli(FOLDER / "unnamed_scales.csv")
    assert found["design"]["scales"] == ["Overall", "Alignment", "Groove"]
    assert found["design"]["answers"] == 216


def test_the_latin_square_keeps_every_rating() -> None:
    found = cli(FOLDER / "latin_square.csv")
    assert (found["design"]["answers"], found["design"]["excluded"]) == (288, 0)


def test_fixed_sides_are_kept_as_they_were_shown() -> None:
    table = read_survey(FOLDER / "fixed_sides.csv").table
    assert set(table["side"]) == {"a"}
    assert (table["outcome"] == "b").sum() == 198
