"""Import scores from elsewhere as a column of a run, from a file with a declared source."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.contracts.entry_points import Plugin
from bench.contracts.family import families
from bench.contracts.metric import Direction
from bench.contracts.plugins import is_declared
from bench.errors import DataError, UsageError
from bench.file_hash import hash_file
from bench.paths import StrPath
from bench.planning.metric_plan import PlannedMetric
from bench.storage.clip_sets import view_of
from bench.storage.frozen_config import load_frozen
from bench.storage.layout import IMPORTED
from bench.storage.read_metrics import shown_metrics
from bench.storage.store import Store, StoredClip
from bench.storage.task_results import ClipScored, ClipScores
from bench.storage.validate import check_run
from bench.text_file import read_text

_KEYS = ("model", "prompt", "seed")


@dataclass(frozen=True)
class ImportedColumn:
    """Declaration of scores from elsewhere.

    Attributes:
        name: name of the column.
        version: version of their source.
        unit: such as ``%``; empty for a plain number.
        direction: which values are better.
        bounds: the lowest and the highest possible value, if bounded.
        source: who or what made them, as text.
        families: what they are derived from, see `bench.contracts.family`.
    """

    name: str
    version: int = 1
    unit: str = ""
    direction: Direction = "none"
    bounds: tuple[float, float] | None = None
    source: str = ""
    families: tuple[str, ...] = ()

    def planned(self, content: str) -> PlannedMetric:
        """Return the column as a metric whose identity covers the file and the declaration.

        Raises:
            UsageError: an installed metric has its name, or a family is not a valid name.
        """
        if is_declared("metric", self.name):
            raise UsageError(f"'{self.name}' is the name of an installed metric; give the imported column another name")
        params = {
            IMPORTED: content,
            "source": self.source,
            "unit": self.unit,
            "direction": self.direction,
            "range": list(self.bounds) if self.bounds else None,
        }
        plugin = Plugin("metric", self.name, "")
        return PlannedMetric(
            plugin,
            params,
            self.version,
            self.unit,
            self.direction,
            self.name,
            bounds=self.bounds,
            label=self.name,
            families=families(self.families, f"column '{self.name}'"),
        )


class Imported(NamedTuple):
    """Result of an import: numbers of new scores, of known ones, and of clips without one."""

    new: int
    known: int
    missing: int


def import_scores(folder: StrPath, file: StrPath, column: ImportedColumn) -> Imported:
    """Add the scores of a file to a run as a column.

    The file is CSV, JSON Lines or Parquet, a clip a line. Columns: ``value``; and ``clip`` (the clip's id), or ``file``
    (its file within the run folder, as in ``tunebench export scores``), or ``model``, ``prompt`` (its id) and
    ``seed`` (0 without such a column). A clip that the file lacks, or that has no value, gets an
    undefined score with that reason. Importing the same file again changes nothing.

    Args:
        folder: the run folder.
        file: file of the scores.
        column: their declaration.

    Raises:
        UsageError: there is no run, or no such file, or the column's name is taken.
        DataError: a line has an unknown or repeated clip, or its value is not a finite
            number within the range; then nothing is imported.
    """
    folder, file = Path(folder), Path(file)
    check_run(folder)
    rows = list(_rows(file))
    metric = column.planned(hash_file(file))
    with Store.open(folder) as store:
        held = next((m for m in shown_metrics(store) if m.plugin == column.name and IMPORTED not in m.params), None)
        if held is not None:
            raise UsageError(
                f"{folder} has a column '{held.ref}' that was computed; give the imported one another name"
            )
        clips = store.made()
        values = _values(file, rows, clips, column)
        view = view_of(store, load_frozen(folder).common)
        key = metric.key(view)
        lacking = store.unscored([key])
        store.show([metric], view, {})
        new = {clip: value for clip, value in values.items() if clip in lacking}
        for clip, value in new.items():
            store.record_clip_scores(ClipScores(clip, [ClipScored(clip, key, value)]))
        for clip in lacking.keys() - values.keys():
            reason = f"{file.name} has no score of this clip"
            store.record_clip_scores(ClipScores(clip, [ClipScored(clip, key, reason=reason)]))
    return Imported(len(new), len(values) - len(new), len(clips) - len(values))


def _values(
    file: Path, rows: Sequence[tuple[int, Mapping[str, Any]]], clips: Sequence[StoredClip], column: ImportedColumn
) -> dict[str, float]:
    """Return the value of each clip by id, without clips that have none."""
    places = {name: clip.id for clip in clips for name in (clip.id, clip.path)}
    keyed = {(clip.model, clip.prompt, clip.seed): clip.id for clip in clips}
    first: dict[str, int] = {}
    found: dict[str, float] = {}
    for line, row in rows:
        where = f"{file}: line {line}"
        clip = _clip(where, row, places, keyed)
        if first.setdefault(clip, line) != line:
            raise DataError(f"{where}: its clip already has a score on line {first[clip]}")
        value = row.get("value")
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            continue
        found[clip] = _number(where, value, column.bounds)
    if not found:
        raise DataError(f"{file}: has no scores")
    return found


def _clip(
    where: str, row: Mapping[str, Any], places: Mapping[str, str], keyed: Mapping[tuple[str, str, int], str]
) -> str:
    if place := row.get("clip") or row.get("file"):
        if (clip := places.get(str(place))) is None:
            raise DataError(f"{where}: the run has no clip '{place}'"[:300])
        return clip
    if absent := [name for name in _KEYS[:2] if row.get(name) in (None, "")]:
        raise DataError(f"{where}: has neither 'clip' nor '{absent[0]}'")
    seed = row.get("seed")
    try:
        number = 0 if seed in (None, "") else int(str(seed))
    except ValueError:
        raise DataError(f"{where}: seed is {seed!r:.40}, must be a whole number") from None
    model, prompt = str(row["model"]), str(row["prompt"])
    if (found := keyed.get((model, prompt, number))) is None:
        raise DataError(f"{where}: the run has no clip of '{model}' for prompt '{prompt}' with seed {number}"[:300])
    return found


def _number(where: str, value: Any, bounds: tuple[float, float] | None) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{where}: value is {value!r:.40}, must be a number") from None
    if not abs(number) < 1e100:
        raise DataError(f"{where}: value is {value!r:.40}, must be finite; leave it empty if there is none")
    if bounds and not bounds[0] <= number <= bounds[1]:
        raise DataError(f"{where}: value is {number:g}, which is not in the range of {bounds[0]:g} to {bounds[1]:g}")
    return number


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a table, each with its line number, or row number in a Parquet file."""
    readers = {".csv": _csv, ".jsonl": _json_lines, ".parquet": _parquet}
    if (reader := readers.get(file.suffix.lower())) is None:
        raise UsageError(f"{file}: scores are read from .csv, .jsonl or .parquet")
    rows = list(reader(file))
    if not rows:
        raise DataError(f"{file}: has no rows")
    if not any("value" in row for _, row in rows):
        raise DataError(f"{file}: has no column 'value'; its columns are {', '.join(map(str, rows[0][1]))}"[:300])
    yield from rows


def _csv(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(read_text(file), newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{file}: line {reader.line_num}: the number of fields differs from that of columns")
            yield reader.line_num, {(name or "").strip(): value.strip() for name, value in row.items()}
    except csv.Error as error:
        raise DataError(f"{file}: line {reader.line_num + 1}: not valid CSV ({error})") from None


def _json_lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"{file}: line {number}: is not JSON") from None
        if not isinstance(row, dict):
            raise DataError(f"{file}: line {number}: is not a JSON object")
        yield number, row


def _parquet(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow
    import pyarrow.parquet

    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    try:
        rows = pyarrow.parquet.read_table(file).to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: not a valid Parquet file ({str(error).splitlines()[0]})") from None
    yield from enumerate(rows, 1)
