"""From a file to a survey: the table, its columns, and what of it counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bench.errors import DataError
from bench.paths import StrPath
from bench.survey.columns import identify
from bench.survey.exclusions import screen
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences, Ratings
from bench.survey.table_file import read_table


def read_ratings(
    path: StrPath,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
) -> Ratings:
    """Read a survey of ratings; the arguments and errors are those of `read_survey`.

    Raises:
        DataError: also where the file holds preferences.
    """
    survey = read_survey(path, columns, ranges, models, scales)
    if not isinstance(survey, Ratings):
        raise DataError(f"{path}: holds preferences between two models; ratings of each are needed here")
    return survey


def read_survey(
    path: StrPath,
    columns: Mapping[str, str] | None = None,
    ranges: Mapping[str, Range] | Range | None = None,
    models: Sequence[str] | None = None,
    scales: Collection[str] | None = None,
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

    Raises:
        UsageError: a column, model or scale that was asked for is not in the file.
        DataError: the file cannot be read, its columns cannot be told, or nothing is left that could be compared.
    """
    return screen(identify(read_table(Path(path)), columns or {}, scales), ranges, models, scales)
