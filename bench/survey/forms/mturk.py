"""Amazon Mechanical Turk: the batch results as CSV, and those of its open-source twin Turkle.

HITId, HITTypeId, …, AssignmentId, WorkerId, AssignmentStatus, …, ``Input.NAME`` for each variable of the batch, and
``Answer.NAME`` for each field of the form; in files for review also Approve and Reject, which holds the reason. A radio
group of Crowd HTML Elements fills ``Answer.NAME.1``, ``Answer.NAME.2``, … with true and false, or all answers are
JSON in ``Answer.taskAnswers`` (Requester UI Guide, API version 2017-01-17).

Several clips in one HIT are distinguished by a number at the end of their variables and fields: ``Input.clip1`` belongs
to ``Answer.Harmony1``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from html import escape

from bench.errors import DataError
from bench.survey.forms.clip_rows import by_map, by_names, clip_column, unknown_clips
from bench.survey.forms.layout import Layout, LeftOut, Opened, Request, leave_out, map_question
from bench.survey.forms.questionnaire import ABOUT, CHOICES, INTRODUCTION, SCALES, TITLE, Questionnaire, Template
from bench.survey.forms.table import TextTable, written

_NUMBERED = re.compile(r"(.*[^\d._-])[._-]?(\d+)")


def recognises(table: TextTable) -> bool:
    """Return whether a table has the columns of assignments, and of their variables or answers."""
    return {"HITId", "WorkerId"} <= set(table.header) and any(name.startswith("Answer.") for name in table.header)


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert each clip of an assignment to a row, and leave out rejected assignments.

    Raises:
        SurveyQuestion: the prompt and model of a clip are unknown.
        UsageError: the caller named a column that the clip map replaces.
        DataError: answers in JSON cannot be read, or no HIT is about a clip of the map.
    """
    left_out: list[LeftOut] = []
    for column, rejected in (("AssignmentStatus", lambda cell: cell.lower() == "rejected"), ("Reject", bool)):
        if column in table.header:
            table, out = leave_out(table, column, [rejected(cell) for cell in table.column(column)], "rejected")
            left_out.extend(out)
    listener = request.given.get("listener", "WorkerId")
    fields = [_fields(table, row, listener) for row in table.rows]
    clips, names, lines = [], {}, []
    for line, row in zip(table.lines, fields, strict=True):
        for cells in _by_clip(row):
            clips.append(cells)
            lines.append(line)
            names.update(dict.fromkeys(cells))
    rows = [[cells.get(name, "") for name in names] for cells in clips]
    plain = table._replace(header=list(names), rows=rows, lines=lines, labels=())
    opened = by_map(plain, request, request.clips) if request.clips else by_names(plain, request)
    if opened is None and request.clips is not None:
        raise unknown_clips(plain, request.clips)
    if opened is None:
        clip = clip_column(plain)
        named = plain.column(clip) if clip else []
        question = map_question(table, "a batch of Mechanical Turk", named, "file")
        return Opened(plain, {"listener": "listener"}, left_out=left_out, question=question)
    roles = {**opened.roles, "listener": "listener"}
    sources = {**opened.sources, "listener": listener}
    notes = ("Read as the results of a batch of Mechanical Turk.", *opened.notes)
    return replace(opened, roles=roles, sources=sources, notes=notes, left_out=[*left_out, *opened.left_out])


def _fields(table: TextTable, row: list[str], listener: str) -> dict[str, str]:
    """Return the variables and answers of an assignment, by their names without "Input." and "Answer."."""
    found: dict[str, str] = {}
    for name, cell in zip(table.header, row, strict=True):
        kind, _, field = name.partition(".")
        if kind == "Answer" and field == "taskAnswers":
            found |= _task_answers(table, cell)
        elif kind in ("Input", "Answer") and field:
            found[field] = cell
        if name == listener:
            found["listener"] = cell
    return _chosen(found)


def _task_answers(table: TextTable, cell: str) -> dict[str, str]:
    """Parse the JSON of Crowd HTML Elements: a list of one object with radio groups as {"1": false, "2": true}."""
    try:
        told = json.loads(cell or "[{}]")
        entries = told[0] if isinstance(told, list) else told
        found = {}
        for name, value in dict(entries).items():
            group = isinstance(value, Mapping) and [key for key, on in value.items() if on is True]
            found[str(name)] = str(group[0]) if group else "" if isinstance(value, Mapping) else written(value)
    except (ValueError, TypeError, IndexError) as error:
        raise DataError(f"{table.path}: Answer.taskAnswers is not the JSON of Crowd HTML Elements ({error})") from None
    return found


def _chosen(fields: Mapping[str, str]) -> dict[str, str]:
    """Return radio groups with a column per choice as one answer: the true choice."""
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for name, cell in fields.items():
        group, dot, choice = name.rpartition(".")
        if dot and cell.lower() in ("true", "false"):
            groups[group][choice] = cell.lower()
    found = {name: cell for name, cell in fields.items() if name.rpartition(".")[0] not in groups}
    for group, choices in groups.items():
        found[group] = next((choice for choice, on in choices.items() if on == "true"), "")
    return found


def _by_clip(fields: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the fields of each clip: those with its number, and those without any; a single clip has no number."""
    numbered: dict[str, dict[str, str]] = defaultdict(dict)
    shared: dict[str, str] = {}
    for name, cell in fields.items():
        if match := _NUMBERED.fullmatch(name):
            numbered[match[2]][match[1]] = cell
        else:
            shared[name] = cell
    if len(numbered) < 2 or len({frozenset(cells) for cells in numbered.values()}) > 1:
        return [dict(fields)]
    return [{**shared, **cells} for cells in numbered.values()]


def write(survey: Questionnaire) -> Template:
    """Write the batch's variables as CSV, a HIT per clip, and the layout of the form as HTML."""
    buffer = io.StringIO()
    batch = csv.writer(buffer, lineterminator="\n")
    batch.writerow(["clip", "audio", "text"])
    # The tool inserts them into the page unescaped.
    batch.writerows([clip.id, escape(clip.address), escape(clip.text)] for clip in survey.clips)
    groups = [
        *((one.question, one.code.lower(), one.choices) for one in ABOUT),
        *((f"{scale.name}: {scale.question}", scale.code.lower(), CHOICES) for scale in SCALES),
    ]
    fields = "".join(
        f"  <p>{escape(question)}</p>\n"
        + "".join(
            f'  <label><input type="radio" name="{code}" value="{escape(choice)}" required> {escape(choice)}</label>\n'
            for choice in choices
        )
        for question, code, choices in groups
    )
    layout = f"""\
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <h2>{escape(TITLE)}</h2>
  <p>{escape(INTRODUCTION)}</p>
  <audio controls src="${{audio}}"></audio>
  <p>Text: ${{text}}</p>
{fields}</crowd-form>
"""
    steps = (
        "Create a project from 'Survey', and put layout.html into its design layout.",
        "Publish a batch with batch.csv, one HIT per clip; as many assignments as you want listeners for each clip.",
        "Afterwards: Manage, Results, 'Download CSV'. Rejected assignments are left out.",
    )
    codes = {scale.code.lower(): scale.name for scale in SCALES}
    return Template({"batch.csv": buffer.getvalue(), "layout.html": layout}, steps, codes)


LAYOUT = Layout("mturk", "Amazon Mechanical Turk", recognises, open_export, write)
