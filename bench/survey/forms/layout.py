"""What the reader of a tool's export receives and gives back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.errors import UsageError
from bench.survey.forms.clip_map import ClipMap, shown
from bench.survey.forms.column_names import columns_of
from bench.survey.forms.questionnaire import Questionnaire, Template
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion


class LeftOut(NamedTuple):
    """Rows that are no answers of the survey, all for one reason: lines of the file, and what stands there."""

    reason: str
    column: str
    lines: Sequence[int]
    found: Sequence[str]


@dataclass(frozen=True)
class Request:
    """What the caller said about a file.

    Attributes:
        clips: the clip map.
        given: columns of the file by their role.
        models: the models to compare, in order.
        scales: the scales to read.
    """

    clips: ClipMap | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    models: Sequence[str] | None = None
    scales: Collection[str] | None = None

    def refuse_columns(self, table: TextTable, tool: str, *allowed: str) -> None:
        """Check that only columns were named that the reader of a tool leaves open.

        Raises:
            UsageError: another was.
        """
        for role, name in self.given.items():
            if role not in allowed:
                raise UsageError(
                    f"--column {role}={name}: {table.path} is read as {tool} with a clip map, which says the {role}; "
                    f"only {' and '.join(allowed)} may be named"
                )


@dataclass(frozen=True)
class Opened:
    """A file brought into rows that each hold one answer, or the answers of one clip.

    Attributes:
        table: the rows; their columns are told apart by ``roles`` first, and by what they are called.
        roles: columns of the table by their role.
        answers: the file's column of each row's answer, where the rows were columns before.
        sources: the file's columns of roles that the table calls otherwise.
        notes: what was assumed, a sentence each.
        left_out: rows that are no answers.
        controls: models that are there to test the listeners.
        ranges: lowest and highest possible rating of scales that the tool has only one of.
        scales: columns of the table that hold ratings, a scale each, where the layout knows.
        question: what to ask where the columns cannot be told.
        listener_columns: what the file says about each listener besides: by column, then by listener.
    """

    table: TextTable
    roles: Mapping[str, str] = field(default_factory=dict)
    answers: Sequence[str] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    left_out: Sequence[LeftOut] = ()
    controls: frozenset[str] = frozenset()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    scales: Sequence[str] = ()
    question: SurveyQuestion | None = None
    listener_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Layout(NamedTuple):
    """The reader of one tool's exports.

    Attributes:
        name: for the option ``--layout``.
        tool: what it is called in messages.
        recognises: whether the table is certainly this tool's, by columns that only it writes.
        open: brings it into rows.
        write: writes a survey's questions for this tool.
    """

    name: str
    tool: str
    recognises: Callable[[TextTable], bool]
    open: Callable[[TextTable, Request], Opened]
    write: Callable[[Questionnaire], Template] | None = None


def map_question(table: TextTable, kind: str, names: Sequence[str], key: str) -> SurveyQuestion:
    """Ask for a clip map whose column ``key`` lists these names."""
    count = len(dict.fromkeys(names))
    rows = f"a row for {shown(names)}" if count == 1 else f"a row for each of {count}: {shown(names)}"
    return SurveyQuestion(
        f"{table.path}: {kind} does not say which prompt and model each clip is; write clips.csv with the columns "
        f"{key},prompt,model (and genre, scale, seed if you like) and {rows if count else 'a row for each clip'}",
        ["--clips", "clips.csv"],
    )


def leave_out(table: TextTable, column: str, bad: Sequence[bool], reason: str) -> tuple[TextTable, tuple[LeftOut, ...]]:
    """Return the table without its bad rows, and what they were."""
    if not any(bad):
        return table, ()
    out = table.where(bad)
    return table.where([not row for row in bad]), (LeftOut(reason, column, out.lines, out.column(column)),)


def listener_column(table: TextTable, request: Request, *usual: str) -> str | None:
    """The column that tells the listeners apart: the one named, one of a usual name, or a tool's own if it is filled.

    Raises:
        SurveyQuestion: several have a usual name.
    """
    if "listener" in request.given:
        return request.given["listener"]
    named = columns_of("listener", table.header)
    if len(named) > 1:
        raise SurveyQuestion(
            f"{table.path}: several columns may tell the listeners apart: {', '.join(named)}",
            *(["--column", f"listener={name}"] for name in named),
        )
    own = {name.lower(): name for name in table.header}
    usable = [own[name.lower()] for name in usual if name.lower() in own]
    return next((name for name in (*named, *usable) if _tells_apart(table.column(name))), None)


def _tells_apart(cells: Sequence[str]) -> bool:
    return all(cells) and not all(cell.lower() == "anonymous" for cell in cells)
