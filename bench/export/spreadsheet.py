"""CSV that a spreadsheet opens without computing anything, and that every reader takes apart into the same rows.

Sources: OWASP, "CSV Injection"; RFC 4180 (2005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8; numbers stay numbers, and what is missing is an empty field.

    A text, or a name of a column, that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break is preceded by an
    apostrophe.
    """
    import pandas as pd

    safe = table.rename(columns=guarded)
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(guarded, na_action="ignore")
    # Only with the line ends of RFC 4180 is a lone carriage return within a text quoted, too.
    return str(safe.to_csv(index=False, lineterminator="\r\n")).encode()


def guarded(value: Any) -> Any:
    """A text as a spreadsheet shows it unchanged; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
