"""Tables with a row per listener and prompt, and a column of ratings per model."""

from __future__ import annotations

from collections.abc import Sequence

from bench.survey.forms.candidate_columns import column_a_model_question
from bench.survey.forms.column_names import ABOUT_ROWS, SCALE_WORDS, columns_of, plain
from bench.survey.forms.layout import Opened, Request
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion

_WIDEST = ((0.0, 1.0), (1.0, 5.0), (1.0, 7.0), (0.0, 10.0), (0.0, 100.0))


def open_model_columns(table: TextTable, request: Request) -> Opened | None:
    """Convert columns of models to rows of ratings; None if the table is of another kind.

    It is of this kind if listener and prompt have columns, model and rating have none, and all other numeric columns
    are on one rating scale; or if ``models`` names columns.

    Raises:
        SurveyQuestion: there are such columns, but not on one scale, so some may be something else; or another
            column may name the model of each row, so these may be scales.
    """
    taken = dict(request.given)
    for role in ("listener", "prompt", "genre", "seed"):
        if role not in taken and len(found := columns_of(role, table.header)) == 1:
            taken[role] = found[0]
    if not {"listener", "prompt"} <= taken.keys() or {"model", "value", "a", "b", "choice"} & taken.keys():
        return None
    free = [name for name in table.header if name and name not in taken.values()]
    if any(columns_of(role, free) for role in ("model", "value", "scale", "a", "b", "choice")):
        return None
    if request.models and set(request.models) <= set(free):
        return _long(table, taken, list(request.models))
    numbers = [name for name in free if plain(name) not in ABOUT_ROWS and _numbers(table, name)]
    if len(numbers) < 2 or any(plain(name) in SCALE_WORDS for name in numbers):
        return None
    if question := column_a_model_question(table, taken, numbers):
        raise question
    spans = {name: _span(_numbers(table, name)) for name in numbers}
    if len(set(spans.values())) > 1:
        raise SurveyQuestion(
            f"{table.path}: {', '.join(numbers)} may be columns of ratings, one per model, but are not on one rating "
            "scale; name those that are models",
            ["--models", ",".join(numbers)],
        )
    return _long(table, taken, numbers)


def _numbers(table: TextTable, name: str) -> list[float]:
    """Return the numbers of a column; empty unless all non-empty cells are numbers."""
    found = [table.number(cell) for cell in table.column(name) if cell]
    numbers = [number for number in found if number is not None]
    return numbers if len(numbers) == len(found) else []


def _span(numbers: Sequence[float]) -> tuple[float, float] | None:
    """Return the narrowest usual rating scale that contains the numbers."""
    return next((span for span in _WIDEST if span[0] <= min(numbers) and max(numbers) <= span[1]), None)


def _long(table: TextTable, taken: dict[str, str], models: Sequence[str]) -> Opened:
    kept: list[str] = [role for role in ("listener", "prompt", "genre", "seed", "scale") if role in taken]
    rows, lines, answers = [], [], []
    for line, row in zip(table.lines, table.rows, strict=True):
        cells = dict(zip(table.header, row, strict=True))
        for model in models:
            rows.append([*(cells[taken[role]] for role in kept), model, cells[model]])
            lines.append(line)
            answers.append(model)
    header = [*kept, "model", "value"]
    unread = [name for name in table.header if name and name not in taken.values() and name not in models]
    notes = [f"A model each: {', '.join(models)}."] + ([f"Columns not read: {', '.join(unread)}."] if unread else [])
    long = TextTable(table.path, header, rows, lines, table.decimal_comma)
    sources = {str(role): taken[role] for role in kept}
    return Opened(long, {name: name for name in header}, answers, sources, notes)
