"""LimeSurvey: exported responses as CSV, Excel or JSON, with question codes or full question texts as headings.

With codes: id, submitdate, lastpage, startlanguage, seed, startdate, datestamp, …, then ``code`` and, for array
questions, ``code[subquestion]`` (or ``code_subquestion``, as in R's scripts). With full texts: "Response ID",
"Date submitted", "Last page", "Start language", …, then "Text" and "Text [Subquestion]". A response that was never
submitted has no submit date (LimeSurvey manual, "Export responses"; versions 2 to 6).
"""

from __future__ import annotations

import csv
import io
import re
from html import escape

from bench.survey.forms.layout import Layout, Opened, Request, leave_out, listener_column
from bench.survey.forms.questionnaire import ABOUT, INTRODUCTION, SCALES, TITLE, Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey.forms.wide_table import open_wide

_OWN = frozenset(
    (
        *("id", "submitdate", "lastpage", "startlanguage", "seed", "startdate", "datestamp", "ipaddr", "refurl"),
        *("token", "interviewtime", "response id", "date submitted", "last page", "start language", "date started"),
        *("date last action", "ip address", "referrer url", "access code", "total time"),
    )
)
_SIGNATURES = ({"submitdate", "lastpage"}, {"date submitted", "last page"})


def recognises(table: TextTable) -> bool:
    """Return whether it has the columns of LimeSurvey for the date and the last page."""
    header = {name.lower() for name in table.header}
    return any(signature <= header for signature in _SIGNATURES)


def open_export(table: TextTable, request: Request) -> Opened:
    """Convert the ratings of each clip to rows, and leave out responses that were not submitted.

    Raises:
        SurveyQuestion: as `listener_column` and `open_wide`.
        UsageError, DataError: as `open_wide`.
    """
    date = next(name for name in table.header if name.lower() in ("submitdate", "date submitted"))
    unfinished = [cell.lower() in ("", "n/a", "na", "null") for cell in table.column(date)]
    table, left_out = leave_out(table, date, unfinished, "response not submitted")
    listener = listener_column(table, request, "token", "access code", "id", "response id")
    timings = [name for name in table.header if name.lower().startswith(("grouptime", "question time", "group time"))]
    own = [name for name in table.header if name.lower() in _OWN]
    if not any("[" in name for name in table.header):  # code_subquestion
        named = [name if name in own else re.sub(r"_([^_]+)$", r"[\1]", name) for name in table.header]
        table = table._replace(header=named)
    return open_wide(table, request, LAYOUT.tool, listener, (*own, *timings), left_out)


_COLUMNS = ("class", "type/scale", "name", "relevance", "text", "help", "language", "mandatory", "random_group")


def write(survey: Questionnaire) -> Template:
    """Write a survey structure as tab-separated values: a five-point array per clip, with a subquestion per scale.

    The format is that of the manual's page "Tab Separated Value survey structure", as import_helper.php reads it. Clips
    come in a different order for each listener.
    """
    rows: list[dict[str, str]] = [
        {"class": "S", "name": "language", "text": "en"},
        {"class": "S", "name": "format", "text": "G"},
        {"class": "SL", "name": "surveyls_title", "text": TITLE, "language": "en"},
        {"class": "SL", "name": "surveyls_welcometext", "text": INTRODUCTION, "language": "en"},
        {"class": "G", "name": "About you", "relevance": "1", "language": "en"},
    ]
    for one in ABOUT:
        rows.append(_question("L", one.code, one.question))
        rows += [
            {"class": "A", "type/scale": "0", "name": f"A{at}", "text": choice, "language": "en"}
            for at, choice in enumerate(one.choices, 1)
        ]
    for clip in survey.clips:
        rows.append(
            {"class": "G", "name": f"Clip {clip.id}", "relevance": "1", "language": "en", "random_group": "clips"}
        )
        sound = f'<audio controls src="{escape(clip.address)}"></audio>'
        rows.append(_question("A", clip.id, f"Clip {clip.id}<br />{sound}<br />Text: {escape(clip.text)}"))
        rows += [
            {
                "class": "SQ",
                "type/scale": "0",
                "name": scale.code,
                "relevance": "1",
                "text": scale.name,
                "language": "en",
            }
            for scale in SCALES
        ]
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, _COLUMNS, restval="", delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    steps = (
        "Create a survey, choose Import, and give survey.txt; clips then come in random order.",
        "If no players appear, the global setting 'Filter HTML for XSS' takes them out.",
        "Afterwards: Responses, Export, as CSV or Excel, with question codes or full question texts.",
    )
    return Template({"survey.txt": buffer.getvalue()}, steps, {scale.code: scale.name for scale in SCALES})


def _question(kind: str, code: str, text: str) -> dict[str, str]:
    return {
        "class": "Q",
        "type/scale": kind,
        "name": code,
        "relevance": "1",
        "text": text,
        "language": "en",
        "mandatory": "Y",
    }


LAYOUT = Layout("limesurvey", "LimeSurvey", recognises, open_export, write)
