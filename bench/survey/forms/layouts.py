"""The supported layouts of survey files, and their detection."""

from __future__ import annotations

import re
from dataclasses import replace

from bench.errors import DataError, UsageError, suggestion
from bench.survey.forms import (
    beaqlejs,
    google_forms,
    jspsych,
    limesurvey,
    microsoft_forms,
    mturk,
    qualtrics,
    surveymonkey,
    webmushra,
)
from bench.survey.forms.candidate_columns import model_question, prompt_and_model_question, usual_columns
from bench.survey.forms.clip_rows import by_map, by_names, clip_column
from bench.survey.forms.column_names import columns_of
from bench.survey.forms.layout import Layout, Opened, Request, listener_column, map_question
from bench.survey.forms.model_columns import open_model_columns
from bench.survey.forms.table import PART, TextTable
from bench.survey.forms.vote_sides import side_question
from bench.survey.forms.wide_table import clip_text, open_wide
from bench.survey_question import SurveyQuestion


def _any_table(table: TextTable) -> bool:
    """Return False, as no tool is certain to have written it."""
    del table
    return False


def open_plain(table: TextTable, request: Request) -> Opened:
    """Convert a table of no certain tool to rows: clips in cells or columns, a model per column, or rows as they are.

    Raises:
        SurveyQuestion: it can be read in several ways, or the clip map lacks clips.
        UsageError: the caller named a column that the clip map replaces.
        DataError: it has no clip of the clip map.
    """
    if request.clips is not None:
        opened = by_map(table, request, request.clips)
        return opened or open_wide(table, request, "a column a clip", listener_column(table, request, PART))
    opened = open_model_columns(table, request) or by_names(table, request)
    opened = opened or Opened(table, question=_question(table, request))
    if PART in table.header and not columns_of("listener", table.header):
        return replace(opened, roles={"listener": PART, **opened.roles})
    return opened


def _question(table: TextTable, request: Request) -> SurveyQuestion | None:
    """Return a question about model columns, or for a clip map if clips are in a column or in numeric columns.

    None if there is nothing to propose.
    """
    known = usual_columns(table, request.given)
    if question := side_question(table, known):
        return question
    if {"model", "a", "b"} & known.keys() or any(columns_of(role, table.header) for role in ("model", "a", "b")):
        return None
    column = clip_column(table)
    about = None
    if column is not None:
        about = map_question(table, f"the column '{column}'", table.column(column), "clip")
    if "prompt" in known:
        about = model_question(table, known, about)
    if about is not None:
        return about
    if question := prompt_and_model_question(table, known):
        return question
    ratings = [
        name for name in table.header if name and all(re.fullmatch(r"\d{0,3}", cell) for cell in table.column(name))
    ]
    if len(ratings) < 4 or len(table.rows) < 2 or columns_of("prompt", table.header):
        return None
    return map_question(table, "a column a clip", [clip_text(name) for name in ratings], "question")


_TOOLS = (
    *(google_forms.LAYOUT, microsoft_forms.LAYOUT, limesurvey.LAYOUT, qualtrics.LAYOUT, surveymonkey.LAYOUT),
    *(mturk.LAYOUT, jspsych.LAYOUT, beaqlejs.LAYOUT, webmushra.LAYOUT),
)
LAYOUTS = {tool.name: tool for tool in (*_TOOLS, Layout("table", "a table", _any_table, open_plain))}


def open_table(table: TextTable, request: Request, layout: str | None = None) -> Opened:
    """Convert a file to rows with one answer each, by the layout of the tool that wrote it.

    Args:
        table: the file.
        request: what the caller gave about it.
        layout: a name of `LAYOUTS`; recognized if not given.

    Raises:
        UsageError: there is no such layout or column.
        SurveyQuestion: several tools may have written it, or the layout is ambiguous.
        DataError: it lacks what its layout needs.
    """
    for role, name in request.given.items():
        if name not in table.header:
            raise UsageError(
                f"--column {role}={name}: {table.path} has no column '{name}'{suggestion(name, table.header)}; "
                f"it has {', '.join(table.header)}"
            )
    if layout is not None:
        if layout not in LAYOUTS:
            known = ", ".join(LAYOUTS)
            raise UsageError(f"--layout is '{layout}'{suggestion(layout, LAYOUTS)}; must be one of {known}")
        try:
            return LAYOUTS[layout].open(table, request)
        except (StopIteration, ValueError, KeyError, IndexError):
            raise DataError(f"{table.path} is not an export of {LAYOUTS[layout].tool}: columns are missing") from None
    if table.repeated and not any(one.recognises(table) for one in LAYOUTS.values()):
        raise DataError(f"{table.path}: the column '{table.repeated[0]}' occurs twice")
    certain = [name for name, one in LAYOUTS.items() if one.recognises(table)]
    if len(certain) > 1:
        raise SurveyQuestion(
            f"{table.path} has the columns of {' and of '.join(LAYOUTS[name].tool for name in certain)}",
            *(["--layout", name] for name in certain),
        )
    return (LAYOUTS[certain[0]] if certain else LAYOUTS["table"]).open(table, request)
