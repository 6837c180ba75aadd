"""The rows of a run that a memorisation audit compares, and the recordings that each was trained on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.config.run_config import ModelConfig, RunConfig, with_workers
from bench.contracts.embedder import EmbedderRef
from bench.errors import UsageError, suggestion
from bench.planning.metric_plan import PlannedEmbedder, plan_embedder
from bench.storage.frozen_config import load_frozen
from bench.storage.store import Store


@dataclass(frozen=True)
class Halves:
    """Content hashes of the recordings trained on and of those held out; ``source`` says who says so."""

    train: frozenset[str]
    held_out: frozenset[str]
    source: str = field(compare=False)


@dataclass(frozen=True)
class AuditedRow:
    """A row of the leaderboard; ``halves`` if its training data are known, ``base`` the row of its base."""

    label: str
    halves: Halves | None = None
    base: str | None = None


@dataclass(frozen=True)
class RunModel:
    """A model of a run.

    Attributes:
        label: its row.
        identity: see `bench.contracts.identity`.
        trained_on: content hashes of the recordings that it declares as training data.
        config: its entry in the run's configuration; None if missing.
    """

    label: str
    identity: Mapping[str, Any]
    trained_on: frozenset[str]
    config: ModelConfig | None


@dataclass(frozen=True)
class AuditedRun:
    """A run folder to audit, with the embedder of the audit, also by its given name."""

    folder: Path
    settings: RunConfig
    models: tuple[RunModel, ...]
    embedder: PlannedEmbedder
    embedder_name: str

    @classmethod
    def read(cls, folder: Path, embedder: str, workers: int | None = None) -> AuditedRun:
        """Read a run folder.

        Args:
            folder: of the run.
            embedder: by its registered name, or as ``file.py:Class``.
            workers: number of worker processes instead of that in the run's configuration.

        Raises:
            UsageError: no run, or no such embedder.
            DataError: the run's configuration is damaged.
            MissingError: what the embedder needs is not installed.
        """
        with Store.read(folder) as store:
            identities, trained_on = store.model_identities(), store.trained_on()
        settings = with_workers(load_frozen(folder), workers)
        configs = {entry.row: entry for entry in settings.models}
        models = tuple(
            RunModel(label, identity, trained_on[label], configs.get(label)) for label, identity in identities.items()
        )
        return cls(folder, settings, models, plan_embedder(EmbedderRef(embedder)), embedder)


def with_base(rows: Sequence[AuditedRow], base: str | None) -> list[AuditedRow]:
    """Return the rows with the given base for all of them, if any, whatever its training data.

    Raises:
        UsageError: there is no such row.
    """
    if base is None:
        return list(rows)
    require_row(base, rows)
    return [AuditedRow(base) if row.label == base else replace(row, base=base) for row in rows]


def only(rows: Sequence[AuditedRow], labels: Collection[str]) -> list[AuditedRow]:
    """Return the rows of these labels and their bases; all rows where ``labels`` is empty."""
    kept = {*labels, *(row.base for row in rows if row.label in labels)}
    return [row for row in rows if row.label in kept or not labels]


def require_row(label: str, rows: Sequence[AuditedRow]) -> None:
    """Refuse a label that no row has.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    known = [row.label for row in rows]
    if label not in known:
        raise UsageError(f"the run has no row '{label}'{suggestion(label, known)}; it has {', '.join(known)}")
