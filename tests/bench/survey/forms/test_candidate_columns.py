"""Columns of unknown names: the question names those that may be meant, and its answer gives the right ratings."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.errors import UsageError
from bench.survey.ratings import Preferences, Ratings
from bench.survey.reading import read_ratings, read_survey
from bench.survey_question import SurveyQuestion
from tests.bench.survey.forms.conftest import CLIPS, MODELS, PEOPLE, SCALES, TRUTH, answer, holds_truth, write_form

Rows = list[list[str]]
NAMES = {"Harmony": "MOS_quality", "Rhythm": "MOS_fit"}


def table(
    model: str = "SystemName", prompt: str = "StimulusID", values: tuple[str, str] = MODELS, scales: int = 2
) -> Rows:
    """A row a rated clip, and a column a scale of a name that is not known."""
    columns = list(NAMES)[:scales]
    rows = [["ParticipantId", prompt, model, *(NAMES[scale] for scale in columns)]]
    for person in range(PEOPLE):
        for clip, (of, name) in CLIPS.items():
            given = [answer(person, clip, scale) for scale in columns]
            rows.append([f"l{person}", of, values[MODELS.index(name)], *given])
    return rows


def followed(path: Path) -> tuple[Ratings | Preferences, list[SurveyQuestion]]:
    """Read a file with the first answer that each question proposes."""
    columns: dict[str, str] = {}
    asked: list[SurveyQuestion] = []
    scales = None
    while len(asked) < 5:
        try:
            return read_survey(path, columns, scales=scales), asked
        except SurveyQuestion as question:
            asked.append(question)
            first = question.answers[0]
            for option, value in zip(first[::2], first[1::2], strict=True):
                assert option in ("--column", "--scales"), str(question)
                if option == "--column":
                    role, _, name = value.partition("=")
                    columns[role] = name
                else:
                    scales = value.split(",")
    raise AssertionError([str(question) for question in asked])


SIBLINGS: dict[str, Rows] = {
    "an unknown name": table(),
    "a usual name": table("Condition"),
    "a name of something else": table("stimulus_set"),
    "numbers for models": table("SysNum", values=("1", "2")),
    "large numbers for models": table("SysNum", values=("101", "102")),
    "columns reversed": [row[::-1] for row in table()],
    "prompt and model unknown": table(prompt="Tune"),
    "one scale": table(scales=1),
    "one scale, prompt and model unknown": table(prompt="Tune", scales=1),
}


@pytest.mark.parametrize("name", SIBLINGS)
def test_the_model_is_asked_about_and_the_answer_gives_the_right_ratings(name: str, tmp_path: Path) -> None:
    rows = SIBLINGS[name]
    found, asked = followed(write_form(tmp_path, "comma", rows))
    assert isinstance(found, Ratings) and len(found.models) == 2 and not found.exclusions
    written = [scale for scale in NAMES.values() if scale in rows[0]]
    assert sorted(found.scales) == sorted(written)
    for number, scale in enumerate(written):
        np.testing.assert_array_equal(found.cube(scale), TRUTH[number])
    (model,) = {"SystemName", "Condition", "stimulus_set", "SysNum"} & set(rows[0])
    said = [option for question in asked for one in question.answers for option in one]
    assert (f"model={model}" in said) == (model != "Condition")
    assert "--duplicates" not in said


def test_each_listener_hears_one_model_of_a_prompt(tmp_path: Path) -> None:
    rows = [row for number, row in enumerate(table()[1:]) if (number // 2 + number // 8) % 2 == number % 2]
    assert set(Counter((row[0], row[1]) for row in rows).values()) == {1}
    path = write_form(tmp_path, "comma", [table()[0], *rows])
    with pytest.raises(SurveyQuestion) as asked:
        read_survey(path)
    assert asked.value.answers == (["--column", "model=SystemName"], ["--models", "MOS_quality,MOS_fit"])
    found, _ = followed(path)
    assert isinstance(found, Ratings) and found.models == MODELS
    assert [len(found.table), found.excluded] == [2 * len(rows), 0]


@pytest.mark.parametrize("name", ["system heard", "group"])
def test_each_listener_hears_one_model_alone(name: str, tmp_path: Path) -> None:
    """Such a column looks like a fact about the listener, so it is named last, and only where no other may be meant."""
    rows = [["rater", name, "prompt", "rating"]]
    for person in range(PEOPLE):
        model = MODELS[person % 2]
        clips = [(clip, of) for clip, (of, its_model) in CLIPS.items() if its_model == model]
        rows += [[f"l{person}", model, of, answer(person, clip, "Harmony")] for clip, of in clips]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:
        read_survey(path)
    assert [answer[0] for answer in asked.value.answers] == ["--clips", "--column"]
    assert asked.value.answers[-1] == ["--column", f"model={name}"]
    found = read_survey(path, {"model": name})
    assert isinstance(found, Ratings) and found.models == MODELS
    assert len(found.table) == len(rows) - 1
    assert set(found.table.groupby("listener")["model"].nunique()) == {1}


def test_what_says_one_thing_of_each_listener_or_prompt_is_not_the_model(tmp_path: Path) -> None:
    """A table with a column a model is read without a question beside such columns."""
    of = {clip: label for label, clip in CLIPS.items()}
    rows = [["rater", "prompt", "headphones", "words of the prompt", *MODELS]]
    for person in range(PEOPLE):
        for prompt in dict.fromkeys(prompt for prompt, _ in CLIPS.values()):
            given = [answer(person, of[prompt, model], "Harmony") for model in MODELS]
            rows.append([f"l{person}", prompt, ("yes", "no")[person % 2], f"{prompt} in words", *given])
    path = write_form(tmp_path, "comma", rows)
    assert holds_truth(read_ratings(path), ["Harmony"], {"Harmony": "rating"})
    rows = [[*row, "Device" if not number else ("a", "b", "a")[number % 3]] for number, row in enumerate(rows)]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:  # may be the model of each row
        read_ratings(path)
    assert asked.value.answers == (["--column", "model=Device"], ["--models", "base,tuned"])
    assert holds_truth(read_ratings(path, models=MODELS), ["Harmony"], {"Harmony": "rating"})


def test_a_column_a_model_with_a_row_a_scale(tmp_path: Path) -> None:
    of = {clip: label for label, clip in CLIPS.items()}
    rows = [["rater", "prompt", "What", *MODELS]]
    for person in range(PEOPLE):
        for prompt in dict.fromkeys(prompt for prompt, _ in CLIPS.values()):
            rows += [[f"l{person}", prompt, s, *(answer(person, of[prompt, m], s) for m in MODELS)] for s in SCALES]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:
        read_ratings(path)
    assert asked.value.answers == (["--column", "model=What"], ["--column", "scale=What"])
    assert holds_truth(read_ratings(path, {"scale": "What"}))


def test_names_of_clips_that_hold_the_model_of_an_unknown_column(tmp_path: Path) -> None:
    rows = [[*row[:1], f"{row[1]}_{row[2]}", *row[2:]] for row in table()]
    rows[0] = table()[0]
    found, asked = followed(write_form(tmp_path, "comma", rows))
    assert isinstance(found, Ratings) and ["--column", "model=SystemName"] in asked[0].answers
    np.testing.assert_array_equal(found.cube("MOS_fit"), TRUTH[1])
    rows = [[row[0], f"{row[1]}.wav", *row[2:]] for row in rows]
    rows[0] = ["ParticipantId", "file", *table()[0][2:]]
    found, asked = followed(write_form(tmp_path, "comma", rows))
    assert isinstance(found, Ratings) and asked[0].answers[-1] == ["--clips", "clips.csv"]
    np.testing.assert_array_equal(found.cube("MOS_fit"), TRUTH[1])


# -- what looks like answers given several times ----------------------------------------------------------------------


def test_a_column_that_is_not_read_and_tells_repeated_answers_apart_is_asked_about(tmp_path: Path) -> None:
    rows = [["listener", "prompt", "Condition", "SystemName", "rating"]]
    rows += [[f"l{p}", of, "loud" if p else "soft", name, answer(p, clip, "Harmony")]
             for p in range(PEOPLE) for clip, (of, name) in CLIPS.items()]  # fmt: skip
    rows[1:] = [[*row[:2], ("soft", "loud")[number // 2 % 2], *row[3:]] for number, row in enumerate(rows[1:])]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:
        read_ratings(path)
    assert asked.value.answers == tuple(["--column", f"{role}=SystemName"] for role in ("model", "scale", "seed"))
    assert "--duplicates" not in str(asked.value)
    np.testing.assert_array_equal(read_ratings(path, {"model": "SystemName"}).cube("rating"), TRUTH[0])


def test_a_scale_of_an_unknown_name_is_asked_about(tmp_path: Path) -> None:
    rows = [["listener", "prompt", "model", "What", "rating"]]
    rows += [[f"l{p}", *CLIPS[c], s, answer(p, c, s)] for p in range(PEOPLE) for c in CLIPS for s in SCALES]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:
        read_ratings(path)
    assert asked.value.answers == (["--column", "scale=What"], ["--column", "seed=What"])
    assert holds_truth(read_ratings(path, {"scale": "What"}))


def test_answers_given_twice_are_still_asked_about(tmp_path: Path) -> None:
    """A slip is no design: a column that happens to differ in a few repeated answers explains nothing."""
    rows = [["listener", "prompt", "model", "rating", "remark", "clock"]]
    rows += [[f"l{p}", *CLIPS[c], answer(p, c, "Harmony"), "ok", f"12:{p}{c}"] for p in range(PEOPLE) for c in CLIPS]
    rows += [[*rows[1][:3], str(int(rows[1][3]) % 5 + 1), "late", "13:00"]] * 2
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as asked:
        read_ratings(path)
    assert asked.value.answers == (["--duplicates", "last"],)


# -- votes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "choices"),
    [
        ("left_system", "right_system", ("left", "right", "tie")),
        ("SysFirst", "SysSecond", ("first", "second", "tie")),
        ("candidate one", "candidate two", ("base", "tuned", "tie")),
        ("champion", "challenger", ("base", "tuned", "tie")),
        ("left_net", "right_model", ("left", "right", "tie")),  # one of them is known
    ],
)
@pytest.mark.parametrize("reversed_columns", [False, True])
def test_the_models_of_votes_are_asked_about(
    a: str, b: str, choices: tuple[str, str, str], reversed_columns: bool, tmp_path: Path
) -> None:
    rows = [["rater", "item", a, b, "winner"]]
    for person in range(4):
        for number in range(4):
            pair = MODELS if (person + number) % 2 else MODELS[::-1]
            tuned = choices[1] if choices[1] == "tuned" else choices[pair.index("tuned")]
            rows.append([f"r{person}", f"p{number}", *pair, choices[2] if number == 3 else tuned])
    if reversed_columns and a != "champion":  # whose columns alone say which is which
        rows = [row[::-1] for row in rows]
    path = write_form(tmp_path, "comma", rows)
    found, (asked,) = followed(path)
    wanted = [f"{role}={name}" for role, name in (("a", a), ("b", b)) if name != "right_model"]
    assert asked.answers == ([word for part in wanted for word in ("--column", part)],)
    assert isinstance(found, Preferences) and found.models == MODELS
    table = found.table
    assert Counter(np.where(table["choice"] == 0, "tie", np.where(table["choice"] > 0, table["b"], table["a"]))) == {
        "tuned": 12,
        "tie": 4,
    }


def test_one_model_always_on_the_left(tmp_path: Path) -> None:
    rows = [["rater", "item", "one_of_them", "the_other", "preferred"]]
    rows += [[f"r{p}", f"p{n}", *MODELS, MODELS[(p + n) % 2]] for p in range(4) for n in range(3)]
    with pytest.raises(SurveyQuestion) as asked:
        read_survey(write_form(tmp_path, "comma", rows))
    assert asked.value.answers == (["--column", "a=one_of_them", "--column", "b=the_other"],)


def test_votes_without_columns_of_models_need_a_clip_map(tmp_path: Path) -> None:
    rows = [
        ["rater", "item", "winner"],
        *([f"r{p}", f"p{n}", ("left", "right")[n % 2]] for p in range(3) for n in range(2)),
    ]
    with pytest.raises(UsageError) as asked:
        read_survey(write_form(tmp_path, "comma", rows))
    assert "clips.csv" in str(asked.value) and "--column a" not in str(asked.value)
