"""Rebuild a run from an untrusted bundle: its rows, each checked, in a new database.

The bundle's own database is opened once, to read plain columns of plain tables. Its views, triggers and virtual tables,
which could run something or have no end, are not merely left alone: a database that has any is refused.
"""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bundle.copy_rows import TABLES, copy_rows
from bench.contracts.clip_view import View
from bench.contracts.family import families
from bench.contracts.notes import Notes
from bench.errors import DataError, TunebenchError, UsageError
from bench.storage.database import present_layout, read_database
from bench.storage.layout import DATABASE, audio_name, is_audio, is_hash
from bench.storage.read_metrics import read_warnings
from bench.storage.store import Store

MAX_SAMPLES = 3600 * 48_000 * 2
"""An hour in stereo: a small file of silence could decode to more than fits in memory."""

MAX_ROW = 1 << 23
"""Bytes of a row, or of a value in it: more than the longest notes or details have."""

_OURS = frozenset({*TABLES, "embeddings", "whole_plan", "digests", "set_tests"})
_SOUNDS = ("about", "models", "prompts", "clips", "notes")


@dataclass(frozen=True, eq=False)
class BundledMetric:
    """A metric in the bundle's tables; only its types were checked."""

    plugin: str
    ref: str
    name: str
    version: int
    params: dict[str, Any]
    params_hash: str
    embedder: str
    view: str
    reference: str
    reference_name: str
    of_sets: bool
    families: tuple[str, ...]


def rebuild(unpacked: Path, folder: Path) -> tuple[BundledMetric, ...]:
    """Write the clips of an unpacked bundle, without scores, as a new run, and return the shown metrics.

    The unpacked database is replaced by a new file with all its rows, including scores.

    Args:
        unpacked: folder of the bundle's files.
        folder: of the new run; exists, and is empty.

    Raises:
        DataError: the database is damaged, or has content that no run has.
    """
    with _explained(unpacked), ExitStack() as scratch:
        source = read_database(unpacked)
        try:
            _limit(source)
            _refuse_programs(source)
            source = present_layout(unpacked, source)  # older layouts are updated in memory
            _limit(source)
            shown = _read_shown(source)
            copy_rows(source, folder, _SOUNDS)
            with Store.read(folder) as store:
                _check(store)
            ours = Path(scratch.enter_context(tempfile.TemporaryDirectory(dir=folder)))
            copy_rows(source, ours, every=True)
        finally:
            source.close()
        (ours / DATABASE).replace(unpacked / DATABASE)
    return shown


def _limit(source: sqlite3.Connection) -> None:
    source.execute("PRAGMA trusted_schema = OFF")
    source.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW)


def _refuse_programs(source: sqlite3.Connection) -> None:
    for kind, name, table, sql in source.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        plain = kind in ("table", "index") and not str(sql).upper().lstrip().startswith("CREATE VIRTUAL")
        if not plain or table not in _OURS:
            raise DataError(f"it has a {kind} '{name}', which no run has")
    hidden = [
        f"{table}.{name}"
        for table in TABLES
        for _, name, *_, generated in source.execute(f"PRAGMA table_xinfo({table})")
        if generated
    ]
    if hidden:
        raise DataError(f"{hidden[0]} is a computed column, which no run has")


def _read_shown(source: sqlite3.Connection) -> tuple[BundledMetric, ...]:
    rows = source.execute(
        "SELECT plugin, name, version, params, warnings, params_hash, embedder, view, reference, reference_name, "
        "of_sets, families FROM metrics WHERE shown ORDER BY position"
    ).fetchall()
    found = []
    for plugin, name, version, params, warnings, *rest, of_sets, derived in rows:
        texts = (plugin, name, params, warnings, *rest)
        if not all(isinstance(text, str) for text in texts) or not isinstance(version, int):
            raise DataError(f"the metric {str(name)[:50]!r} has a name, version or hash of the wrong type")
        given = json.loads(params)
        if not isinstance(given, dict):
            raise DataError(f"the parameters of {name} are not a JSON object")
        params_hash, embedder, view, reference, reference_name = rest
        read_warnings(warnings)
        if view:
            View.of_key(view)
        if reference and not is_hash(reference):
            raise DataError(f"the reference of {name} is not identified by a hash")
        found.append(
            BundledMetric(
                *(plugin, f"{name}@{version}", name, version, given, params_hash, embedder, view),
                *(reference, reference_name, bool(of_sets), families(json.loads(derived), name)),
            )
        )
    for ref, count in Counter(metric.ref for metric in found).items():
        if count > 1:
            raise DataError(f"it has the metric {ref} {count} times")
    return tuple(found)


def _check(store: Store) -> None:
    """Check that the rows used later are valid."""
    if not {"suite", "duration"} <= store.about().keys():
        raise DataError("its suite and duration are missing")
    if not 0 < float(store.about()["duration"]) < math.inf:
        raise DataError("its duration is invalid")
    store.prompts()  # a Prompt checks itself
    for label, *lists in store.rows("SELECT label, trained_on, plays FROM models"):
        if not all(is_hash(content) for hashes in lists for content in list(json.loads(hashes))):
            raise DataError(f"recordings that '{label}' was trained on or plays are not identified by hashes")
    for id, model, path, state, content, *numbers in store.rows(
        "SELECT id, model, path, state, content, rate, channels, frames FROM clips"
    ):
        if not is_hash(id) or path != audio_name(model, id) or not is_audio(path):
            raise DataError(f"the clip {id[:16]!r} has the invalid path {path[:200]!r}")
        if state == "made":
            if not is_hash(content) or not all(isinstance(number, int) and number > 0 for number in numbers):
                raise DataError(f"the clip {id[:16]} is made, but has no facts about its sound")
            if numbers[1] * numbers[2] > MAX_SAMPLES:
                raise DataError(f"the clip {id[:16]} is longer than an hour")
    for clip, notes in store.rows("SELECT clip, notes FROM notes"):
        try:
            Notes.from_json(notes)
        except (TunebenchError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise DataError(f"the notes of the clip {clip[:16]} are invalid ({error})") from None


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Report problems of the database in one line, without its temporary path."""
    try:
        yield
    except sqlite3.Error as error:
        raise DataError(f"its {DATABASE} is damaged ({error})") from None
    except UsageError as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        raise DataError(f"its {DATABASE} cannot be used{cause}") from None
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError) as error:
        raise DataError(f"its {DATABASE} has content that no run has ({error})") from None
    except DataError as error:
        cause = f"damaged ({error.__cause__})" if error.__cause__ else str(error).replace(f"{folder}/{DATABASE} ", "")
        raise DataError(f"its {DATABASE}: {cause}") from None
