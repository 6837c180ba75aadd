"""What the commands of ``tunebench survey`` read from their options alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.survey.rating_range import Range

Column = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN", help="Column of the file that holds this; needed only where its name does not say so."
    ),
]
Scales = Annotated[
    str | None, typer.Option(metavar="A,B,…", help="Only these scales, or the columns that hold a scale each.")
]
RatingScale = Annotated[
    list[str] | None,
    typer.Option(metavar="LOW-HIGH", help="Possible ratings, such as 1-5 or Harmony=1-10; may be repeated."),
]


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
        UsageError: a range that is none, several without the name of a scale, or two for one scale.
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
