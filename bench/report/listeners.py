"""The listening survey of a run, as ``tunebench survey analyze`` sees it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bench.report.content import Survey
from bench.survey.analysis import analyse, record
from bench.survey.reading import read_survey
from bench.survey.report import sections


def read_listeners(path: Path) -> Survey:
    """Read and analyse ratings or preferences with the defaults of ``tunebench survey analyze``.

    Raises:
        DataError: the file cannot be read, its columns cannot be told, or nothing is left that could be compared.
    """
    found = analyse(read_survey(path))
    return Survey(path.name, tuple(sections(found)), record(found))


def strangers(survey: Survey, models: Collection[str]) -> list[str]:
    """The models that were rated and that the run does not hold."""
    return [model for model in survey.record["design"]["models"] if model not in models]
