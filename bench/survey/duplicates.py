"""Several answers of one listener to one question: asked about where they differ, unless it is said which counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from bench.number_format import counted
from bench.survey.answer_rules import Duplicates
from bench.survey.sieve import Sieve
from bench.survey_question import SurveyQuestion


def leave_out_duplicates(sieve: Sieve, key: Sequence[str], rule: Duplicates, path: Path) -> None:
    """Leave one answer to each question; the same answer again is always left out, which moves no mean.

    Args:
        sieve: answers with a column ``value``, or ``score`` and ``outcome``.
        key: the columns that name a question to a listener.
        rule: which of several answers counts, by their order in the file; with ``mean`` all of them count, as one.
        path: the file.

    Raises:
        SurveyQuestion: answers differ, and the rule is to ask.
    """
    answer = ["value"] if "value" in sieve.records else ["score", "outcome"]
    sieve.exclude(sieve.records.duplicated([*key, *answer]), "a repetition of the same answer")
    again = sieve.records.duplicated(list(key), keep=False)
    if not again.any() or rule == "mean":
        return
    if rule == "ask":
        _ask(sieve, key, again.to_numpy(dtype=bool), path)
    by_line = sieve.records.sort_values("line", kind="stable")
    out = by_line.duplicated(list(key), keep=rule).reindex(sieve.records.index)
    counts = "the last" if rule == "last" else "the first"
    sieve.exclude(out, f"answered several times, differently: {counts} counts")


def _ask(sieve: Sieve, key: Sequence[str], again: np.ndarray[tuple[int], np.dtype[np.bool_]], path: Path) -> NoReturn:
    rows = sieve.records[again]
    first = rows.iloc[0]
    same = rows[(rows[list(key)] == first[list(key)]).all(axis=1)]
    lines = ", ".join(f"{line} ({text})" for line, text in zip(same["line"], same["text"], strict=True))
    questions = int((~rows.duplicated(list(key))).sum())
    what = ", ".join(str(first[column]) for column in key if first[column])
    raise SurveyQuestion(
        f"{path}: {counted(questions, 'question')} {'was' if questions == 1 else 'were'} answered several times by one "
        f"listener, differently, such as {what} in rows {lines}: say which answer counts with --duplicates last, first "
        "or mean, or, if these are different clips, tell them apart with --column seed=NAME",
        ["--duplicates", "last"],
    )
