"""Google Forms: responses as CSV, from the form itself or its linked sheet.

The first column is the time stamp, named in the form's language, then "Email Address" or "Username" if the form
collects them, then a column per question with its text; a row of a grid is "Question [Row]" (Google's help pages "View
& manage form responses" and "Choose where to save form responses"; exports of 2026).
"""

from __future__ import annotations

import json

from bench.survey.forms.layout import Layout, Opened, Request, listener_column
from bench.survey.forms.questionnaire import ABOUT, CHOICES, INTRODUCTION, SCALES, TITLE, Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey.forms.wide_table import open_wide

_TIMESTAMP = frozenset(
    (
        *("timestamp", "zeitstempel", "horodateur", "marca temporal", "carimbo de data/hora", "tijdstempel"),
        *(
            "informazioni cronologiche",
            "sygnatura czasowa",
            "отметка времени",
            "タイムスタンプ",
            "타임스탬프",
            "时间戳记",
        ),
    )
)
_EMAIL = ("Email Address", "Email address", "Username", "E-Mail-Adresse", "Nutzername", "Adresse e-mail")


def recognises(table: TextTable) -> bool:
    """Return whether the first column is the time stamp of Google Forms."""
    return table.header[0].lower() in _TIMESTAMP


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the ratings of each clip to rows.

    Raises:
        SurveyQuestion: as `listener_column` and `open_wide`.
        UsageError, DataError: as `open_wide`.
    """
    listener = listener_column(table, request, *_EMAIL)
    return open_wide(table, request, LAYOUT.tool, listener, (table.header[0], *_EMAIL, "Score"))


def write(survey: Questionnaire) -> Template:
    """Write an Apps Script that makes the form: a grid per clip, with a row per scale."""
    clips = [[f"Clip {clip.id}", f"{clip.address}\nText: {clip.text}"] for clip in survey.clips]
    about = [[one.name, one.question, list(one.choices)] for one in ABOUT]
    scales = [f"{scale.name}" for scale in SCALES]
    help_text = "\n".join(f"{scale.name}: {scale.question}" for scale in SCALES)
    script = f"""\
// Paste into a new project at script.google.com and run makeForm once; the log shows the form's address.
function makeForm() {{
  const form = FormApp.create({json.dumps(TITLE)});
  form.setDescription({json.dumps(f"{INTRODUCTION} {help_text}")});
  for (const [title, help, choices] of {json.dumps(about)}) {{
    form.addMultipleChoiceItem().setTitle(title).setHelpText(help).setChoiceValues(choices).setRequired(true);
  }}
  for (const [title, help] of {json.dumps(clips, indent=1)}) {{
    form.addPageBreakItem().setTitle(title);
    form.addGridItem().setTitle(title).setHelpText(help).setRows({json.dumps(scales)})
      .setColumns({json.dumps(list(CHOICES))}).setRequired(true);
  }}
  Logger.log(form.getPublishedUrl());
}}
"""
    steps = (
        "Open script.google.com, make a new project, paste form.gs, and run makeForm.",
        "Each clip is a page of the form with the address of its audio.",
        "Afterwards: Responses, then 'Download responses (.csv)', and unpack it.",
    )
    return Template({"form.gs": script}, steps, {})


LAYOUT = Layout("google-forms", "Google Forms", recognises, open_export, write)
