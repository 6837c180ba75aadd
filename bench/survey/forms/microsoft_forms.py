"""Microsoft Forms: "Open results in Excel", as .xlsx or saved as CSV.

Columns ID, Start time, Completion time, Email and Name (newer forms: Last modified time, too; quizzes: Total points,
Quiz feedback, and "Points - …" and "Feedback - …" beside each question), then a column per question with its text. A
Likert question has a column per statement, named by the statement only. Texts that occur twice are numbered: "Harmony2"
(Microsoft's support page "Check and share your form results"; exports of 2020 to 2026).
"""

from __future__ import annotations

from bench.survey.forms.layout import Layout, Opened, Request, listener_column
from bench.survey.forms.questionnaire import ABOUT, CHOICES, INTRODUCTION, SCALES, TITLE, Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey.forms.wide_table import open_wide

_OWN = frozenset(
    (
        *("id", "start time", "completion time", "email", "name", "last modified time", "total points"),
        *("quiz feedback", "language"),
    )
)


def recognises(table: TextTable) -> bool:
    """Return whether it has the columns of Microsoft Forms for start and completion times."""
    return {"id", "start time", "completion time"} <= {name.lower() for name in table.header}


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the ratings of each clip to rows; signed-in people are identified by e-mail, others by the ID.

    Raises:
        SurveyQuestion: as `listener_column` and `open_wide`.
        UsageError, DataError: as `open_wide`.
    """
    listener = listener_column(table, request, "Email", "ID")
    own = [name for name in table.header if name.lower() in _OWN or name.startswith(("Points - ", "Feedback - "))]
    return open_wide(table, request, LAYOUT.tool, listener, own)


def write(survey: Questionnaire) -> Template:
    """Write the questions as numbered text with lettered choices, which "Import" reads from a Word document."""
    lines = [TITLE, INTRODUCTION, ""]
    questions = [(f"{one.name}: {one.question}", one.choices) for one in ABOUT]
    for clip in survey.clips:
        questions += [(f"Clip {clip.id} [{scale.name}] {scale.question}", CHOICES) for scale in SCALES]
    for number, (question, choices) in enumerate(questions, 1):
        lines += [f"{number}. {question}", *(f"{chr(97 + at)}. {choice}" for at, choice in enumerate(choices)), ""]
    sounds = "".join(f"{clip.id}\t{clip.address}\t{clip.text}\n" for clip in survey.clips)
    steps = (
        "Paste questions.txt into a Word document, and choose 'Import' (Quick import) in Microsoft Forms.",
        "Put the address and the text of each clip, from sounds.tsv, into the subtitle of its questions.",
        "Afterwards: 'Open results in Excel', and give the .xlsx file or save it as CSV.",
    )
    return Template({"questions.txt": "\n".join(lines), "sounds.tsv": sounds}, steps, {})


LAYOUT = Layout("microsoft-forms", "Microsoft Forms", recognises, open_export, write)
