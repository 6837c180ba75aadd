"""Options shared by the commands of ``tunebench survey``, and how they are parsed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.survey.answer_rules import AnswerRules
    from bench.survey.rating_range import Range

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="Column of FILE for a role, if its name is not recognized, such as listener=who; may be repeated. "
        "Roles: listener, prompt, model, scale, value, seed, genre, position; for preferences a, b and choice instead "
        "of model and value, and side, which names the model presented first or on the left.",
    ),
]
OnlyModels = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Only these models; differences are later − earlier.")
]
ByListener = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN", help="Show means of groups of listeners, such as musicians; may be repeated."),
]
Margin = Annotated[float | None, typer.Option(help="Smallest difference that matters; adds an equivalence test.")]
Scales = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Only these scales, or the columns with one scale each.")
]
Clips = Annotated[
    Path | None,
    typer.Option(
        metavar="MAP",
        help="Table that says which prompt and model each clip is, for files of survey tools: columns clip, file or "
        "question, and prompt, model, genre, scale, seed.",
    ),
]
FileLayout = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="NAME",
        help="Tool that wrote FILE, if it is not recognized: google-forms, microsoft-forms, limesurvey, qualtrics, "
        "surveymonkey, mturk, jspsych, beaqlejs, webmushra or table.",
    ),
]
RatingScale = Annotated[
    list[str] | None,
    typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5 or Harmony=1-10; may be repeated."),
]
Words = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WORD=…,…",
        help="Values of answers in words, such as 'Poor=1,Fair=2'; for preferences a, b, tie, both bad or a score "
        "for b, such as 'left wins=a'; may be repeated.",
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(metavar="A,B,…", help="Values that mean no answer, such as -1,99; may be repeated."),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE",
        help="Only rows that satisfy this, such as Finished=True, 'age>=18' or status!=rejected; may be repeated.",
    ),
]
WithoutListener = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Leave out a listener's answers; may be repeated.")
]
DuplicateRule = Annotated[
    str | None,
    typer.Option(
        "--duplicates",
        metavar="last|first|mean",
        help="Which answer counts if a listener answered a question several times (by order in FILE), or their mean.",
    ),
]

PostScreening = Annotated[
    bool | None,
    typer.Option(
        "--post-screening",
        help="Exclude listeners as in BS.1534: those who miss the hidden reference or the anchor in more than 15 % of "
        "the trials.",
    ),
]
QualityChecks = Annotated[
    list[str] | None,
    typer.Option(
        "--quality-check",
        metavar="MODEL",
        help="A model whose clips were degraded on purpose: exclude listeners who fail to rate them lower in more than "
        "15 % of the trials; may be repeated.",
    ),
]


def rules(
    words: list[str] | None = None,
    missing: list[str] | None = None,
    where: list[str] | None = None,
    without_listener: list[str] | None = None,
    duplicates: str | None = None,
    screening: tuple[bool, tuple[str, ...]] = (False, ()),
) -> AnswerRules:
    """Read the options that say which answers count and how they are coded.

    Raises:
        UsageError: one of them cannot be read, or a word has two meanings.
    """
    from bench.errors import UsageError
    from bench.survey.answer_rules import AnswerRules, Duplicates
    from bench.survey.row_filter import parse_condition

    known: dict[str, Duplicates] = {"last": "last", "first": "first", "mean": "mean"}
    if duplicates is not None and duplicates not in known:
        raise UsageError(f"--duplicates is '{duplicates}'; must be one of {', '.join(known)}")
    return AnswerRules(
        words=_meanings(words or []),
        missing=tuple(code for text in missing or [] for code in _listed(text, "--missing")),
        where=tuple(map(parse_condition, where or [])),
        without_listeners=tuple(without_listener or []),
        duplicates=known[duplicates] if duplicates else "ask",
        post_screening=screening[0],
        quality_checks=screening[1],
    )


def _meanings(given: list[str]) -> dict[str, str]:
    """Read ``Poor=1,Fair=2``; words may contain commas and equals signs, meanings may not.

    Raises:
        UsageError: a word has no meaning, or two.
    """
    from bench.errors import UsageError

    found: dict[str, str] = {}
    for text in given:
        end = 0
        for match in re.finditer(
            r"\s*(.+?)\s*=\s*([-+−]?\d*\.?\d+|a|b|tie|both[- ]bad)\s*(?:,|$)", text, re.IGNORECASE
        ):
            if match.start() != end:
                break
            end = match.end()
            word, meaning = match[1], match[2]
            if found.setdefault(word, meaning) != meaning:
                raise UsageError(f"--words gives '{word}' two meanings, {found[word]} and {meaning}")
        if end != len(text) or not text:
            raise UsageError(
                f"--words is '{text}'; write it like 'Poor=1,Fair=2', or of preferences 'left wins=a,none=both bad'"
            )
    return found


def _listed(text: str, option: str) -> list[str]:
    """Read ``-1,99``; a value with a comma is quoted.

    Raises:
        UsageError: a value is empty.
    """
    import csv

    from bench.errors import UsageError

    found = [value.strip() for value in next(csv.reader([text], skipinitialspace=True), [])]
    if not found or not all(found):
        raise UsageError(f"{option} is '{text}'; write it like -1,99")
    return found


def columns(given: list[str] | None) -> dict[str, str]:
    """Read ``listener=who``: the file's name of each column, by its role.

    Raises:
        UsageError: a part is missing, there is no such role, or it is given twice.
    """
    from bench.errors import UsageError
    from bench.survey.columns import check_role

    found: dict[str, str] = {}
    for text in given or []:
        role, _, name = (part.strip() for part in text.partition("="))
        if not role or not name:
            raise UsageError(f"--column is '{text}'; write it like listener=who")
        check_role(role)
        if role in found:
            raise UsageError(f"--column names the {role} twice: '{found[role]}' and '{name}'")
        found[role] = name
    return found


def names(given: str | None, option: str) -> list[str] | None:
    """Read ``base,tuned``.

    Raises:
        UsageError: a name is empty.
    """
    from bench.errors import UsageError

    if given is None:
        return None
    found = [name.strip() for name in given.split(",")]
    if not all(found):
        raise UsageError(f"{option} is '{given}'; write it like base,tuned")
    return found


def ranges(given: list[str] | None) -> dict[str, Range] | Range | None:
    """Read ``1-5``, the range of all scales, or one ``Harmony=1-10`` for each.

    Raises:
        UsageError: not a range, several without the name of a scale, or two for one scale.
    """
    from bench.errors import UsageError
    from bench.survey.rating_range import Range

    if not given:
        return None
    named = {}
    for text in given:
        scale, equals, ends = text.rpartition("=")
        if equals:
            if scale.strip() in named:
                raise UsageError(f"--rating-scale is given twice for '{scale.strip()}'")
            named[scale.strip()] = Range.parse(ends)
        elif len(given) > 1:
            raise UsageError(
                f"--rating-scale is given several times, but '{text}' does not name its scale; write it like "
                f"Harmony={text}"
            )
        else:
            return Range.parse(text)
    return named
