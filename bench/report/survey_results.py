"""The listening survey of a run, analyzed as in ``tunebench survey analyze``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import DataError
from bench.paths import StrPath
from bench.report.context import Survey
from bench.report.provenance import named
from bench.survey.analysis import analyse, record
from bench.survey.ratings import Preferences, Ratings
from bench.survey.reading import read_survey
from bench.survey.report import sections
from bench.survey_question import SurveyQuestion


@dataclass(frozen=True)
class ListeningResults:
    """The content of a listening test.

    Attributes:
        name: of the test.
        survey: its answers.
        confidence: confidence level of the intervals.
        margin: for equivalence, or None.
        write_preview: function that writes pages as listeners saw them into a new folder.
    """

    name: str
    survey: Ratings | Preferences
    confidence: float
    margin: float | None
    write_preview: Callable[[Path], None]


Listeners = StrPath | ListeningResults
"""A file of ratings or preferences, or a listening test."""

PREVIEW = "listening-test"
"""Folder in a report for the pages as listeners saw them."""


def read_listeners(source: Listeners, genres: Mapping[str, str]) -> Survey:
    """Read and analyze ratings or preferences with the defaults of ``tunebench survey analyze``.

    Args:
        source: source of the answers.
        genres: genre by prompt, for a file without genres.

    Raises:
        DataError: the file cannot be read or is ambiguous, or nothing is left to compare.
    """
    if isinstance(source, ListeningResults):
        found = analyse(source.survey, source.margin, source.confidence)
        return Survey(source.name, tuple(sections(found)), record(found), f"{PREVIEW}/index.html")
    try:
        survey = read_survey(source)
    except SurveyQuestion as question:  # a report has no options to resolve it
        raise DataError(f"{question}; a report cannot take options, so change the file accordingly") from None
    if not survey.genres:
        known = survey.table["prompt"].map(genres).fillna("")
        survey = replace(survey, table=survey.table.assign(genre=known))
    found = analyse(survey)
    return Survey(named(Path(source)), tuple(sections(found)), record(found))


def strangers(survey: Survey, models: Collection[str]) -> list[str]:
    """Return the rated models that the run does not have."""
    return [model for model in survey.record["design"]["models"] if model not in models]
