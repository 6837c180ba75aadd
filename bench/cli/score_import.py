"""``tunebench score --import``: scores from elsewhere as a column of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pipeline.import_scores import ImportedColumn


def import_into(
    targets: list[Path], scores: Path | None, column: str | None, as_json: bool, others: Sequence[str] = ()
) -> None:
    """Import a file of scores into a run, say how many, and print the leaderboard.

    Raises:
        UsageError, DataError: as `bench.pipeline.import_scores.import_scores`; or an option is missing or wrong.
    """
    from bench.cli.run import print_leaderboard
    from bench.number_format import counted
    from bench.pipeline.import_scores import import_scores

    if scores is None or column is None:
        raise UsageError("--import FILE and --column NAME must be used together")
    if others:
        raise UsageError(f"{others[0]} does not go with --import, which computes nothing")
    if len(targets) != 1:
        raise UsageError(f"--import takes one run folder, not {len(targets)} targets")
    found = import_scores(targets[0], scores, column_of(column))
    said = f"{counted(found.new, 'score')} imported"
    if found.known:
        said += f", {found.known} were there already"
    if found.missing:
        said += f"; {counted(found.missing, 'clip')} without one"
    print_leaderboard(targets[0], as_json, plugin_files=False)
    print(said, file=sys.stderr)


def column_of(text: str) -> ImportedColumn:
    """Parse ``NAME@VERSION,unit=…,direction=…,range=[…],source=…,family=…``.

    Raises:
        UsageError: it has another form, or an invalid value.

    >>> column_of("mos@2,direction=higher,range=[1,5],source=panel of May").bounds
    (1.0, 5.0)
    """
    import re

    from bench.config.overrides import parse_named
    from bench.contracts.family import families
    from bench.pipeline.import_scores import ImportedColumn

    name, params = parse_named(text, "--column")
    versioned = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9._-]{0,39})(?:@([1-9][0-9]{0,8}))?", name)
    if versioned is None:
        raise UsageError(f"--column {name}: use up to 40 letters, digits and . _ -, and a version such as @2")
    if unknown := sorted(params.keys() - {"unit", "direction", "range", "source", "family"}):
        raise UsageError(f"--column: '{unknown[0]}' is unknown; it takes unit, direction, range, source and family")
    direction = params.get("direction", "none")
    if direction not in ("higher", "lower", "none"):
        raise UsageError(f"--column: direction is {direction!r:.40}, must be higher, lower or none")
    unit, source = (str(params.get(name) or "") for name in ("unit", "source"))
    derived = families(params.get("family", ""), "--column: family")
    version, bounds = int(versioned[2] or 1), _range(params.get("range"))
    return ImportedColumn(versioned[1], version, unit, direction, bounds, source, derived)


def _range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    numbers = isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < 1e100 for number in value
    )
    if not numbers or len(value) != 2 or not value[0] < value[1]:
        raise UsageError(f"--column: range is {value!r:.40}, must be [lowest, highest]")
    return float(value[0]), float(value[1])
