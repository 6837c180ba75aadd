"""What pages ask and take, whose answers count, and what the survey then says."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import DataError
from bench.listening_test.answers import CHOICES, check_answer, check_heard, check_seconds, name_of, questions, table
from bench.listening_test.design import ListeningDesign, read_design
from bench.listening_test.facts import check_facts
from bench.listening_test.folder import ANSWERS, SPOILED
from bench.listening_test.organizer import answers_csv
from bench.listening_test.read_test import read_listening_test, survey_of
from bench.listening_test.screening import failed_listeners
from bench.listening_test.sessions import ListeningTrial
from bench.storage.listening_answers import Answers, PageAnswer, read_answers
from bench.survey.analysis import analyse
from bench.survey.reading import read_survey

MakeTest = Callable[..., Path]
QUALITY = {"alpha1": 2.0, "beta2": 4.0, "gamma3": 3.0, SPOILED: 1.0}


def honest(design: ListeningDesign, trial: ListeningTrial) -> dict[str, Any]:
    """What somebody says who hears `QUALITY`."""
    if trial.role == "beeps":
        return {"beeps": trial.beeps}
    found: dict[str, Any] = {}
    for question in questions(design, trial):
        if question.kind == "choices":
            first, second = (QUALITY[model] for model in trial.models)
            found[question.key] = "first" if first > second else "second"
        else:
            value = QUALITY[trial.models[question.place]]
            found[question.key] = int(20 * value) if question.kind == "slider" else int(value)
    return found


Say = Callable[[ListeningDesign, ListeningTrial], dict[str, Any]]


def all_answers(design: ListeningDesign, say: Say = honest) -> list[PageAnswer]:
    return [
        PageAnswer(listener, page, say(design, trial), True, 1, (), 2.0)
        for listener, session in enumerate(design.sessions)
        for page, trial in enumerate(session)
    ]


def fill_with_honest_answers(folder: Path) -> None:
    """Give the answers of listeners who hear well."""
    design = read_design(folder)
    answers = Answers(folder, design.id)
    for listener in range(len(design.sessions)):
        answers.enroll(listener)
    for one in all_answers(design):
        answers.save(one)
    answers.close()


@pytest.mark.parametrize("kind", ["ratings", "preference", "stimuli"])
def test_every_answer_that_counts_is_in_the_table_once(kind: str, make_test: MakeTest) -> None:
    design = read_design(make_test(kind=kind))
    answered = all_answers(design)
    columns, rows = table(design, answered)
    pages = [trial for session in design.sessions for trial in session if trial.role in ("test", "spoiled")]
    assert len(rows) == sum(len(questions(design, trial)) for trial in pages)
    for row in (dict(zip(columns, row, strict=True)) for row in rows):
        listener = int(str(row["listener"]).removeprefix("listener-")) - 1
        trial = design.sessions[listener][int(row["position"]) - 1]
        assert design.items[trial.item].prompt == row["prompt"]
        if kind == "preference":
            assert {row["a"], row["b"]} == set(trial.models) and row["side"] == trial.models[0]
            assert QUALITY[row["choice"]] == max(QUALITY[model] for model in trial.models)
        else:
            assert row["model"] in trial.models
            assert row["value"] == int(QUALITY[row["model"]] * (20 if kind == "stimuli" else 1))


@pytest.mark.parametrize("kind", ["ratings", "preference", "stimuli"])
def test_the_exported_table_is_read_as_the_folder_is(kind: str, make_test: MakeTest, tmp_path: Path) -> None:
    folder = make_test(fresh=True, kind=kind, scales=["Harmony"])
    design = read_design(folder)
    fill_with_honest_answers(folder)
    path = tmp_path / "answers.csv"
    path.write_text(answers_csv(design, read_answers(folder, design.id)[0]), encoding="utf-8")
    exported, read = read_survey(path, models=design.models), read_listening_test(folder)
    same = [column for column in exported.table.columns if column in read.table.columns]
    assert exported.table[same].equals(read.table[same])
    assert read.listeners == tuple(name_of(place) for place in range(4)) and read.models == design.models
    assert [one.reason for one in read.exclusions] == ["spoiled copy, which checks the listeners"]


def test_the_survey_finds_what_was_said(make_test: MakeTest) -> None:
    design = read_design(make_test())
    rng = np.random.default_rng(0)

    def noisy(design: ListeningDesign, trial: ListeningTrial) -> dict[str, Any]:
        said = honest(design, trial)
        return (
            {key: int(np.clip(value + rng.integers(-1, 2), 1, 5)) for key, value in said.items()}
            if trial.item >= 0
            else said
        )

    found = analyse(survey_of(Path("test"), design, all_answers(design, noisy), {}))
    by = {(one.a, one.b, one.scale): one for one in found.comparisons}
    assert len(by) == 6
    for scale in ("Harmony", "Rhythm"):
        one = by["alpha1", "beta2", scale]
        assert one.estimate == pytest.approx(2, abs=0.5) and one.low is not None and one.low > 0


def test_listeners_who_fail_are_left_out_by_name_and_reason(make_test: MakeTest) -> None:
    design = read_design(
        make_test(checks={"practice": 1, "beeps": 2, "spoiled": 3, "headphones": True}, screening={"headphones": 5})
    )

    def said(design: ListeningDesign, trial: ListeningTrial) -> dict[str, Any]:
        return honest(design, trial)

    answered = all_answers(design, said)
    session = design.sessions[0]
    deaf = [  # listener 1 counts wrongly, listener 2 finds spoiled copies good, listener 3 is fast
        one._replace(answer={"beeps": 6}) if one.listener == 0 and session[one.page].role == "beeps" else one
        for one in answered
    ]
    deaf = [
        one._replace(answer=dict.fromkeys(one.answer, 5))
        if one.listener == 1 and design.sessions[1][one.page].role == "spoiled"
        else one._replace(seconds=0.1)
        if one.listener == 2
        else one
        for one in deaf
    ]
    heard = {listener: {"found": 6} for listener in range(4)}
    facts = {**heard, 3: {"found": 4}}
    failed = failed_listeners(design, deaf, facts)
    assert {listener: len(reasons) for listener, reasons in failed.items()} == {0: 1, 1: 1, 2: 1, 3: 1}
    assert "2 pages" in failed[0][0] and "6 of 6" in failed[1][0] and "4 of 6" in failed[3][0]
    assert failed_listeners(design, answered, heard) == {}
    left_out = failed_listeners(design, answered, {**heard, 2: {}})  # answered without the headphone check
    assert failed_listeners(design, [], {0: {}}) == {}  # has only just come
    assert left_out.keys() == {2} and "0 of 6 tones" in left_out[2][0]
    kept = survey_of(Path("test"), design, [one for one in deaf if one.listener != 2], {**facts, 3: {"found": 6}})
    assert kept.listeners == ("listener-004",) and sum("rules" in one.reason for one in kept.exclusions) == 2
    with pytest.raises(DataError, match="passes"):
        survey_of(Path("test"), design, deaf, facts)


def test_one_miss_is_forgiven(make_test: MakeTest) -> None:
    design = read_design(
        make_test(scales=["Harmony"], checks={"practice": 0, "beeps": 0, "spoiled": 3, "headphones": False})
    )
    answered = all_answers(design)
    checks = [place for place, one in enumerate(answered) if design.sessions[one.listener][one.page].role == "spoiled"]
    for misses, out in ((1, False), (2, True)):
        missed = list(answered)
        for place in checks[:misses]:
            missed[place] = missed[place]._replace(answer={"s0": 5})
        assert (0 in failed_listeners(design, missed, {})) == out


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("ratings", {"s0": 6}),
        ("ratings", {"s0": 0}),
        ("ratings", {"s0": 2.5}),
        ("ratings", {"s0": True}),
        ("ratings", {"s0": "3"}),
        ("ratings", {"s9": 3}),
        ("ratings", {"s0": None}),
        ("ratings", {"beeps": 3}),
        ("ratings", [3]),
        ("ratings", None),
        ("preference", {"s0": "both bad"}),
        ("preference", {"s0": "alpha1"}),
        ("preference", {"s0": 1}),
        ("stimuli", {"s0.0": 101}),
        ("stimuli", {"s0.0": -1}),
        ("stimuli", {"s0.9": 50}),
        ("stimuli", {"s0": 50}),
    ],
)
def test_answers_to_what_was_not_asked_are_refused(kind: str, answer: Any, make_test: MakeTest) -> None:
    design = read_design(make_test(kind=kind))
    trial = next(trial for trial in design.sessions[0] if trial.role == "test")
    with pytest.raises(DataError):
        check_answer(design, trial, answer, final=False)


def test_a_final_answer_is_whole_and_heard(make_test: MakeTest) -> None:
    design = read_design(make_test())
    trial = next(trial for trial in design.sessions[0] if trial.role == "test")
    assert check_answer(design, trial, {"s0": 3}, final=False) == {"s0": 3}
    with pytest.raises(DataError, match="1 of 2"):
        check_answer(design, trial, {"s0": 3}, final=True)
    assert check_heard([0.2], [1.5], final=False) == (0.2,) and check_heard([1.4], [1.5], final=True) == (1.4,)
    assert check_heard([0.2], [0.3], final=True) == (0.2,)
    with pytest.raises(DataError):
        check_heard([0.0], [0.3], final=True)  # a short sound must be played, too
    for heard in ([0.2], [], [1.5, 1.5], "1.5", [float("nan")], [-1], [1e9], [True], [None]):
        with pytest.raises(DataError):
            check_heard(heard, [1.5], final=True)
    for seconds in (-0.1, 1e9, float("inf"), float("nan"), "1", True):
        with pytest.raises(DataError):
            check_seconds(seconds)


def test_choices_are_those_that_the_test_allows(make_test: MakeTest) -> None:
    for settings, choices in (
        ({}, ("first", "second", "tie")),
        ({"ties": False}, ("first", "second")),
        ({"both_bad": True}, CHOICES),
    ):
        design = read_design(make_test(kind="preference", **settings))
        trial = next(trial for trial in design.sessions[0] if trial.role == "test")
        assert questions(design, trial)[0].choices == choices


def test_both_bad_and_ties_reach_the_analysis(make_test: MakeTest) -> None:
    design = read_design(make_test(kind="preference", scales=["Harmony"], both_bad=True, checks={"spoiled": 0}))
    turn = iter(range(10_000))

    def said(_: ListeningDesign, trial: ListeningTrial) -> dict[str, Any]:
        return {"s0": CHOICES[next(turn) % 4]} if trial.role != "beeps" else {"beeps": trial.beeps}

    found = survey_of(Path("test"), design, all_answers(design, said), {})
    counts = found.table["outcome"].value_counts()
    assert counts["tie"] == counts["both bad"] == 18 and counts["a"] + counts["b"] == 36


def test_facts_are_those_that_were_asked(make_test: MakeTest) -> None:
    design = read_design(
        make_test(about=[{"name": "Years", "question": "?", "choices": ["0", "1+"]}, {"name": "Age", "question": "?"}])
    )
    assert check_facts(design, {"volume": True}) == {"volume": True}
    right = list(design.tones)
    assert check_facts(design, {"headphones": right})["found"] == 6
    assert check_facts(design, {"headphones": [(one + 1) % 3 for one in right]})["found"] == 0
    about = {"Years": "0", "Age": "31"}
    assert check_facts(design, {"about": about}) == {"about": about}
    answers: list[Any] = [{"Years": "0"}, {"Years": "2", "Age": "31"}, {"Years": "0", "Age": ""}]
    answers += [{"Years": "0", "Age": "x" * 201}, {"Years": [], "Age": "3"}]
    wrong: list[Any] = [{}, [], None, {"volume": False}, {"volume": True, "about": {}}, {"found": 6}]
    wrong += [{"headphones": said} for said in ([0] * 5, [3] * 6, "000000")] + [{"about": said} for said in answers]
    for content in wrong:
        with pytest.raises(DataError):
            check_facts(design, content)


def browser_file(design: ListeningDesign, listener: int) -> dict[str, Any]:
    """What the static pages give a listener to download."""
    lengths = [[design.files[key].seconds for key in design.keys_on(trial)] for trial in design.sessions[listener]]
    answers = {
        str(page): {"answer": honest(design, trial), "final": True, "number": 2, "heard": lengths[page], "seconds": 1.5}
        for page, trial in enumerate(design.sessions[listener])
    }
    return {
        "test": design.short_id, "listener": listener, "person": "x", "consented": True, "panel": "",
        "facts": {"volume": True, "headphones": list(design.tones)}, "answers": answers,
    }  # fmt: skip


def test_files_of_the_static_pages_are_read(make_test: MakeTest) -> None:
    folder = make_test(fresh=True)
    design = read_design(folder)
    (folder / ANSWERS).mkdir()
    for listener in (0, 2):
        (folder / ANSWERS / f"{listener}.json").write_text(json.dumps(browser_file(design, listener)))
    found = read_listening_test(folder)
    assert found.listeners == ("listener-001", "listener-003") and len(found.table) == 2 * 18 * 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.update(test="0" * 16),
        lambda content: content.update(listener=-1),
        lambda content: content.update(listener=4),
        lambda content: content.update(listener="0"),
        lambda content: content["answers"]["3"].update(answer={"s0": 9}),
        lambda content: content["answers"].update({"99": content["answers"]["3"]}),
        lambda content: content["answers"].update({"-1": content["answers"]["3"]}),
        lambda content: content["answers"].update({"03": content["answers"]["3"]}),
        lambda content: content.update(consented=False),
        lambda content: content["answers"]["3"].update(heard=[0.1]),
        lambda content: content["facts"].update(headphones=[7]),
        lambda content: content.pop("answers"),
    ],
)
def test_a_damaged_file_is_named(damage: Callable[[Any], Any], make_test: MakeTest) -> None:
    folder = make_test(fresh=True, scales=["Harmony"])
    content = browser_file(read_design(folder), 0)
    damage(content)
    (folder / ANSWERS).mkdir()
    (folder / ANSWERS / "x.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"x\.json"):
        read_listening_test(folder)


def test_two_files_of_one_session_are_asked_about(make_test: MakeTest) -> None:
    folder = make_test(fresh=True, scales=["Harmony"])
    content = json.dumps(browser_file(read_design(folder), 0))
    (folder / ANSWERS).mkdir()
    for name in ("a.json", "b.json"):
        (folder / ANSWERS / name).write_text(content)
    with pytest.raises(DataError, match=r"b\.json: .*a\.json"):
        read_listening_test(folder)


def test_hostile_texts_stay_texts(make_test: MakeTest) -> None:
    design = read_design(make_test())
    rows = list(csv.reader(io.StringIO(answers_csv(design, all_answers(design)))))
    assert len({len(row) for row in rows}) == 1
