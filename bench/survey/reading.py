"""Read a survey file: the table, its columns, and the answers that count."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import DataError
from bench.paths import StrPath
from bench.survey.answer_rules import AnswerRules
from bench.survey.columns import ColumnQuestion, identify
from bench.survey.exclusions import screen
from bench.survey.forms.clip_map import read_clip_map
from bench.survey.forms.layout import Opened, Request
from bench.survey.forms.layouts import open_table
from bench.survey.forms.table import TextTable
from bench.survey.forms.table_file import read_table
from bench.survey.long_format import Identified
from bench.survey.rating_range import Range
from bench.survey.ratings import Exclusion, Preferences, Ratings
from bench.survey.row_filter import select_rows


def read_ratings(
    path: StrPath,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
    clips: StrPath | None = None,
    layout: str | None = None,
) -> Ratings:
    """Read a survey of ratings; the arguments and errors are those of `read_survey`.

    Raises:
        DataError: also if the file contains preferences.
    """
    return ratings_only(read_survey(path, columns, ranges, models, scales, rules, clips, layout), path)


def ratings_only(survey: Ratings | Preferences, path: StrPath) -> Ratings:
    """Return a survey after checking that it contains ratings.

    Raises:
        DataError: it contains preferences.
    """
    if not isinstance(survey, Ratings):
        raise DataError(f"{path}: contains preferences between two models, but ratings are needed")
    return survey


def read_survey(
    path: StrPath,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
    clips: StrPath | None = None,
    layout: str | None = None,
) -> Ratings | Preferences:
    """Read a file of a survey in any of the known layouts: CSV, TSV, Excel, JSON, JSON Lines or Parquet.

    Long: listener, prompt, model, scale, value, and optionally seed and genre. Wide: a column a scale instead of scale
    and value, or a column per model. Preferences: listener, prompt, a, b, choice. And the exports of survey tools, most
    of them with a clip map.

    Args:
        path: the file.
        columns: the file's names of the columns listener, prompt, model, scale, value, seed, genre, a, b and choice;
            others are guessed, with a note in ``notes``.
        ranges: lowest and highest possible rating, for all scales or by scale; guessed if not given.
        models: only these, in this order.
        scales: in the wide layout the columns of ratings; otherwise only these scales.
        rules: values of words, missing values, and rows that count.
        clips: a clip map (see `bench.survey.forms.clip_map`), for files that name clips, files or questions only.
        layout: the tool that wrote the file, a name of `bench.survey.forms.layouts.LAYOUTS`; recognized if not given.

    Raises:
        UsageError: a column, model or scale that was requested is not in the file.
        SurveyQuestion: the file can be read in more than one way.
        DataError: the file cannot be read, its columns cannot be recognized, or nothing is left to compare.
    """
    rules = rules or AnswerRules()
    table, left_out = select_rows(read_table(Path(path), number_repeated=True), rules.where)
    request = Request(read_clip_map(Path(clips)) if clips else None, columns or {}, models, scales)
    opened = open_table(table, request, layout)
    identified = _identify(opened, request)
    left_out += tuple(Exclusion(one.reason, one.column, tuple(one.lines), tuple(one.found)) for one in opened.left_out)
    identified = replace(
        identified,
        exclusions=(*_in_answers(left_out, identified), *identified.exclusions),
        unread=_unread(table, identified),
    )
    known = {scale: Range(*ends) for scale, ends in opened.ranges.items()}
    return screen(identified, ranges or known or None, models, scales, rules)


def _in_answers(left_out: Sequence[Exclusion], identified: Identified) -> Iterator[Exclusion]:
    """Yield left-out rows, repeated by the number of answers per row if that is constant."""
    answers = identified.records["line"].value_counts().unique()
    times = int(answers[0]) if len(answers) == 1 else 1
    for one in left_out:
        places = [place for place in zip(one.rows, one.found, strict=True) for _ in range(times)]
        yield replace(one, rows=tuple(row for row, _ in places), found=tuple(text for _, text in places))


def _unread(table: TextTable, identified: Identified) -> dict[str, dict[int, str]]:
    """Return the unused columns of the file, with values by line."""
    taken = {*identified.columns.values(), *identified.records["column"], *identified.listener_columns}
    names = [name for name in table.header if name and name not in taken]
    return {name: dict(zip(table.lines, table.column(name), strict=True)) for name in names}


def _identify(opened: Opened, request: Request) -> Identified:
    """Recognize the columns of a converted table, and name them as in the file."""
    header = opened.table.header
    given = {role: name for role, name in request.given.items() if name in header} | dict(opened.roles)
    try:
        found = identify(opened.table, given, request.scales or opened.scales or None)
    except (DataError, ColumnQuestion):
        if opened.question is None:
            raise
        raise opened.question from None
    records = found.records.assign(column=opened.answers) if opened.answers else found.records
    return replace(
        found,
        records=records,
        columns={**found.columns, **opened.sources},
        notes=(*opened.table.notes, *opened.notes, *found.notes),
        controls=found.controls | opened.controls,
        listener_columns={**found.listener_columns, **opened.listener_columns},
    )
