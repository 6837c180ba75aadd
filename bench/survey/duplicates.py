"""Repeated answers of a listener to the same question: a question is raised if they differ, unless a rule decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.number_format import counted
from bench.survey.answer_rules import Duplicates
from bench.survey.forms.candidate_columns import MOST, either, few_values, tells_apart
from bench.survey.long_format import Identified
from bench.survey.sieve import Sieve
from bench.survey_question import SurveyQuestion

if TYPE_CHECKING:
    import pandas as pd


def leave_out_duplicates(sieve: Sieve, key: Sequence[str], rule: Duplicates, identified: Identified) -> None:
    """Keep one answer to each question; identical repetitions are always dropped, which changes no mean.

    Args:
        sieve: answers with a column ``value``, or ``score`` and ``outcome``.
        key: the columns that identify a question to a listener.
        rule: which of several answers counts, by their order in the file; with ``mean`` their mean counts.
        identified: the survey before exclusions.

    Raises:
        SurveyQuestion: answers differ, and the rule is ``ask``. If an unused column distinguishes most of the
            repeated answers, the question is what that column is, not which answer counts.
    """
    before = sieve.records
    answer = ["value"] if "value" in sieve.records else ["score", "outcome"]
    sieve.exclude(sieve.records.duplicated([*key, *answer]), "a repetition of the same answer")
    again = sieve.records.duplicated(list(key), keep=False)
    if not again.any() or rule == "mean":
        return
    if rule == "ask":
        rows = sieve.records[again.to_numpy(dtype=bool)]
        raise _about_columns(rows, key, _telling(before, key, identified), identified) or _about_answers(
            rows, key, identified
        )
    by_line = sieve.records.sort_values("line", kind="stable")
    out = by_line.duplicated(list(key), keep=rule).reindex(sieve.records.index)
    counts = "the last" if rule == "last" else "the first"
    sieve.exclude(out, f"answered several times, differently: {counts} counts")


def _telling(records: pd.DataFrame, key: Sequence[str], identified: Identified) -> list[str]:
    """Return the unused columns that distinguish apparently repeated answers."""
    keys = list(records[list(key)].itertuples(index=False, name=None))
    listeners, lines = records["listener"].tolist(), records["line"].tolist()
    found = []
    for name, by_line in identified.unread.items():
        cells = [by_line.get(line, "") for line in lines]
        counted_up = len({*zip(listeners, cells, strict=True)}) == len({*zip(listeners, lines, strict=True)})
        if few_values(cells) and tells_apart(keys, cells) and not counted_up:
            found.append(name)
    return found


def _about_columns(
    rows: pd.DataFrame, key: Sequence[str], names: Sequence[str], identified: Identified
) -> SurveyQuestion | None:
    """Return a question about columns that distinguish the answers; None if there are none."""
    if not names:
        return None
    columns = identified.columns
    guessed = "model" in key and columns.get("model", "model").casefold() != "model"
    roles = ["model"] * guessed + ["scale"] * (columns.get("scale") is None and rows["column"].nunique() == 1)
    roles += ["seed"] * (columns.get("seed") is None)
    options = [["--column", f"{role}={name}"] for name in names[:MOST] for role in roles]
    named = " or ".join(" ".join(option) for option in options[: len(roles)])
    return SurveyQuestion(
        f"{_repeated(rows, key, identified)}; {either(names)}, which is not read, distinguishes them: name it with "
        f"{named}",
        *options,
    )


def _about_answers(rows: pd.DataFrame, key: Sequence[str], identified: Identified) -> SurveyQuestion:
    """Return the question which answer counts."""
    return SurveyQuestion(
        f"{_repeated(rows, key, identified)}: say which answer counts with --duplicates last, first or mean, or, if "
        "these are different clips, distinguish them with --column seed=NAME",
        ["--duplicates", "last"],
    )


def _repeated(rows: pd.DataFrame, key: Sequence[str], identified: Identified) -> str:
    """Return the number of questions with several answers, with an example."""
    first = rows.iloc[0]
    same = rows[(rows[list(key)] == first[list(key)]).all(axis=1)]
    lines = ", ".join(f"{line} ({text})" for line, text in zip(same["line"], same["text"], strict=True))
    questions = int((~rows.duplicated(list(key))).sum())
    what = ", ".join(str(first[column]) for column in key if first[column])
    return (
        f"{identified.path}: {counted(questions, 'question')} {'was' if questions == 1 else 'were'} answered several "
        f"times by one listener, differently, such as {what} in rows {lines}"
    )
