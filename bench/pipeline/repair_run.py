"""Check and repair a run folder: undamaged content is kept, lost content is planned again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.atomic_write import replacing
from bench.config.plugin_files import refuse_plugin_files
from bench.errors import DataError, UsageError
from bench.paths import StrPath
from bench.pipeline.run import planned_run
from bench.planning.shards import shard_of
from bench.run_lock import take_lock
from bench.storage.frozen_config import FILE, load_frozen
from bench.storage.inspect_run import Finding, inspect_audio, inspect_database, inspect_orphans, recorded_audio
from bench.storage.orphans import Settled
from bench.storage.salvage import salvage
from bench.storage.store import Store

_DATABASE = ("run.db", "run.db-wal")
_PLANNED = ("about", "models", "prompts", "clips", "whole_plan")


@dataclass(frozen=True)
class Repaired:
    """The result of a repair.

    Attributes:
        findings: damaged or lost items.
        kept: copy of the damaged database, if any.
        vouched: False if the checksums of rows were lost, so that rows could not be verified.
        settled: result for audio without a row.
        unmade: number of clips that the command of the run has to make again.
    """

    findings: Sequence[Finding]
    kept: Path | None
    vouched: bool
    settled: Settled
    unmade: int


def inspect_run(folder: StrPath) -> list[Finding]:
    """Return damaged or lost items of a run folder, without changing it; the run may be in progress.

    Raises:
        UsageError: there is no run in the folder.
    """
    folder = Path(folder)
    recorded = recorded_audio(folder)
    orphans = inspect_orphans(folder, recorded)
    return [*inspect_database(folder), *inspect_audio(folder, recorded).values(), *orphans]


def repair_run(folder: StrPath, plugin_files: bool = False) -> Repaired:
    """Repair a run folder as far as its audio and records allow.

    The damaged database is kept as ``run.db.damaged-1``, or the next free number. Items without a row, a
    score or audio are made again by the command that made the run.

    Args:
        folder: the run folder.
        plugin_files: whether plugin files in its configuration may run, to plan clips again.

    Raises:
        UsageError: there is no run in the folder, or it is in use.
        DataError: clips must be planned again, but ``config.yaml`` is lost or damaged; nothing was changed.
        MissingError: clips must be planned again, but a model needs a missing package or file.
    """
    folder = Path(folder)
    findings = inspect_database(folder)
    orphans = inspect_orphans(folder, recorded_audio(folder))
    kept, vouched = None, True
    if findings or orphans:
        kept, vouched = _rebuild(folder, bool(orphans), plugin_files, bool(findings))
    with Store.open(folder, anew=True) as store:
        bad = inspect_audio(folder, store.recorded_audio())
        store.plan_again(bad)
        settled = store.tidy()
        unmade = len(store.unmade())
    return Repaired([*findings, *bad.values(), *orphans], kept, vouched, settled, unmade)


def _rebuild(folder: Path, replan: bool, plugin_files: bool, damaged: bool) -> tuple[Path | None, bool]:
    """Replace a damaged database; return the path of its copy, and whether its checksums were intact."""
    lock = take_lock(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".repair-", dir=folder) as scratch:
            old, new = Path(scratch) / "old", Path(scratch) / "new"
            old.mkdir()
            new.mkdir()
            for name in _DATABASE:
                if (folder / name).exists():
                    shutil.copyfile(folder / name, old / name)
            found = salvage(old / "run.db", new)
            if replan or found.lacks(*_PLANNED):
                _plan_anew(folder, new, plugin_files)
            kept = _keep(folder) if damaged and (folder / "run.db").exists() else None
            # A log of the old database would be applied to the new one.
            for name in ("run.db-wal", "run.db-shm"):
                (folder / name).unlink(missing_ok=True)
            (new / "run.db").replace(folder / "run.db")
    except OSError as error:
        raise UsageError(
            f"cannot repair {folder}: {error.strerror}; nothing is lost: free disk space or fix permissions"
        ) from error
    finally:
        lock.close()
    return kept, found.vouched


def _plan_anew(folder: Path, database: Path, plugin_files: bool) -> None:
    """Plan the clips of a run's configuration in another database."""
    if not (folder / FILE).exists():
        raise DataError(
            f"{folder}/run.db has lost its plan, and {FILE} is lost, too; restore one of them, or make the run "
            "again in another folder. Nothing was changed"
        )
    config = load_frozen(folder)
    if not plugin_files:
        refuse_plugin_files(folder / FILE, config)
    plan, about, whole = planned_run(config, shard_of(folder))
    with Store.open(database) as store:
        store.adopt(plan, about, whole)
        store.keep_order(plan.clips)


def _keep(folder: Path) -> Path:
    """Copy the damaged database to a free name."""
    number = 1
    while any(folder.glob(f"run.db*damaged-{number}*")):
        number += 1
    for name in _DATABASE:
        if (folder / name).exists():
            kept = folder / f"run.db.damaged-{number}{name.removeprefix('run.db')}"
            with replacing(kept) as temporary:
                shutil.copyfile(folder / name, temporary)
    return folder / f"run.db.damaged-{number}"
