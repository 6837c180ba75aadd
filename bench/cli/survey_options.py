"""What the commands of ``tunebench survey`` read from their options alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.survey.rating_range import Range

Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="Column of FILE that holds a role, where its name does not say so, such as listener=who; may be repeated. "
        "Roles: listener, prompt, model, scale, value, seed and genre; of preferences a, b and choice instead of model "
        "and value.",
    ),
]
Scales = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Only these scales, or the columns that hold a scale each.")
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
        help="Tool that wrote FILE, if it is not recognised: google-forms, microsoft-forms, limesurvey, qualtrics, "
        "surveymonkey, mturk, jspsych, beaqlejs, webmushra or table.",
    ),
]
RatingScale = Annotated[
    list[str] | None,
    typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5 or Harmony=1-10; may be repeated."),
]


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
            raise UsageError(f"--rating-scale is given several times, so each names its scale: not '{text}'")
        else:
            return Range.parse(text)
    return named
