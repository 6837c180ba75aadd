"""Qualtrics: "Export data" as CSV or TSV, with its three header rows.

StartDate, EndDate, Status, IPAddress, Progress, Duration (in seconds), Finished, RecordedDate, ResponseId, …, then a
column a question (``Q1``) or row of a matrix (``Q1_1``, whose label is "Question - Row"). Finished is True or 1; Status
is "IP Address" or 0 for answers, and "Survey Preview" or 1 for previews by the survey's author (support page
"Understanding Your Dataset"; exports since 2017).
"""

from __future__ import annotations

from html import escape

from bench.survey.forms.layout import Layout, LeftOut, Opened, Request, leave_out, listener_column
from bench.survey.forms.questionnaire import ABOUT, CHOICES, INTRODUCTION, SCALES, Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey.forms.wide_table import open_wide

_OWN = (
    *("StartDate", "EndDate", "Status", "IPAddress", "Progress", "Duration (in seconds)", "Finished", "RecordedDate"),
    *("ResponseId", "RecipientLastName", "RecipientFirstName", "RecipientEmail", "ExternalReference"),
    *("LocationLatitude", "LocationLongitude", "DistributionChannel", "UserLanguage", "Q_RecaptchaScore"),
    *("Q_TotalDuration", "Q_BallotBoxStuffing", "Q_DuplicateRespondent", "Q_RelevantIDDuplicate"),
)


def recognises(table: TextTable) -> bool:
    """Return whether a table had Qualtrics' header rows, or has the columns of a response."""
    header = set(table.header)
    return "ResponseId" in header and (bool(table.labels) or {"Finished", "Progress"} <= header)


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the ratings of each clip to rows, and leave out unfinished responses and previews.

    Raises:
        SurveyQuestion: as `listener_column` and `open_wide`.
        UsageError, DataError: as `open_wide`.
    """
    left_out: list[LeftOut] = []
    for column, bad, reason in (
        ("Finished", ("false", "0"), "response not finished"),
        ("Status", ("survey preview", "1", "survey test", "4"), "a preview or test of the survey"),
    ):
        if column in table.header:
            found = [cell.lower() in bad for cell in table.column(column)]
            table, out = leave_out(table, column, found, reason)
            left_out.extend(out)
    listener = listener_column(table, request, "PROLIFIC_PID", "ResponseId")
    timings = [
        name for name in table.header if name.endswith(("_First Click", "_Last Click", "_Page Submit", "_Click Count"))
    ]
    return open_wide(table, request, LAYOUT.tool, listener, (*_OWN, *timings), left_out)


def write(survey: Questionnaire) -> Template:
    """Write a survey in Qualtrics' advanced TXT format: a matrix per clip with a row per scale, in a block per clip."""
    answers = "".join(f"[[Answer:{choice}]]\n{choice}\n" for choice in CHOICES)
    rows = "".join(f"[[Choice:{at}]]\n{scale.name}\n" for at, scale in enumerate(SCALES, 1))
    parts = ["[[AdvancedFormat]]\n", "[[Block:About you]]\n", f"[[Question:DB]]\n{INTRODUCTION}\n"]
    for one in ABOUT:
        choices = "\n".join(one.choices)
        parts.append(
            f"[[Question:MC:SingleAnswer:Vertical]]\n[[ID:{one.code}]]\n{one.question}\n[[Choices]]\n{choices}\n"
        )
    for clip in survey.clips:
        sound = f'<audio controls src="{escape(clip.address)}"></audio>'
        question = f"Clip {clip.id}<br>{sound}<br>Text: {escape(clip.text)}"
        parts.append(f"[[Block:{clip.id}]]\n")
        parts.append(
            f"[[Question:Matrix]]\n[[ID:{clip.id}]]\n{question}\n[[AdvancedChoices]]\n{rows}[[AdvancedAnswers]]\n{answers}"
        )
    steps = (
        "Make a survey, then Tools, Import/Export, 'Import survey', and choose survey.txt.",
        "In the survey flow put the blocks c… into a Randomizer, so that each listener gets a different order.",
        "Afterwards: Data & Analysis, Export & Import, 'Export data' as CSV, with numeric values or choice text.",
    )
    return Template({"survey.txt": "\n".join(parts)}, steps, {})


LAYOUT = Layout("qualtrics", "Qualtrics", recognises, open_export, write)
