"""What is asked instead of guessed, and what the reader can say: words, missing answers, rows, groups of listeners."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.cli.survey_options import rules
from bench.errors import TunebenchError, UsageError
from bench.survey.answer_rules import AnswerRules, Condition
from bench.survey.answer_text import read_numbers
from bench.survey.rating_range import stray_values
from bench.survey.ratings import Preferences, Ratings
from bench.survey.reading import read_ratings, read_survey
from bench.survey.row_filter import parse_condition
from bench.survey.votes import Asked, read_votes
from bench.survey_question import SurveyQuestion

HEAD = "listener,prompt,model,value"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to_file(*lines: str, name: str = "r.csv") -> Path:
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")
        return tmp_path / name

    return to_file


def ratings(count: int = 200) -> list[str]:
    """So many ratings of two models from 1 to 5, a line each."""
    cells = product(range(count // 10), range(5), ("base", "tuned"))
    return [f"l{i},p{j},{model},{1 + (i + 2 * j + len(model)) % 5}" for i, j, model in cells]


def analyze(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["survey", "analyze", *map(str, arguments)])


def question(path: Path, *options: object) -> SurveyQuestion:
    error = analyze(path, *options).exception
    assert isinstance(error, SurveyQuestion)
    assert error.exit_code == 2
    return error


# -- words -------------------------------------------------------------------------------------------------------------


def of_words(*words: str) -> dict[str, float]:
    return read_numbers(dict.fromkeys(words, 9), {}, False, "Overall").values


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("Excellent|Good|Fair|Poor|Bad", [5, 4, 3, 2, 1]),
        ("Excellent|Very good|Good|Fair|Poor", [5, 4, 3, 2, 1]),
        ("Very good|Good|Neither good nor bad|Bad|Very bad", [5, 4, 3, 2, 1]),
        ("Strongly agree|Agree|Neutral|Disagree|Strongly disagree", [5, 4, 3, 2, 1]),
        ("Strongly agree|Agree|Somewhat agree|Neutral|Disagree", [7, 6, 5, 4, 2]),
        ("Much better|Better|Slightly better|About the same|Slightly worse", [3, 2, 1, 0, -1]),
        ("Imperceptible|Perceptible, but not annoying|Annoying", [5, 4, 2]),
        ("Excellent|3|4", [5, 3, 4]),
    ],
)
def test_words_of_one_known_scale_are_its_numbers(words: str, numbers: list[float]) -> None:
    texts = words.split("|")
    assert of_words(*texts) == dict(zip(texts, numbers, strict=True))


@pytest.mark.parametrize(
    "words",
    [
        ["Excellent", "Good", "Fair", "Poor"],
        ["Good"],
        ["Strongly agree", "Agree", "Disagree"],
        ["Much better", "Worse"],
    ],
)
def test_words_of_two_scales_are_asked_about(words: list[str]) -> None:
    with pytest.raises(SurveyQuestion) as asked:
        of_words(*words)
    assert len(asked.value.answers) == 2
    for answer in asked.value.answers:
        meanings = rules(words=[answer[1]]).words
        assert meanings.keys() == set(words)


@pytest.mark.parametrize("words", [["Excellent", "Agree"], ["Superb"], ["5-Apr", "4-May"], ["3 or 4"], ["1,000", "½"]])
def test_words_of_no_scale_are_not_read(words: list[str]) -> None:
    assert of_words(*words) == {}


def test_labels_against_the_numbers_are_asked_about() -> None:
    labels = {"1 - Excellent": 5.0, "2 - Good": 4.0, "3 - Fair": 3.0, "4 - Poor": 2.0, "5 - Bad": 1.0}
    with pytest.raises(SurveyQuestion) as asked:
        of_words(*labels)
    turned = rules(words=[asked.value.answers[0][1]]).words
    assert {word: float(number) for word, number in turned.items()} == labels


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Poor=1,Fair=2", {"Poor": "1", "Fair": "2"}),
        ("Yes, really = 5, no=-1.5", {"Yes, really": "5", "no": "-1.5"}),
        ("A=B=tie,left wins=a,nix=both bad", {"A=B": "tie", "left wins": "a", "nix": "both bad"}),
    ],
)
def test_meanings_of_words_are_read(text: str, read: dict[str, str]) -> None:
    assert rules(words=[text]).words == read


@pytest.mark.parametrize(
    "given",
    [
        {"words": ["Poor"]},
        {"words": ["Poor=bad"]},
        {"words": [""]},
        {"words": ["Poor=1,Poor=2"]},
        {"missing": [""]},
        {"missing": ["1,,2"]},
        {"where": ["Finished"]},
        {"where": ["age>old"]},
        {"duplicates": "newest"},
    ],
)
def test_options_that_cannot_be_read_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        rules(**given)


@pytest.mark.parametrize(
    "options",
    [
        ["--words", "Superb=5"],
        ["--words", "4=tie"],
        ["--missing", "77"],
        ["--without-listener", "nobody"],
        ["--by-listener", "age"],
        ["--where", "age>=18"],
        ["--where", "value>7"],
    ],
)
def test_what_is_not_in_the_file_is_refused(options: list[str], write: Callable[..., Path]) -> None:
    error = analyze(write(HEAD, *ratings()), *options).exception
    assert isinstance(error, UsageError)
    assert not isinstance(error, SurveyQuestion)


# -- no silent loss ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unread", "asks"),
    [(["four"], False), (["four", "four"], True), (["four", "fife", "six"], True), (["8 of 5"], False)],
)
def test_a_rare_slip_is_listed_and_anything_more_is_asked_about(
    unread: list[str], asks: bool, write: Callable[..., Path]
) -> None:
    lines = ratings()
    for number, text in enumerate(unread):
        lines[number] = lines[number].rpartition(",")[0] + f",{text}"
    path = write(HEAD, *lines)
    if not asks:
        found = read_ratings(path)
        assert [(one.reason, one.found) for one in found.exclusions] == [("not a rating", tuple(unread))]
        return
    asked = question(path)
    assert all(f"'{text}' ({unread.count(text)})" in str(asked) for text in unread)
    pasted = CliRunner().invoke(app, shlex.split(asked.commands[0])[1:])
    assert pasted.exit_code == 0
    assert f"Excluded: {len(unread)} answers" in pasted.stdout


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_following_the_questions_ends_with_every_answer_counted_or_listed(data: st.DataObject, tmp_path: Path) -> None:
    cells = [
        "",
        "1",
        "2",
        "3",
        "4",
        "5",
        "5 (best)",
        "99",
        "-1",
        "Good",
        "Excellent",
        "dunno",
        "4/5",
        "80 %",
        "N/A",
        "0",
    ]
    rows = data.draw(
        st.lists(
            st.tuples(st.sampled_from("xyz"), st.sampled_from("pqr"), st.sampled_from("ab"), st.sampled_from(cells)),
            min_size=1,
            max_size=30,
        )
    )
    path = tmp_path / "r.csv"
    path.write_text("\n".join([HEAD, *(",".join(row) for row in rows)]))
    command = ["survey", "analyze", str(path), "--json"]
    for _ in range(8):
        ran = CliRunner().invoke(app, command)
        if not isinstance(ran.exception, SurveyQuestion):
            break
        command = shlex.split(ran.exception.commands[0])[1:]
    if ran.exit_code == 0:
        design = json.loads(ran.stdout)["design"]
        assert design["answers"] + design["excluded"] == len(rows)
        assert (design["rows"], design["rows_lost"]) == (len(rows), design["excluded"])
    else:
        assert isinstance(ran.exception, TunebenchError)
        assert "no answer" in str(ran.exception)


@pytest.mark.parametrize(
    ("values", "strays"),
    [
        ([1, 2, 3, 4, 5], ()),
        ([1, 2, 3, 4, 5, 6, 7], ()),
        (range(1, 11), ()),
        (range(-3, 4), ()),
        (range(0, 101, 5), ()),
        ([0, 1], ()),
        ([0.5, 1, 1.5, 5], ()),
        (range(-3, 4), ()),
        ([*range(-3, 4), 99], (99,)),
        ([-9, 1, 2, 3, 999], (-9, 999)),
        ([4, 5, 99], (99,)),
        ([-1, *range(0, 101, 5)], (-1,)),
        ([0, 1, 2, 3, 4, 5], (0,)),
    ],
)
def test_values_apart_from_the_scale_are_found(values: list[float], strays: tuple[float, ...]) -> None:
    import numpy as np

    assert stray_values(np.array(list(values), dtype=float)) == strays


@pytest.mark.parametrize("written", ["99", "99.0", '"99,0"', "99 - cannot say", "99: cannot say"])
def test_a_code_is_missing_however_it_is_written(written: str, write: Callable[..., Path]) -> None:
    path = write(HEAD, *ratings(), "l1,p9,base," + written)
    asked = question(path)
    assert asked.answers[0] == ["--missing", "99"]
    assert read_ratings(path, rules=rules(missing=["99"])).excluded == 1


def test_a_code_of_one_scale_is_a_rating_on_another(write: Callable[..., Path]) -> None:
    rows = [
        f"l{i},p{j},{m},{[99, 2, 3, 4, 5][(i + j) % 5]},{33 * ((i * j + len(m)) % 4)}"
        for i in range(6)
        for j in range(6)
        for m in "xy"
    ]
    path = write("listener,prompt,model,Harmony,Overall", *rows)
    asked = question(path)
    assert asked.answers == (["--missing", "Harmony=99"], ["--rating-scale", "Harmony=0-100"])
    found = read_ratings(path, rules=rules(missing=["Harmony=99"]))
    assert found.excluded == sum(row.split(",")[3] == "99" for row in rows)
    assert (found.table["value"] == 99).any()


def test_the_end_of_a_wider_scale_is_more_likely_than_a_code(write: Callable[..., Path]) -> None:
    asked = question(write(HEAD, *ratings(), "l1,p9,base,7"))
    assert asked.answers == (["--rating-scale", "1-7"], ["--missing", "7"])


def test_ratings_off_a_stated_scale_are_asked_about(write: Callable[..., Path]) -> None:
    lines = [*ratings(), *(f"l{i},p9,base,7" for i in range(20))]
    asked = question(write(HEAD, *lines), "--rating-scale", "1-5")
    assert asked.answers == (["--missing", "7"], ["--rating-scale", "1-7"])
    assert "--rating-scale 1-5" not in asked.commands[1]


# -- votes -------------------------------------------------------------------------------------------------------------


def votes(*texts: str, **meanings: str) -> dict[str, tuple[str, float]]:
    found = read_votes({Asked(text, "base", "tuned"): 5 for text in texts}, meanings, "preference")
    return {one.text: (vote.outcome, vote.score) for one, vote in found.votes.items()}


@pytest.mark.parametrize(
    ("a", "b", "tie"),
    [
        ("A is better", "B is better", "Tie"),
        ("model_a", "model_b", "tie"),
        ("Left", "Right", "No preference"),
        ("first", "second", "same"),
        ("base", "tuned", "both are good"),
        ("base wins", "tuned is better", "draw"),
        ("I prefer A", "I prefer B", "About the same"),
        ("A>B", "B>A", "A=B"),
        ("Option A", "Option B", "equal"),
    ],
)
def test_votes_are_read_by_side_model_or_tie(a: str, b: str, tie: str) -> None:
    assert votes(a, b, tie) == {a: ("a", -1), b: ("b", 1), tie: ("tie", 0)}


def test_numbers_name_sides_or_score() -> None:
    assert votes("1", "2") == {"1": ("a", -1), "2": ("b", 1)}
    assert votes("-2", "0", "3 - B much better") == {"-2": ("a", -2), "0": ("tie", 0), "3 - B much better": ("b", 3)}
    for unclear in (["0", "1"], ["1", "2", "3"], ["1", "4", "7"], ["1", "2", "9"]):
        with pytest.raises(SurveyQuestion):
            votes(*unclear)


def test_grades_are_comparison_scores_where_their_scale_is_known() -> None:
    assert votes("A is much better", "A is better", "B is slightly better", "about the same") == {
        "A is much better": ("a", -3),
        "A is better": ("a", -2),
        "B is slightly better": ("b", 1),
        "about the same": ("tie", 0),
    }
    assert votes("Much better", "Slightly better", "Better", "Worse")["Worse"] == ("a", -2)
    with pytest.raises(SurveyQuestion):
        votes("A is much better", "B is better")


def test_both_bad_is_an_outcome_of_its_own_and_neither_is_asked_about() -> None:
    for text in ("tie (bothbad)", "Both are bad", "both_bad", "Neither is good"):
        assert votes(text, "a") == {text: ("both bad", 0), "a": ("a", -1)}
    assert votes("neither", "a") == {"a": ("a", -1)}
    assert votes("neither", "a", neither="both bad")["neither"] == ("both bad", 0)


def test_votes_of_one_side_are_not_dropped(write: Callable[..., Path]) -> None:
    rows = [f"l{i},p{j},x,y,{'a' if (i + j) % 2 else 'die rechte'}" for i in range(5) for j in range(6)]
    path = write("listener,prompt,a,b,choice", *rows)
    assert "'die rechte' (15)" in str(question(path))
    found = read_survey(path, rules=AnswerRules(words={"Die rechte": "b"}))
    assert found.table["outcome"].value_counts().to_dict() == {"a": 15, "b": 15}


def test_a_name_that_is_also_the_other_side_is_asked_about(write: Callable[..., Path]) -> None:
    path = write("listener,prompt,a,b,choice", "l,p,b,a,a", "l,q,b,a,b", "m,p,b,a,a", "m,q,b,a,b")
    assert question(path).answers == (["--words", "a=a,b=b"],)


# -- other commands ----------------------------------------------------------------------------------------------------


def test_power_asks_and_answers_in_its_own_words(write: Callable[..., Path]) -> None:
    lines = [line if number % 9 else line.rpartition(",")[0] + ",99" for number, line in enumerate(ratings(), start=1)]
    command = [
        "survey",
        "power",
        "--from",
        str(write(HEAD, *lines)),
        "--listeners",
        "4",
        "--prompts",
        "5",
        "--runs",
        "100",
    ]
    asked = CliRunner().invoke(app, command).exception
    assert isinstance(asked, SurveyQuestion)
    assert [shlex.split(text)[-2:] for text in asked.commands] == [["--missing", "99"], ["--scale", "0-100"]]
    assert sorted(shlex.split(asked.commands[0])) == sorted(["tunebench", *command, "--missing", "99"])
    error = CliRunner().invoke(app, ["survey", "power", "--missing", "99"]).exception
    assert isinstance(error, UsageError)


# -- rows --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("Finished=True", ("Finished", "=", "True")),
        ("a b == c=d", ("a b", "=", "c=d")),
        ("age>=18", ("age", ">=", "18")),
        ("status != rejected", ("status", "!=", "rejected")),
        ("note=", ("note", "=", "")),
    ],
)
def test_conditions_are_read(text: str, condition: tuple[str, str, str]) -> None:
    assert parse_condition(text) == Condition(*condition)


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["done=true"], "abc"),
        (["done!=TRUE"], "d"),
        (["age>=18", "done=TRUE"], "ac"),
        (["age<18"], "b"),
        (["age=20.0"], "a"),
        (["age="], "d"),
    ],
)
def test_rows_that_do_not_count_are_left_out_and_listed(
    conditions: list[str], kept: str, write: Callable[..., Path]
) -> None:
    people = {"a": "True,20", "b": "True,17", "c": "true,40", "d": "False,"}
    rows = [
        f"{who},p{j},{m},{1 + (j + len(m)) % 5},{people[who]}" for who in "abcd" for j in range(3) for m in ("x", "yy")
    ]
    path = write(f"{HEAD},done,age", *rows)
    options = [part for text in conditions for part in ("--where", text)]
    found = json.loads(analyze(path, "--json", *options).stdout)
    assert found["design"]["answers"] == 6 * len(kept)
    assert (found["design"]["rows"], found["design"]["rows_lost"]) == (24, 24 - 6 * len(kept))
    assert sum(one["count"] for one in found["exclusions"]) == 24 - 6 * len(kept)
    assert all(one["reason"].startswith("not ") for one in found["exclusions"])


def test_rows_are_counted_by_the_answers_they_hold(write: Callable[..., Path]) -> None:
    numbers = [1 + (i + 2 * j + k) % 5 for i, j, k in CELLS]
    path = write(*wide(REL=numbers, headphones=["yes" if i < 4 else "no" for i, j, k in CELLS]))
    found = json.loads(analyze(path, "--json", "--where", "headphones=yes", "--without-listener", "l0").stdout)
    design = found["design"]
    assert (design["answers"], design["excluded"]) == (2 * 36, 2 * 36)
    assert (design["rows"], design["rows_lost"], design["share_lost"]) == (72, 36, 0.5)
    assert [one["count"] for one in found["exclusions"]] == [2 * 24, 2 * 12]


def test_a_listener_can_be_left_out(write: Callable[..., Path]) -> None:
    found = read_ratings(write(HEAD, *ratings()), rules=rules(without_listener=["l3", "l4"]))
    assert len(found.listeners) == 18
    assert {(one.reason, one.column, one.count) for one in found.exclusions} == {
        ("left out with --without-listener", "listener", 20)
    }


@pytest.mark.parametrize(("rule", "value"), [("first", 1), ("last", 4), ("mean", 2.5)])
def test_different_answers_to_one_question_are_asked_about(rule: str, value: float, write: Callable[..., Path]) -> None:
    path = write(HEAD, "l,p,a,1", "l,p,b,5", "l,p,a,4", "l,p,a,4", "m,p,a,2", "m,p,b,2")
    assert question(path).answers == (["--duplicates", "last"],)
    found = read_ratings(path, rules=rules(duplicates=rule))
    assert found.cube("rating")[0, 0, 0] == value  # the same answer again counts once
    assert found.excluded + len(found.table) == found.rows


# -- columns -----------------------------------------------------------------------------------------------------------


CELLS = list(product(range(6), range(6), range(2)))


def wide(**columns: list[Any]) -> list[str]:
    """A table of six listeners, six prompts and two models, with further columns."""
    lines = [",".join(["listener", "prompt", "model", "Overall", *columns])]
    for (i, j, k), *cells in zip(CELLS, *columns.values(), strict=True):
        lines.append(",".join(map(str, [f"l{i}", f"p{j}", "xy"[k], 1 + (i * j + k) % 5, *cells])))
    return lines


def test_columns_that_hold_no_ratings_are_named_with_a_reason(write: Callable[..., Path]) -> None:
    lines = wide(
        Groove=[1 + (3 * i + j + 2 * k) % 5 for i, j, k in CELLS],
        age=[20 + i for i, j, k in CELLS],
        bpm=[60 + j for i, j, k in CELLS],
        duration=[9.5 + i * j + k for i, j, k in CELLS],
        clip=[10 * j + k for i, j, k in CELLS],
        page=[(2 * j + k + i) % 12 for i, j, k in CELLS],
        version=[1 for i, j, k in CELLS],
        remark=["fine" if i * j * k == 4 else "" for i, j, k in CELLS],
        loud=[40 + (i + j * k) % 30 for i, j, k in CELLS],
    )
    found = read_ratings(write(*lines))
    assert found.scales == ("Overall", "Groove")
    assert found.listener_columns["age"]["l2"] == "22"
    (unread,) = (note for note in found.notes if note.startswith("Columns not read"))
    for name in ("bpm", "duration", "clip", "page", "version", "remark", "loud"):
        assert f"{name} (" in unread


def test_small_numbers_on_another_range_are_asked_about(write: Callable[..., Path]) -> None:
    path = write(*wide(surprise=[(i + j * k) % 3 for i, j, k in CELLS]))
    assert question(path).answers == (["--scales", "Overall,surprise"], ["--scales", "Overall"])
    assert read_ratings(path, scales=["Overall"]).scales == ("Overall",)
    beside = write(
        *(line.replace("Overall", "rating") for line in wide(Confidence=[1 + (i + j + k) % 5 for i, j, k in CELLS]))
    )
    assert question(beside).answers[0] == ["--scales", "rating,Confidence"]


def test_columns_that_may_be_either_are_asked_about(write: Callable[..., Path]) -> None:
    path = write("rater,subject,prompt,model,value", "r,s,p,a,3", "r,s,p,b,4")
    assert question(path).answers == (["--column", "listener=rater"], ["--column", "listener=subject"])


def test_a_column_that_is_missing_is_proposed(write: Callable[..., Path]) -> None:
    rows = [f"q{i}{j},x,y,{'model_a' if (i + j) % 3 else 'tie (bothbad)'},j{i},1" for i in range(4) for j in range(5)]
    path = write("question_id,model_a,model_b,winner,judge,turn", *rows)
    assert question(path).answers == (["--column", "prompt=question_id"],)
    assert len(read_survey(path, {"prompt": "question_id"}).prompts) == 20


def test_counts_and_orders_are_no_scales_by_their_names(write: Callable[..., Path]) -> None:
    numbers = [1 + (i + 2 * j + k) % 5 for i, j, k in CELLS]
    found = read_ratings(write(*wide(play_count=numbers, page=numbers, REL=numbers)))
    assert found.scales == ("Overall", "REL")


def test_a_slip_of_the_pen_and_yes_or_no_come_with_their_meaning(write: Callable[..., Path]) -> None:
    words = ["Bad", "Poor", "Fair", "Good", "Excellent"]
    lines = [line[:-1] + words[int(line[-1]) - 1] for line in ratings(50)]
    path = write(HEAD, *lines, "l1,p9,base,Exzellent")
    assert question(path).answers[0] == ["--words", "Exzellent=5"]
    answered = write(HEAD, *(line[:-1] + ("Yes" if line[-1] > "2" else "no") for line in ratings()))
    assert question(answered).answers[0] == ["--words", "Yes=1,no=0"]


def test_position_and_side_are_kept(write: Callable[..., Path]) -> None:
    found = read_survey(write(*(line.replace("Overall", "value,order") for line in wide()[:1]), *wide_with_order()))
    assert isinstance(found, Ratings)
    assert found.table["position"].tolist() == list(range(1, 73))
    lines = ["listener,prompt,a,b,choice,shown first", "l,p,x,y,x,y", "l,q,x,y,y,x", "m,p,x,y,tie,left", "m,q,x,y,x,"]
    votes = read_survey(write(*lines))
    assert isinstance(votes, Preferences)
    assert votes.table["side"].tolist() == ["b", "a", "a", ""]


def wide_with_order() -> list[str]:
    return [f"{line},{number}" for number, line in enumerate(wide()[1:], start=1)]


# -- groups of listeners -----------------------------------------------------------------------------------------------


def test_means_of_groups_of_listeners(write: Callable[..., Path]) -> None:
    lines = wide(
        musician=["yes" if i < 2 else "no" if i < 5 else "" for i, j, k in CELLS], age=[20 + i for i, j, k in CELLS]
    )
    path = write(*lines)
    found = json.loads(analyze(path, "--json", "--by-listener", "musician").stdout)
    rows = [line.split(",") for line in lines[1:]]
    for one in found["by_listener"]:
        said = {"yes": "yes", "no": "no", "(not said)": ""}[one["group"]]
        values = [int(row[3]) for row in rows if row[4] == said and row[2] == one["name"]]
        assert one["mean"] == pytest.approx(sum(values) / len(values))
        assert one["cells"] == len(values)
    assert [one["listeners"] for one in found["by_listener"]] == [3, 2, 1] * 2
    assert "differences between groups were not tested" in analyze(path, "--by-listener", "musician").stdout


def test_too_many_groups_are_refused(write: Callable[..., Path]) -> None:
    lines = [f"{line},{line.partition(',')[0]}x" for line in ratings()]
    assert " 12 groups" in str(analyze(write(f"{HEAD},who", *lines), "--by-listener", "who").exception)


def test_groups_of_preferences(write: Callable[..., Path]) -> None:
    rows = [f"l{i},p{j},x,y,{'y' if i else 'x'},{'pro' if i else 'lay'}" for i in range(3) for j in range(4)]
    found = json.loads(
        analyze(write("listener,prompt,a,b,choice,kind", *rows), "--json", "--by-listener", "kind").stdout
    )
    assert [(one["group"], one["name"], one["mean"]) for one in found["by_listener"]] == [
        ("lay", "y − x", -1),
        ("pro", "y − x", 1),
    ]
