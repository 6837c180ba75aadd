"""From a file to a survey: the table, its columns, and what of it counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import DataError
from bench.survey.answer_rules import AnswerRules
from bench.survey.columns import identify
from bench.survey.exclusions import screen
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences, Ratings
from bench.survey.row_filter import select_rows
from bench.survey.table_file import read_table


def read_ratings(
    path: Path,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
) -> Ratings:
    """Read a survey of ratings; the arguments and errors are those of `read_survey`.

    Raises:
        DataError: also where the file holds preferences.
    """
    survey = read_survey(path, columns, ranges, models, scales, rules)
    if not isinstance(survey, Ratings):
        raise DataError(f"{path}: holds preferences between two models; ratings of each are needed here")
    return survey


def read_survey(
    path: Path,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
    rules: AnswerRules | None = None,
) -> Ratings | Preferences:
    """Read a CSV (comma, semicolon or tab), TSV or Parquet file of a survey in any of the known layouts.

    Long: listener, prompt, model, scale, value, and optionally seed and genre. Wide: a column a scale instead of scale
    and value. Preferences: listener, prompt, a, b, choice. And the CSV files of webMUSHRA.

    Args:
        path: the file.
        columns: the file's names of the columns listener, prompt, model, scale, value, seed, genre, a, b and choice;
            those not given are guessed, and ``notes`` says how.
        ranges: lowest and highest possible rating, of all scales or of each; guessed where not given.
        models: only these, in this order.
        scales: in the wide layout the columns that hold ratings; otherwise only these scales.
        rules: what words mean, what is missing, and which rows count.

    Raises:
        UsageError: a column, model or scale that was asked for is not in the file.
        SurveyQuestion: what the file holds can be read in more than one way.
        DataError: the file cannot be read, its columns cannot be told, or nothing is left that could be compared.
    """
    rules = rules or AnswerRules()
    table, left_out = select_rows(read_table(path), rules.where)
    identified = identify(table, columns or {}, scales)
    identified = replace(identified, exclusions=(*left_out, *identified.exclusions))
    return screen(identified, ranges, models, scales, rules)
