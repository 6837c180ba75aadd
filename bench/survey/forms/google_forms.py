"""Google Forms: responses as CSV, from the form itself or its linked sheet.

The first column is the time stamp, named in the form's language, then "Email Address" or "Username" where the form
collects them, then a column a question under its text; a row of a grid is "Question [Row]" (Google's help pages "View
& manage form responses" and "Choose where to save form responses"; exports of 2026).
"""

from __future__ import annotations

from bench.survey.forms.layout import Layout, Opened, Request, listener_column
from bench.survey.forms.table_file import TextTable
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
    """Whether the first column is the time stamp that Google Forms writes."""
    return table.header[0].lower() in _TIMESTAMP


def open_export(table: TextTable, request: Request) -> Opened:
    """Bring the ratings of each clip into rows."""
    listener = listener_column(table, request, *_EMAIL)
    return open_wide(table, request, LAYOUT.tool, listener, (table.header[0], *_EMAIL, "Score"))


LAYOUT = Layout("google-forms", "Google Forms", recognises, open_export)
