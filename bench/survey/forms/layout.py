"""Input and output of the readers of tools' exports."""

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
    """Rows that are not answers, for one reason: lines of the file, and their content."""

    reason: str
    column: str
    lines: Sequence[int]
    found: Sequence[str]


@dataclass(frozen=True)
class Request:
    """What the caller gave about a file.

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
        """Check that only columns were named that the tool's layout does not fix.

        Args:
            table: the file, for the message.
            tool: the tool or layout, for the message.
            *allowed: roles whose columns may be named.

        Raises:
            UsageError: another was named.
        """
        for role, name in self.given.items():
            if role not in allowed:
                raise UsageError(
                    f"--column {role}={name}: {table.path} is read as {tool} with a clip map, which gives the {role}; "
                    f"only {' and '.join(allowed)} may be named"
                )


@dataclass(frozen=True)
class Opened:
    """A file converted to rows with one answer, or the answers of one clip.

    Attributes:
        table: the rows; columns are recognized by ``roles`` first, then by name.
        roles: columns of the table by their role.
        answers: the file's column of each row's answer, if rows were columns before.
        sources: the file's columns of roles that have another name in the table.
        notes: assumptions, one sentence each.
        left_out: rows that are not answers.
        controls: models for checks of listeners.
        ranges: lowest and highest possible rating, if the tool has a single rating scale.
        scales: columns of ratings, one per scale, if the layout knows them.
        question: the question if the columns cannot be recognized.
        listener_columns: further facts about listeners: by column, then by listener.
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
        name: name for the option ``--layout``.
        tool: name in messages.
        recognises: whether the table is certainly from this tool, by columns that only it writes.
        open: converts it to rows.
        write: writes a survey's questions for this tool.
    """

    name: str
    tool: str
    recognises: Callable[[TextTable], bool]
    open: Callable[[TextTable, Request], Opened]
    write: Callable[[Questionnaire], Template] | None = None


def map_question(table: TextTable, kind: str, names: Sequence[str], key: str) -> SurveyQuestion:
    """Return a question for a clip map.

    Args:
        table: the file.
        kind: what the file is, as the subject of a sentence.
        names: of the clips, files or questions that the map must have.
        key: the map's column for them: ``clip``, ``file`` or ``question``.
    """
    count = len(dict.fromkeys(names))
    rows = f"a row for {shown(names)}" if count == 1 else f"a row for each of {count}: {shown(names)}"
    return SurveyQuestion(
        f"{table.path}: {kind} does not say which prompt and model each clip is; write clips.csv with the columns "
        f"{key},prompt,model (optionally genre, scale, seed) and {rows if count else 'a row for each clip'}",
        ["--clips", "clips.csv"],
    )


def leave_out(table: TextTable, column: str, bad: Sequence[bool], reason: str) -> tuple[TextTable, tuple[LeftOut, ...]]:
    """Return the table without the bad rows, and these rows.

    Args:
        table: the table.
        column: whose content is shown for the rows left out.
        bad: whether each row is left out, shape (rows,).
        reason: why.
    """
    if not any(bad):
        return table, ()
    out = table.where(bad)
    return table.where([not row for row in bad]), (LeftOut(reason, column, out.lines, out.column(column)),)


def listener_column(table: TextTable, request: Request, *usual: str) -> str | None:
    """Return the column that identifies listeners: the given one, one with a usual name, or a tool's own if filled.

    Args:
        table: the file.
        request: what the caller gave.
        *usual: the tool's own columns in any case, the best first.

    Returns:
        Its name; None if no column tells listeners apart.

    Raises:
        SurveyQuestion: several have usual names.
    """
    if "listener" in request.given:
        return request.given["listener"]
    named = columns_of("listener", table.header)
    if len(named) > 1:
        raise SurveyQuestion(
            f"{table.path}: several columns may identify the listeners: {', '.join(named)}",
            *(["--column", f"listener={name}"] for name in named),
        )
    own = {name.lower(): name for name in table.header}
    usable = [own[name.lower()] for name in usual if name.lower() in own]
    return next((name for name in (*named, *usable) if _tells_apart(table.column(name))), None)


def _tells_apart(cells: Sequence[str]) -> bool:
    return all(cells) and not all(cell.lower() == "anonymous" for cell in cells)
