"""jsPsych: trial data as CSV (``jsPsych.data.get().csv()``) or JSON (``.json()``), of versions 6 to 8.

A row a trial with trial_type, trial_index, time_elapsed, rt, response, stimulus, and what the experiment adds, such as
subject. Sliders respond with their value; buttons and survey-likert with the place of the choice, counted from 0;
survey-likert and other surveys with an object of answers by question, written as JSON (documentation of the plugins
audio-slider-response 2.1, audio-button-response 2.1, survey-likert 2.2; version 6 called responses ``responses`` and
``button_pressed``). Several participants in one JSON file are lists within a list.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

from bench.survey.forms.clip_rows import by_map, by_names, unknown_clips
from bench.survey.forms.layout import Layout, Opened, Request, listener_column, map_question
from bench.survey.forms.questionnaire import ABOUT, CHOICES, INTRODUCTION, SCALES, TITLE, Questionnaire, Template
from bench.survey.forms.table import PART, TextTable, written

_PERSON = ("PROLIFIC_PID", "prolific_id", "subject_id", "participant_id", "workerId", "run_id", PART)
_ANSWERS = ("response", "responses", "button_pressed", "slider_value")
_FROM_ZERO = re.compile(r"(audio|html|image|video|canvas)-button-response|survey-likert")
_OWN = frozenset(
    ("trial_type", "time_elapsed", "rt", "internal_node_id", "question_order", "slider_start", "plugin_version")
)
_AUDIO_IN_HTML = re.compile(r"""\bsrc=["']?([^"'\s>]+)""")


def recognises(table: TextTable) -> bool:
    """Return whether a table has the columns of every jsPsych trial."""
    return {"trial_type", "trial_index", "time_elapsed"} <= set(table.header)


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the trials in which clips were rated to rows; instructions and the like are skipped.

    Raises:
        SurveyQuestion: the prompt and model of a clip are unknown, or several columns may identify the listeners.
        UsageError: the caller named a column that the clip map replaces.
        DataError: no trial is about a clip of the map.
    """
    listener = listener_column(table, request, *_PERSON)
    trials = _rated(table, listener)
    opened = by_map(trials, request, request.clips, others=True) if request.clips else by_names(trials, request)
    if opened is None and request.clips is not None:
        raise unknown_clips(trials, request.clips)
    if opened is None:
        stimuli = trials.column("stimulus") if "stimulus" in trials.header else []
        question = map_question(table, "jsPsych's data", [cell for cell in stimuli if cell], "file")
        roles = {"listener": listener} if listener else {}
        return Opened(trials, roles, question=question)
    count = len(opened.table.rows)
    notes = [f"Read as jsPsych's data: {count} answers about clips in {len(table.rows)} trials.", *opened.notes]
    roles = {**opened.roles, **({"listener": listener} if listener else {})}
    if "value" in opened.table.header:
        roles["value"] = "value"
    return replace(opened, roles=roles, sources={**opened.sources, "value": "response"}, notes=notes)


def _rated(table: TextTable, listener: str | None) -> TextTable:
    """Return a row per answer, also for several questions of a trial; choices are counted from 1."""
    if not any(name in table.header for name in _ANSWERS):
        return table
    own = _OWN.union(_ANSWERS, () if listener == PART else (PART,))
    kept = [name for name in table.header if name and name not in own and any(table.column(name))]
    rows, lines, named = [], [], False
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = dict(zip(table.header, row, strict=True))
        answer = next((cells[name] for name in _ANSWERS if cells.get(name)), "")
        counted = bool(_FROM_ZERO.fullmatch(cells["trial_type"]))
        if (source := _AUDIO_IN_HTML.search(cells.get("stimulus", ""))) is not None:
            cells["stimulus"] = source[1]
        for question, value in _answers(answer, counted):
            named = named or bool(question)
            rows.append([*(cells[name] for name in kept), question or "rating", value])
            lines.append(line)
    long = table._replace(header=[*kept, "scale", "value"], rows=rows, lines=lines, labels=())
    if "scale" in kept or not named:  # the experiment names the scale, or it is unknown
        long = long.only([*kept, "value"])
    return long


def _answers(text: str, counted: bool) -> list[tuple[str, str]]:
    """Return (question, answer) of a trial; a single one has no name."""
    if text.startswith("{"):
        try:
            told = json.loads(text)
        except ValueError:
            told = {}
        return [(str(name), _place(written(value), counted)) for name, value in told.items()]
    return [("", _place(text, counted))]


def _place(text: str, counted: bool) -> str:
    """Return a choice counted from 1, as stored choices are counted from 0."""
    return str(int(text) + 1) if counted and text.isdecimal() else "" if text == "null" else text


def write(survey: Questionnaire) -> Template:
    """Write a page that runs the survey with jsPsych 8 and saves each listener's data as CSV."""
    told = {
        "introduction": INTRODUCTION,
        "about": [{"name": one.name, "prompt": one.question, "options": list(one.choices)} for one in ABOUT],
        "scales": [{"name": scale.name, "prompt": f"{scale.name}: {scale.question}"} for scale in SCALES],
        "labels": list(CHOICES),
        "clips": [{"clip": clip.id, "audio": clip.address, "text": clip.text} for clip in survey.clips],
    }
    data = json.dumps(told, indent=1).replace("<", "\\u003c")  # so that it cannot close the script element
    page = _PAGE.replace("TITLE", TITLE).replace("DATA", data)
    steps = (
        "Put index.html and the folder clips on a web server; the page loads jsPsych from unpkg.com.",
        "Each listener's browser saves ratings.csv: let people send it, or save it on your server (jsPsych's manual).",
        "Put the files of all listeners into one folder, and give the folder.",
    )
    return Template({"index.html": page}, steps, {})


_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>TITLE</title>
  <script src="https://unpkg.com/jspsych@8.3.0"></script>
  <script src="https://unpkg.com/@jspsych/plugin-html-button-response@2.1.0"></script>
  <script src="https://unpkg.com/@jspsych/plugin-survey-multi-choice@2.2.1"></script>
  <script src="https://unpkg.com/@jspsych/plugin-survey-likert@2.2.0"></script>
  <link href="https://unpkg.com/jspsych@8.3.0/css/jspsych.css" rel="stylesheet">
</head>
<body></body>
<script>
const survey = DATA;
const escaped = (text) => new Option(text).innerHTML;
const jsPsych = initJsPsych({on_finish: () => jsPsych.data.get().localSave("csv", "ratings.csv")});
jsPsych.data.addProperties({subject: jsPsych.randomization.randomID(10)});
const about = {
  type: jsPsychSurveyMultiChoice,
  questions: survey.about.map((one) => ({...one, required: true})),
  on_finish: (data) => jsPsych.data.addProperties(data.response),
};
const clips = jsPsych.randomization.shuffle(survey.clips).map((one) => ({
  type: jsPsychSurveyLikert,
  preamble: `<audio controls src="${encodeURI(one.audio)}"></audio><p>Text: ${escaped(one.text)}</p>`,
  questions: survey.scales.map((scale) => ({...scale, labels: survey.labels, required: true})),
  data: {clip: one.clip},
}));
const start = {type: jsPsychHtmlButtonResponse, stimulus: escaped(survey.introduction), choices: ["Start"]};
jsPsych.run([start, about, ...clips]);
</script>
</html>
"""


LAYOUT = Layout("jspsych", "jsPsych", recognises, open_export, write)
