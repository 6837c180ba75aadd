"""LimeSurvey: exported responses as CSV, Excel or JSON, with question codes or full question texts as headings.

With codes: id, submitdate, lastpage, startlanguage, seed, startdate, datestamp, …, then ``code`` and, of array
questions, ``code[subquestion]`` (or ``code_subquestion``, as R's scripts have it). With full texts: "Response ID",
"Date submitted", "Last page", "Start language", …, then "Text" and "Text [Subquestion]". A response that was never
submitted has no submit date (LimeSurvey manual, "Export responses"; versions 2 to 6).
"""

from __future__ import annotations

from bench.survey.forms.layout import Layout, Opened, Request, leave_out, listener_column
from bench.survey.forms.table_file import TextTable
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
    """Whether it has the columns in which LimeSurvey notes the date and the last page."""
    header = {name.lower() for name in table.header}
    return any(signature <= header for signature in _SIGNATURES)


def open_export(table: TextTable, request: Request) -> Opened:
    """Bring the ratings of each clip into rows, and leave out responses that were not submitted."""
    date = next(name for name in table.header if name.lower() in ("submitdate", "date submitted"))
    unfinished = [cell.lower() in ("", "n/a", "na", "null") for cell in table.column(date)]
    table, left_out = leave_out(table, date, unfinished, "response not submitted")
    listener = listener_column(table, request, "token", "access code", "id", "response id")
    timings = [name for name in table.header if name.lower().startswith(("grouptime", "question time", "group time"))]
    own = [name for name in table.header if name.lower() in _OWN]
    return open_wide(table, request, LAYOUT.tool, listener, (*own, *timings), left_out)


LAYOUT = Layout("limesurvey", "LimeSurvey", recognises, open_export)
