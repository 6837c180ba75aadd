"""The tables of a bundle as values by place, as packed and as recomputed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.bundle.verification import Place, Table, Value, leaves
from bench.bundle.zip_file import as_json, read_json
from bench.errors import DataError
from bench.scores.clip_table import DESCRIPTION, clip_table, written
from bench.storage.layout import DATABASE, LEADERBOARD, SCORES
from bench.storage.store import Store

_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_REASON = " reason"
_OF = (
    "JOIN metrics AS m ON shown AND name = s.metric AND m.version = s.version AND m.params_hash = s.params_hash "
    "AND m.embedder = s.embedder AND m.reference = s.reference"
)
# Each gives model, metric, grouping and group, then values. The time of a score is not included.
_QUERIES = (
    "SELECT '', name || '@' || version, 'metric', '', plugin, params, params_hash, embedder, reference, unit, "
    "direction, of_sets, view, reference_name, lowest, highest, hit_or_miss, warnings FROM metrics "
    "WHERE shown",
    "SELECT model, name || '@' || m.version, 'clip', prompt || ', seed ' || seed, value, reason, s.error, details "
    f"FROM scores AS s {_OF} JOIN clips ON clips.id = clip",
    "SELECT model, name || '@' || m.version, grouping, member, value, low, high, n, reason, error, s.warnings, "
    f"details, clips FROM set_scores AS s {_OF}",
)
_NAMES = (
    ("plugin", "params", "params_hash", "embedder", "reference", "unit", "direction", "of_sets", "view",
     "reference_name", "lowest", "highest", "hit_or_miss", "warnings"),
    ("value", "reason", "error", "details"),
    ("value", "low", "high", "n", "reason", "error", "warnings", "details", "clips"),
)  # fmt: skip
_JSON = frozenset({"params", "warnings", "details"})


def leaderboard_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return the records of a leaderboard, each with its ``grouping``.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: a record cannot be read, or occurs twice.
    """
    table: Table = {}
    for record in records:
        place = Place(LEADERBOARD, *(_text(record[name]) for name in Place._fields[1:]))
        rest = {name: value for name, value in record.items() if name not in Place._fields[1:]}
        _put(table, place, rest)
    return table


def packed_leaderboard(folder: Path) -> Table:
    """Return the content of ``leaderboard.json``.

    Raises:
        DataError: it is not a leaderboard, or has duplicates.
    """
    records = read_json(folder / LEADERBOARD)
    try:
        return leaderboard_table(records)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"its {LEADERBOARD} is invalid ({error})") from None


def packed_scores(folder: Path, metrics: Collection[str], clips: int) -> Table:
    """Return the content of ``scores.csv``.

    Args:
        folder: its folder.
        metrics: the clip metrics that it may have columns of.
        clips: maximum number of rows.

    Raises:
        DataError: it is not a table of clips, has other columns or more rows, or has duplicates.
    """
    try:
        return _scores((folder / SCORES).read_bytes().decode(), metrics, clips)
    except (csv.Error, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(f"its {SCORES} is not a table of clips ({error})") from None


def scores_now(folder: Path, metrics: Collection[str]) -> Table:
    """Return the present table of clips of a run, parsed from the text that would be packed.

    Args:
        folder: the run folder.
        metrics: the clip metrics that it may have columns of.
    """
    with Store.read(folder) as store:
        clips = clip_table(store)
        return _scores(written(clips, "csv").decode(), metrics, len(clips))


def stored_scores(folder: Path) -> Table:
    """Return the content of a run's database: shown metrics, their scores, and their scores of sets.

    Raises:
        DataError: invalid JSON.
    """
    table: Table = {}
    try:
        with Store.read(folder) as store:
            for query, names in zip(_QUERIES, _NAMES, strict=True):
                for model, metric, grouping, group, *values in store.rows(query):
                    given = zip(names, values, strict=True)
                    read = {name: as_json(value) if name in _JSON else value for name, value in given}
                    _put(table, Place(DATABASE, model, metric, grouping, group), read)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"its {DATABASE} has content that no run has ({error})") from None
    return table


def _scores(text: str, metrics: Collection[str], clips: int) -> Table:
    table: Table = {}
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(rows, [])
    if len(set(header)) < len(header) or not set(DESCRIPTION) <= set(header):
        raise ValueError("its columns are not those of clips")
    if strange := [name for name in header if name not in DESCRIPTION and name.removesuffix(_REASON) not in metrics]:
        raise ValueError(f"the run has no column {strange[0]!r:.80}")
    for number, fields in enumerate(rows, 1):
        row = dict(zip(header, fields, strict=True))
        clip = f"{row['prompt']}, seed {row['seed']}"
        said: dict[str, dict[str, Any]] = {"": {}}
        for name, field in row.items():
            if name in DESCRIPTION:
                said[""][name] = _read(field, DESCRIPTION[name])
            elif name.endswith(_REASON):
                said.setdefault(name.removesuffix(_REASON), {})["reason"] = field or None
            else:
                said.setdefault(name, {})["value"] = _read(field, "float64")
        for metric, values in said.items():
            _put(table, Place(SCORES, row["model"], metric, "clip", clip), values)
        if number > clips:
            raise ValueError(f"it has more rows than the run has clips, {clips}")
    return table


def _read(field: str, kind: str) -> Value:
    if not field or kind == "string":
        return field or None
    if not _NUMBER.fullmatch(field):
        raise ValueError(f"{field!r:.60} is not a number")
    return int(field) if kind.lower() == "int64" else float(field)


def _put(table: Table, place: Place, values: Mapping[str, Any]) -> None:
    if place in table:
        raise ValueError(f"{', '.join(filter(None, place[1:]))!r:.100} occurs twice")
    found = [leaf for name, value in values.items() for leaf in leaves(value, name)]
    table[place] = dict(found)
    if len(table[place]) < len(found):
        raise ValueError("two of its names look the same")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not text")
    return value
