"""SurveyMonkey: "All individual responses" as CSV or .xlsx, with its two header rows.

Respondent ID, Collector ID, Start Date, End Date, IP Address, Email Address, First Name, Last Name, Custom Data 1, then
a column per question, or per row of a matrix: the first header row has the question above the first of them
only, the second the row's text, or "Response" (help page "Exporting Survey Results"; exports of 2016 to 2026).
"""

from __future__ import annotations

from bench.survey.forms.layout import Layout, Opened, Request, listener_column
from bench.survey.forms.questionnaire import ABOUT, CHOICES, SCALES, Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey.forms.wide_table import open_wide

_OWN = frozenset(
    (
        *("respondent id", "collector id", "start date", "end date", "date created", "date modified", "ip address"),
        *("email address", "first name", "last name", "custom data 1", "custom data"),
    )
)


def recognises(table: TextTable) -> bool:
    """Return whether the first two columns are those of SurveyMonkey."""
    return [name.lower() for name in table.header[:2]] == ["respondent id", "collector id"]


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the ratings of each clip to rows.

    Raises:
        SurveyQuestion: as `listener_column` and `open_wide`.
        UsageError, DataError: as `open_wide`.
    """
    listener = listener_column(table, request, table.header[0])
    return open_wide(table, request, LAYOUT.tool, listener, [name for name in table.header if name.lower() in _OWN])


def write(survey: Questionnaire) -> Template:
    """Write the questions as text, each above its choices, separated by blank lines."""
    questions = [(f"{one.name}: {one.question}", one.choices) for one in ABOUT]
    for clip in survey.clips:
        questions += [(f"Clip {clip.id} [{scale.name}] {scale.question}", CHOICES) for scale in SCALES]
    text = "\n\n".join("\n".join((question, *choices)) for question, choices in questions)
    sounds = "".join(f"{clip.id}\t{clip.address}\t{clip.text}\n" for clip in survey.clips)
    steps = (
        "Make a survey by 'Copy and paste a survey', and paste questions.txt.",
        "Put the address and the text of each clip, from sounds.tsv, above its questions.",
        "Afterwards: Analyze results, Export all, 'All individual responses' as CSV, with actual answer text.",
    )
    return Template({"questions.txt": text + "\n", "sounds.tsv": sounds}, steps, {})


LAYOUT = Layout("surveymonkey", "SurveyMonkey", recognises, open_export, write)
