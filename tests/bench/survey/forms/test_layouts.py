"""The exports of survey tools, in the layouts that they document: every one gives the ratings that went in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bench.errors import DataError, UsageError
from bench.survey.pair_votes import votes_of
from bench.survey.ratings import Preferences
from bench.survey.reading import read_ratings, read_survey
from bench.survey_question import SurveyQuestion
from tests.bench.survey.forms.conftest import (
    CLIPS,
    FORMS,
    MODELS,
    PEOPLE,
    PROMPTS,
    SCALES,
    answer,
    delimited,
    holds_truth,
    map_text,
    write_form,
)

Table = list[list[str]]
GRID = [(clip, scale) for clip in CLIPS for scale in SCALES]


def answers(person: int) -> list[str]:
    return [answer(person, clip, scale) for clip, scale in GRID]


def google(title: str = "Clip {clip} [{scale}]", email: bool = True) -> Table:
    people = [[f"l{p}@example.org"] if email else [] for p in range(PEOPLE)]
    head = ["Timestamp", *(["Email Address"] if email else []), *(title.format(clip=c, scale=s) for c, s in GRID)]
    return [head, *([f"2026/11/0{p + 1} 3:12:00 PM GMT+1", *people[p], *answers(p)] for p in range(PEOPLE))]


def microsoft(title: str = "Clip {clip} [{scale}] How is it?", email: str = "anonymous") -> Table:
    own = ["ID", "Start time", "Completion time", "Email", "Name", "Last modified time"]
    rows = [
        [str(p + 1), "11/1/26 10:00:00", "11/1/26 10:09:00", email.format(p=p), "", "", *answers(p)]
        for p in range(PEOPLE)
    ]
    return [[*own, *(title.format(clip=c, scale=s) for c, s in GRID)], *rows]


def limesurvey(codes: bool = True, mark: str = "{clip}[{scale}]") -> Table:
    own = ["id", "submitdate", "lastpage", "startlanguage", "seed", "startdate", "datestamp"]
    if not codes:
        own = [
            "Response ID",
            "Date submitted",
            "Last page",
            "Start language",
            "Seed",
            "Date started",
            "Date last action",
        ]
    rows = [
        [str(p + 7), "2026-11-01 10:00:00", "3", "en", "123", "2026-11-01", "2026-11-01", *answers(p)]
        for p in range(PEOPLE)
    ]
    unfinished = ["99", "", "1", "en", "5", "2026-11-01", "2026-11-01", *(["5"] * len(GRID))]
    return [[*own, *(mark.format(clip=c, scale=s) for c, s in GRID)], *rows, unfinished]


def qualtrics(codes: str = "{clip}_{number}", finished: Sequence[str] = ("True", "False")) -> Table:
    own = ["StartDate", "EndDate", "Status", "Progress", "Finished", "RecordedDate", "ResponseId"]
    names = [codes.format(clip=c, number=SCALES.index(s) + 1) for c, s in GRID]
    labels = [f"Clip {c} Text: a fast - slow tune [8 bars] - {s}" for c, s in GRID]
    imports = [json.dumps({"ImportId": name}) for name in (*own, *names)]
    yes, no = finished
    rows = [["", "", "IP Address", "100", yes, "", f"R_{p}", *answers(p)] for p in range(PEOPLE)]
    rows.append(["", "", "IP Address", "40", no, "", "R_7", *(["5"] * len(GRID))])
    rows.append(["", "", "Survey Preview", "100", yes, "", "R_8", *(["1"] * len(GRID))])
    return [[*own, *names], ["Start Date", *own[1:], *labels], imports, *rows]


def surveymonkey(matrix: bool = True) -> Table:
    own = ["Respondent ID", "Collector ID", "Start Date", "End Date", "IP Address", "Email Address"]
    head = [f"Clip {c}" if matrix and s == SCALES[0] else "" if matrix else f"Clip {c}: {s}" for c, s in GRID]
    parts = [s if matrix else "Response" for _, s in GRID]
    rows = [[f"11{p}", "44", "11/01/2026", "11/01/2026", "", "", *answers(p)] for p in range(PEOPLE)]
    return [[*own, *head], [*([""] * len(own)), *parts], *rows]


def mturk(style: str = "values") -> Table:
    own = ["HITId", "HITTypeId", "Title", "AssignmentId", "WorkerId", "AssignmentStatus", "Input.audio"]
    fields = {
        "values": [f"Answer.{s}" for s in SCALES],
        "radio": [f"Answer.{s}.{n}" for s in SCALES for n in range(1, 6)],
        "json": ["Answer.taskAnswers"],
    }[style]

    def cells(values: Sequence[str]) -> list[str]:
        if style == "radio":
            return [str(value == str(n)).lower() for value in values for n in range(1, 6)]
        if style == "json":
            groups = [{str(n): value == str(n) for n in range(1, 6)} for value in values]
            return [json.dumps([dict(zip(SCALES, groups, strict=True))])]
        return list(values)

    rows = [
        [
            *(f"H{c}", "T", "Music", f"A{c}{p}", f"W{p}", "Approved", f"https://x.org/clips/{c}.mp3"),
            *cells([answer(p, c, s) for s in SCALES]),
        ]
        for p in range(PEOPLE)
        for c in CLIPS
    ]
    bad = ["H1", "T", "Music", "A9", "W0", "Rejected", "https://x.org/clips/c01.mp3", *cells(["1"] * len(SCALES))]
    return [[*own, *fields], *rows, bad]


def mturk_several(marked: str = "{name}{n}") -> Table:
    """Four clips a HIT."""
    numbers = range(1, 5)
    head = ["HITId", "WorkerId", "AssignmentStatus", *(f"Input.{marked.format(name='clip', n=n)}" for n in numbers)]
    head += [f"Answer.{marked.format(name=s, n=n)}" for s in SCALES for n in numbers]
    rows = []
    for p in range(PEOPLE):
        for hit in (0, 4):
            clips = list(CLIPS)[hit : hit + 4]
            rows.append([f"H{hit}", f"W{p}", "Submitted", *clips, *(answer(p, c, s) for s in SCALES for c in clips)])
    return [head, *rows]


def jspsych(plugin: str = "survey-likert", stimulus: bool = False) -> Table:
    head = ["rt", "response", "trial_type", "trial_index", "time_elapsed", "subject", "clip", "stimulus", "scale"]
    rows = [["900", "0", "html-button-response", "0", "900", f"S{p}", "", "Hello", ""] for p in range(PEOPLE)]
    for p in range(PEOPLE):
        for number, clip in enumerate(CLIPS, 1):
            where = ["", f"audio/{CLIPS[clip][1]}/{CLIPS[clip][0]}.wav"] if stimulus else [clip, ""]
            if plugin == "survey-likert":
                told = json.dumps({s: int(answer(p, clip, s)) - 1 for s in SCALES})
                rows.append(["1", told, plugin, str(number), "1", f"S{p}", *where, ""])
                continue
            for scale in SCALES:
                value = int(answer(p, clip, scale)) - (plugin == "audio-button-response")
                rows.append(["1", str(value), plugin, str(number), "1", f"S{p}", *where, scale])
    return [head, *rows]


def webmushra(scales: Sequence[str] = SCALES, stimuli: Callable[[str], str] = str) -> Table:
    names = [f"stimuli_rating{n}" for n in range(1, len(scales) + 1)] if len(scales) > 1 else ["stimuli_rating"]
    rows = [
        ["t", f"p{p}", c, *(f" {answer(p, c, s)} " for s in scales), stimuli(c), "9"]
        for p in range(PEOPLE)
        for c in CLIPS
    ]
    return [["session_test_id", "listener", "trial_id", *names, "stimuli", "rating_time"], *rows]


def column_a_clip() -> Table:
    return [["listener", *google()[0][2:]], *([f"l{p}", *answers(p)] for p in range(PEOPLE))]


def row_a_clip() -> Table:
    rows = [[f"l{p}", c, *(answer(p, c, s) for s in SCALES)] for p in range(PEOPLE) for c in CLIPS]
    return [["rater", "clip", *SCALES], *rows]


QUESTIONS = map_text("question", lambda clip: f"Sound of {CLIPS[clip][0]} / {CLIPS[clip][1]}")
CODES = "clip,question,prompt,model,scale\n" + "".join(f"{c},,{p},{m},\n" for c, (p, m) in CLIPS.items())
CODES += "".join(f",SQ{n},,,{s}\n" for n, s in enumerate(SCALES, 1))
FILES = map_text("file", lambda clip: f"clips/{clip}.flac")
EXPORTS: dict[str, tuple[Callable[[], Table], str]] = {
    "google grid": (google, map_text()),
    "google linear scales": (lambda: google("{clip}: {scale}", email=False), map_text()),
    "google dashes": (lambda: google("Please rate {clip} - {scale}"), map_text()),
    "microsoft choices": (microsoft, map_text()),
    "microsoft signed in": (lambda: microsoft("{clip} {scale}", "l{p}@example.org"), map_text()),
    "limesurvey codes": (limesurvey, map_text()),
    "limesurvey texts": (lambda: limesurvey(False, "Clip {clip}: how good is it? [{scale}]"), map_text()),
    "limesurvey underscores": (lambda: limesurvey(mark="{clip}_{scale}"), map_text()),
    "qualtrics matrix": (qualtrics, map_text()),
    "qualtrics numbers": (lambda: qualtrics("Q{clip}_{number}", ("1", "0")), map_text()),
    "surveymonkey matrix": (surveymonkey, map_text()),
    "surveymonkey choices": (lambda: surveymonkey(matrix=False), map_text()),
    "mturk values": (mturk, FILES),
    "mturk radio": (lambda: mturk("radio"), FILES),
    "mturk json": (lambda: mturk("json"), map_text()),
    "mturk four a HIT": (mturk_several, map_text()),
    "mturk dotted": (lambda: mturk_several("{name}_{n}"), map_text()),
    "jspsych likert": (jspsych, map_text()),
    "jspsych buttons": (lambda: jspsych("audio-button-response"), map_text()),
    "jspsych sliders": (lambda: jspsych("audio-slider-response"), map_text()),
    "a column a clip": (column_a_clip, map_text()),
    "a row a clip": (row_a_clip, map_text()),
}
ONE_HEADER = {name for name in EXPORTS if not name.startswith(("qualtrics", "surveymonkey"))}


@pytest.mark.parametrize("name", EXPORTS)
def test_exports_open_with_a_clip_map(name: str, tmp_path: Path) -> None:
    table, clips = EXPORTS[name]
    (tmp_path / "clips.csv").write_text(clips)
    found = read_ratings(write_form(tmp_path, "comma", table()), clips=tmp_path / "clips.csv")
    assert holds_truth(found)
    assert not found.genres or set(found.genres.values()) == {"jazz", "rock"}


@pytest.mark.parametrize("name", ["google grid", "qualtrics matrix", "mturk values", "jspsych likert", "a row a clip"])
@pytest.mark.parametrize("form", FORMS)
def test_rewritten_exports_give_the_same_ratings(name: str, form: str, tmp_path: Path) -> None:
    if form.startswith("json") and name not in ONE_HEADER:
        pytest.skip("has several header rows, which JSON has not")
    table, clips = EXPORTS[name]
    (tmp_path / "clips.csv").write_text(clips)
    assert holds_truth(read_ratings(write_form(tmp_path, form, table()), clips=tmp_path / "clips.csv"))


def test_what_is_left_out_is_listed(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(map_text())
    for table, expected in (
        (
            qualtrics(),
            {"response not finished": ((9,), "Finished"), "a preview or test of the survey": ((10,), "Status")},
        ),
        (limesurvey(), {"response not submitted": ((7,), "submitdate")}),
        (mturk(), {"rejected": ((42,), "AssignmentStatus")}),
    ):
        found = read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "clips.csv")
        assert {one.reason: (tuple(sorted(set(one.rows))), one.column) for one in found.exclusions} == expected


@pytest.mark.parametrize("name", [name for name in EXPORTS if not name.startswith("jspsych")])
def test_without_a_map_there_is_one_question(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        read_ratings(write_form(tmp_path, "comma", EXPORTS[name][0]()))
    assert isinstance(raised.value, SurveyQuestion)
    assert raised.value.answers == (["--clips", "clips.csv"],)
    assert "\n" not in str(raised.value)


def test_a_question_s_text_or_column_names_a_clip(tmp_path: Path) -> None:
    def title(clip: str) -> str:
        return f"Sound of {CLIPS[clip][0]} / {CLIPS[clip][1]}"

    head = ["Timestamp", *(f"{title(c)} [{s}]" for c, s in GRID)]
    path = write_form(tmp_path, "comma", [head, *(["2026", *answers(p)] for p in range(PEOPLE))])
    (tmp_path / "q.csv").write_text(QUESTIONS)
    assert holds_truth(read_ratings(path, clips=tmp_path / "q.csv"))
    exact = "question,prompt,model,scale\n" + "".join(
        f"{title(c)} [{s}],{CLIPS[c][0]},{CLIPS[c][1]},{s}\n" for c, s in GRID
    )
    (tmp_path / "exact.csv").write_text(exact)
    assert holds_truth(read_ratings(path, clips=tmp_path / "exact.csv"))


def test_questions_of_one_text_are_told_apart_by_their_number(tmp_path: Path) -> None:
    head = ["Timestamp", *(scale for _, scale in GRID)]
    path = write_form(tmp_path, "comma", [head, *(["2026", *answers(p)] for p in range(PEOPLE))])
    names = [scale if number == 0 else f"{scale} ({number + 1})" for number in range(len(CLIPS)) for scale in SCALES]
    with pytest.raises(SurveyQuestion, match=r"each of 24: 'Harmony', 'Rhythm', 'Genre Fit', 'Harmony \(2\)'"):
        read_ratings(path)
    rows = [f"{name},{CLIPS[c][0]},{CLIPS[c][1]},{s}" for name, (c, s) in zip(names, GRID, strict=True)]
    (tmp_path / "clips.csv").write_text("\n".join(["question,prompt,model,scale", *rows]))
    assert holds_truth(read_ratings(path, clips=tmp_path / "clips.csv"))
    (tmp_path / "clips.csv").write_text("\n".join(["question,prompt,model,scale", *rows[:9], *rows[10:]]))
    with pytest.raises(SurveyQuestion, match=r"'Harmony \(4\)'"):
        read_ratings(path, clips=tmp_path / "clips.csv")


def test_a_tool_s_table_may_have_a_row_a_clip(tmp_path: Path) -> None:
    rows = [[f"R_{p}", "True", c, *(answer(p, c, s) for s in SCALES)] for p in range(PEOPLE) for c in CLIPS]
    head = ["ResponseId", "Finished", "piece", *SCALES]
    labels = ["Response ID", "Finished", "Piece", *SCALES]
    table = [
        head,
        labels,
        [json.dumps({"ImportId": name}) for name in head],
        *rows,
        ["R_9", "False", "c01", "1", "1", "1"],
    ]
    (tmp_path / "clips.csv").write_text(map_text())
    found = read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "clips.csv")
    assert holds_truth(found)
    assert [one.reason for one in found.exclusions] == ["response not finished"]


def test_a_map_of_another_survey_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("clip,prompt,model\nz1,p,base\nz2,p,tuned\n")
    for name in (
        "google grid",
        "qualtrics matrix",
        "mturk values",
        "jspsych likert",
        "a row a clip",
        "a column a clip",
    ):
        with pytest.raises(DataError, match=r"clips\.csv: (no|none) "):
            read_ratings(write_form(tmp_path, "comma", EXPORTS[name][0]()), clips=tmp_path / "clips.csv")


def test_codes_of_scales_are_named_by_the_map(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(CODES)
    table = limesurvey(mark="{clip}[SQ{scale}]")
    for position, scale in enumerate(SCALES, 1):
        table[0] = [name.replace(f"[SQ{scale}]", f"[SQ{position}]") for name in table[0]]
    assert holds_truth(read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "codes.csv"))


def test_clips_that_the_map_lacks_are_asked_about(tmp_path: Path) -> None:
    lacking = "\n".join(line for line in map_text().splitlines() if not line.startswith("c08"))
    (tmp_path / "clips.csv").write_text(lacking)
    for name in ("google grid", "qualtrics matrix", "microsoft choices", "mturk values", "a row a clip"):
        path = write_form(tmp_path, "comma", EXPORTS[name][0]())
        with pytest.raises(SurveyQuestion, match="c08"):
            read_ratings(path, clips=tmp_path / "clips.csv")
    (tmp_path / "clips.csv").write_text(lacking + "\nc08,,,,\n")  # one for practice
    found = read_ratings(write_form(tmp_path, "comma", google()), clips=tmp_path / "clips.csv")
    assert len(found.table) == len(CLIPS) * PEOPLE * len(SCALES) - PEOPLE * len(SCALES)


def test_listeners_are_told_apart_by_what_the_tool_knows(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(map_text())
    for table, first in (
        (google(), "l0@example.org"),
        (google(email=False), "response 1"),
        (microsoft(), "1"),
        (microsoft(email="l{p}@x"), "l0@x"),
        (limesurvey(), "7"),
        (qualtrics(), "R_0"),
        (surveymonkey(), "110"),
        (mturk(), "W0"),
        (jspsych(), "S0"),
    ):
        found = read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "clips.csv")
        assert found.listeners[0] == first
    named = google()
    named = [[*row, "Code" if n == 0 else f"z{n}"] for n, row in enumerate(named)]
    path = write_form(tmp_path, "comma", named)
    assert read_ratings(path, {"listener": "Code"}, clips=tmp_path / "clips.csv").listeners[0] == "z1"
    with pytest.raises(UsageError, match="--column model=Code"):
        read_ratings(path, {"model": "Code"}, clips=tmp_path / "clips.csv")


def test_what_listeners_say_of_themselves_is_kept(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(map_text())
    table = [[*row, "Musician?" if n == 0 else "yes" if n % 2 else "no"] for n, row in enumerate(google())]
    found = read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "clips.csv")
    assert found.listener_columns["Musician?"]["l0@example.org"] == "yes"
    table = [
        [*row, *("Musician?",)] if n == 0 else [*row, "yes" if row[5] == "S1" else "no"]
        for n, row in enumerate(jspsych())
    ]
    found = read_ratings(write_form(tmp_path, "comma", table), clips=tmp_path / "clips.csv")
    assert found.listener_columns["Musician?"] == {f"S{p}": "yes" if p == 1 else "no" for p in range(PEOPLE)}


def test_jspsych_6_keeps_answers_of_each_plugin_in_a_column_of_its_own(tmp_path: Path) -> None:
    head = ["trial_type", "trial_index", "time_elapsed", "participant_id", "clip", "responses", "button_pressed"]
    rows = []
    for p in range(PEOPLE):
        for number, clip in enumerate(CLIPS):
            index = str(int(answer(p, clip, "Harmony")) - 1)
            likert = number % 2
            told = [json.dumps({"rating": int(index)}), ""] if likert else ["", index]
            kind = "survey-likert" if likert else "audio-button-response"
            rows.append([kind, str(number), "1", f"P{p}", clip, *told])
    (tmp_path / "clips.csv").write_text(map_text())
    found = read_ratings(write_form(tmp_path, "comma", [head, *rows]), clips=tmp_path / "clips.csv")
    assert {(row.listener, row.prompt, row.model, row.value) for row in found.table.itertuples()} == {
        (f"P{p}", *CLIPS[c], float(answer(p, c, "Harmony"))) for p in range(PEOPLE) for c in CLIPS
    }


# -- layouts that need no map ----------------------------------------------------------------------------------------


def test_names_of_files_tell_prompt_and_model(tmp_path: Path) -> None:
    assert holds_truth(read_ratings(write_form(tmp_path, "comma", jspsych(stimulus=True))))
    rows = [
        ["utteranceId", "listenerId", "systemId", "choice"],
        *(
            [f"{CLIPS[c][0]}_{CLIPS[c][1]}", f"l{p}", CLIPS[c][1], answer(p, c, "Harmony")]
            for p in range(PEOPLE)
            for c in CLIPS
        ),
    ]
    for form in FORMS:  # as SOMOS names its columns
        assert holds_truth(read_ratings(write_form(tmp_path, form, rows)), ["Harmony"], {"Harmony": "rating"})


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("{model}/{prompt}.wav", True),
        ("https://x.org/a/{model}/{prompt}.mp3?raw=1", True),
        ("audio\\{model}\\{prompt}.flac", True),
        ("{prompt}/{model}.wav", False),
        ("{prompt}_{model}.wav", False),
        ("{clip}.wav", False),
    ],
)
def test_files_alone_are_read_only_as_model_and_prompt(name: str, opens: bool, tmp_path: Path) -> None:
    def file(clip: str) -> str:
        return name.format(clip=clip, prompt=CLIPS[clip][0], model=CLIPS[clip][1])

    rows = [
        ["rater", "file", "rating"],
        *([f"l{p}", file(c), answer(p, c, "Rhythm")] for p in range(PEOPLE) for c in CLIPS),
    ]
    path = write_form(tmp_path, "comma", rows)
    if opens:
        assert holds_truth(read_ratings(path), ["Rhythm"], {"Rhythm": "rating"})
    else:
        with pytest.raises(SurveyQuestion, match=r"file,prompt,model.* each of 8"):
            read_ratings(path)
    (tmp_path / "clips.csv").write_text(map_text("file", file))
    assert holds_truth(read_ratings(path, clips=tmp_path / "clips.csv"), ["Rhythm"], {"Rhythm": "rating"})


def test_names_that_hold_the_model_are_prompts_without_it(tmp_path: Path) -> None:
    clips = {c: ("-".join(CLIPS[c]), CLIPS[c][1]) for c in CLIPS}
    rows = [[f"l{p}", *clips[c], answer(p, c, "Rhythm")] for p in range(PEOPLE) for c in CLIPS]
    path = write_form(tmp_path, "comma", [["listener", "prompt", "model", "Rhythm"], *rows])
    assert holds_truth(read_ratings(path), ["Rhythm"])
    untouched = read_ratings(path, {"prompt": "prompt", "model": "model"}).prompts
    assert len(untouched) == len(CLIPS)  # as they were named
    rows = [
        [f"l{p}", *CLIPS[c], f"{CLIPS[c][1]}/{c}.wav", answer(p, c, "Rhythm")] for p in range(PEOPLE) for c in CLIPS
    ]
    path = write_form(tmp_path, "comma", [["listener", "prompt", "model", "file", "Rhythm"], *rows])
    assert holds_truth(read_ratings(path), ["Rhythm"])  # where the file says nothing new


@pytest.mark.parametrize("form", FORMS)
def test_a_column_a_model(form: str, tmp_path: Path) -> None:
    rows = [["rater", "prompt", *MODELS]]
    clip = {facts: label for label, facts in CLIPS.items()}
    for p in range(PEOPLE):
        rows += [[f"l{p}", prompt, *(answer(p, clip[prompt, m], "Harmony") for m in MODELS)] for prompt in PROMPTS]
    path = write_form(tmp_path, form, rows)
    assert holds_truth(read_ratings(path), ["Harmony"], {"Harmony": "rating"})
    assert read_ratings(path, models=["tuned", "base"]).models == ("tuned", "base")


def test_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    def halved(text: str, sign: str) -> str:
        return f"{int(text) / 2:.1f}".replace(".", sign) if text.isdecimal() else text

    mushra = [["session_test_id", "email", "trial_id", "rating_stimulus", "rating_score"]]
    mushra += [
        ["t", f"l{n}", trial, name, str(n + 30)] for n in range(4) for trial in "pq" for name in ("C1", "reference")
    ]
    grades = [["listener", "trial_id", "rating_reference", "rating_non_reference"], *([] for _ in range(8))]
    grades[0] += ["rating_reference_score", "rating_non_reference_score"]
    for n in range(8):
        grades[n + 1] = [f"l{n % 2}", f"p{n // 4}", "reference", ("base", "tuned")[n // 2 % 2], "10", str(n + 2)]
    models = [
        ["rater", "prompt", *MODELS],
        *([f"l{n}", prompt, str(n + 2), "7"] for n in range(4) for prompt in PROMPTS),
    ]
    for rows in (mushra, grades, models):
        found = []
        for form, sign in (("comma", "."), ("semicolon", ",")):
            changed = [[halved(cell, sign) for cell in row] for row in rows]
            found.append(read_ratings(write_form(tmp_path, form, changed)))
        assert found[0].table.equals(found[1].table)
        assert set(found[0].notes) <= set(found[1].notes)


def test_columns_on_several_scales_are_asked_about(tmp_path: Path) -> None:
    rows = [["rater", "prompt", "base", "tuned", "year"]]
    rows += [[f"l{p}", prompt, str(1 + p), str(5 - p), str(1990 + p)] for p in range(4) for prompt in PROMPTS]
    path = write_form(tmp_path, "comma", rows)
    with pytest.raises(SurveyQuestion) as raised:
        read_ratings(path)
    assert raised.value.answers == (["--models", "base,tuned,year"],)
    assert read_ratings(path, models=["base", "tuned"]).models == ("base", "tuned")


def test_jspsych_json_with_a_list_a_participant(tmp_path: Path) -> None:
    head, *rows = jspsych()
    trials = [{name: cell for name, cell in zip(head, row, strict=True) if name != "subject"} for row in rows]
    people = [[trial for trial, row in zip(trials, rows, strict=True) if row[5] == f"S{p}"] for p in range(PEOPLE)]
    (tmp_path / "e.json").write_text(json.dumps(people))
    (tmp_path / "clips.csv").write_text(map_text())
    found = read_ratings(tmp_path / "e.json", clips=tmp_path / "clips.csv")
    assert holds_truth(found)
    assert found.listeners == ("1", "2", "3", "4", "5")


def test_a_folder_with_a_file_a_participant(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(map_text())
    head, *rows = jspsych()
    folder = tmp_path / "data"
    folder.mkdir()
    for p in range(PEOPLE):
        own = [
            [cell for name, cell in zip(head, row, strict=True) if name != "subject"]
            for row in rows
            if row[5] == f"S{p}"
        ]
        (folder / f"anna{p}.csv").write_text(delimited([[name for name in head if name != "subject"], *own]))
    found = read_ratings(folder, clips=tmp_path / "clips.csv")
    assert holds_truth(found)
    assert found.listeners[0] == "anna0"


def test_beaqlejs(tmp_path: Path) -> None:
    def person(p: int) -> str:
        sets = []
        for prompt in PROMPTS:
            labels = {CLIPS[c][1]: c for c in CLIPS if CLIPS[c][0] == prompt}
            rating = {label: int(answer(p, c, "Harmony")) for label, c in labels.items()} | {"Reference": 5}
            files = {label: f"audio/{c}.wav" for label, c in labels.items()} | {"Reference": "audio/ref.wav"}
            sets.append({"TestID": prompt, "Runtime": 900, "rating": rating, "filename": files})
        return json.dumps([*sets, {"UserName": f"l{p}", "UserEmail": "", "UserComment": ""}])

    folder = tmp_path / "results"
    folder.mkdir()
    for p in range(PEOPLE):
        (folder / f"2026_{p}.txt").write_text(person(p))
    found = read_ratings(folder)
    assert holds_truth(found, ["Harmony"], {"Harmony": "rating"})
    assert found.listeners == ("l0", "l1", "l2", "l3", "l4")
    assert found.excluded == PEOPLE * len(PROMPTS)  # the hidden references
    (tmp_path / "clips.csv").write_text(map_text("file", lambda clip: f"{clip}.wav") + "ref.wav,,,,\n")
    blind = read_ratings(folder, clips=tmp_path / "clips.csv")
    assert holds_truth(blind, ["Harmony"], {"Harmony": "rating"})


def test_beaqlejs_preferences_count_what_was_shown(tmp_path: Path) -> None:
    def voted(test: str, order: str, choice: str) -> dict[str, object]:
        return {"TestID": test, "PresentationOrder": order, "Runtime": 3, "Preference": choice}

    sets = [voted("p1", "A=A, B=B", "A"), voted("p2", "A=B, B=A", "A"), voted("p3", "A=B, B=A", "B"), {"UserName": "x"}]
    (tmp_path / "v.txt").write_text(json.dumps(sets))
    found = read_survey(tmp_path / "v.txt")
    assert isinstance(found, Preferences)
    assert votes_of(found, "preference")["A", "B"].differences.tolist() == [[-1, 1, -1]]


# -- webMUSHRA -------------------------------------------------------------------------------------------------------


def test_webmushra_s_likert_files(tmp_path: Path) -> None:
    numbered = dict(zip(SCALES, ("rating1", "rating2", "rating3"), strict=True))

    def named(clip: str) -> str:
        return CLIPS[clip][1]

    table = webmushra(stimuli=named)
    table = [
        [cell if n == 0 or at != 2 else "_".join(CLIPS[cell]) for at, cell in enumerate(row)]
        for n, row in enumerate(table)
    ]
    for form in FORMS:
        path = write_form(tmp_path, form, table)
        assert holds_truth(read_ratings(path), shown=numbered)
        assert holds_truth(read_ratings(path, scales=SCALES))
    assert read_ratings(path, scales=["rating2"]).scales == ("rating2",)
    with pytest.raises(SurveyQuestion):
        read_ratings(path, scales=["Harmony", "Rhythm"])
    (tmp_path / "clips.csv").write_text(
        "clip,question,prompt,model,scale\n"
        + "".join(f"{c},,{p},{m},\n" for c, (p, m) in CLIPS.items())
        + "".join(f",stimuli_rating{n},,,{s}\n" for n, s in enumerate(SCALES, 1))
    )
    blind = read_ratings(write_form(tmp_path, "comma", webmushra()), clips=tmp_path / "clips.csv")
    assert holds_truth(blind)
    one = read_ratings(write_form(tmp_path, "comma", webmushra(["Rhythm"])), clips=tmp_path / "clips.csv")
    assert holds_truth(one, ["Rhythm"], {"Rhythm": "rating"})


def test_webmushra_s_difference_grades(tmp_path: Path) -> None:
    head = ["session_test_id", "listener", "trial_id", "rating_reference", "rating_non_reference"]
    head += ["rating_reference_score", "rating_non_reference_score", "rating_time", "choice_comment"]
    rows = [
        ["t", who, trial, "reference", model, "5", grade, "9", ""]
        for who in "ab"
        for trial in ("p1", "p2")
        for model, grade in (("base", "2.5"), ("tuned", "4.1"))
    ]
    found = read_ratings(write_form(tmp_path, "comma", [head, *rows]))
    assert found.cube("difference grade").tolist() == [[[-2.5, -2.5]] * 2, [[-0.9, -0.9]] * 2]


def test_webmushra_s_listeners_beyond_bs_1534_are_named(tmp_path: Path) -> None:
    head = ["session_test_id", "session_uuid", "trial_id", "rating_stimulus", "rating_score"]
    heard = {"u0": (95, 40), "u1": (70, 40), "u2": (95, 96)}
    rows = [
        ["t", who, trial, name, str(score)]
        for who, (reference, anchor) in heard.items()
        for trial in ("p1", "p2")
        for name, score in (("reference", reference), ("anchor70", anchor), ("C1", 50), ("C2", 60))
    ]
    (note,) = [text for text in read_ratings(write_form(tmp_path, "comma", [head, *rows])).notes if "BS.1534" in text]
    assert "reference below 90: u1 (100 %)" in note
    assert "anchor above 90: u2 (100 %)" in note


# -- which layout ----------------------------------------------------------------------------------------------------


def test_a_layout_may_be_named(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(map_text())
    renamed = google()
    renamed[0][:2] = ["When", "Who"]
    path = write_form(tmp_path, "comma", renamed)
    for layout in ("google-forms", "table"):
        found = read_ratings(path, {"listener": "Who"}, clips=tmp_path / "clips.csv", layout=layout)
        assert holds_truth(found)
    with pytest.raises(UsageError, match="google-forms"):
        read_ratings(path, layout="google")
    for layout in ("limesurvey", "mturk", "jspsych", "webmushra", "beaqlejs"):
        with pytest.raises((DataError, UsageError)):
            read_ratings(path, clips=tmp_path / "clips.csv", layout=layout)


def test_two_tools_columns_are_a_question(tmp_path: Path) -> None:
    table = [[*row, *("submitdate", "lastpage")] if n == 0 else [*row, "2026", "3"] for n, row in enumerate(google())]
    with pytest.raises(SurveyQuestion) as raised:
        read_ratings(write_form(tmp_path, "comma", table))
    assert [shlex.join(one) for one in raised.value.answers] == ["--layout google-forms", "--layout limesurvey"]
