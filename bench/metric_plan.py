"""Metrics resolved against what is installed: what they are called, what they need, and under which key scores lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.canonical import fingerprint
from bench.config import MetricConfig
from bench.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.metric import ClipMetric, Direction
from bench.registry import Plugin, bind, create, find
from bench.set_metric import SetMetric
from bench.view import View


class ScoreKey(NamedTuple):
    """What a score is stored under beside its clip: another of any of these is another score."""

    metric: str
    version: int
    params_hash: str
    embedder: str


class SetKey(NamedTuple):
    """What a score of a set of clips is stored under; ``reference`` is empty where nothing is compared with."""

    model: str
    grouping: str
    group: str
    metric: str
    version: int
    params_hash: str
    embedder: str
    reference: str
    clips: str


@dataclass(frozen=True)
class PlannedEmbedder:
    """An embedder that some metric asks for; ``fingerprint`` covers all that can change a vector but the view."""

    ref: EmbedderRef
    fingerprint: str


@dataclass(frozen=True)
class PlannedMetric:
    """A column of the leaderboard. ``params`` has the defaults filled in."""

    plugin: Plugin
    params: Mapping[str, Any]
    version: int
    unit: str
    direction: Direction
    name: str
    embedders: tuple[PlannedEmbedder, ...] = ()
    of_sets: bool = False
    needs_reference: bool = False

    @property
    def ref(self) -> str:
        """Name and version as in tables: ``harmonic-accuracy@1``."""
        return f"{self.name}@{self.version}"

    @property
    def params_hash(self) -> str:
        return fingerprint(dict(self.params))

    def key(self, view: View) -> ScoreKey:
        """What its scores are stored under when embeddings are made of ``view``."""
        embedder = fingerprint([*(e.fingerprint for e in self.embedders), view.text]) if self.embedders else ""
        return ScoreKey(self.name, self.version, self.params_hash, embedder)


def plan_metric(entry: MetricConfig) -> PlannedMetric:
    """Resolve one metric.

    Raises:
        UsageError: an unknown name or parameter, of the metric or of an embedder it asks for.
        MissingError: what it needs is not installed.
    """
    plugin = find("metric", entry.name)
    instance: ClipMetric | SetMetric = create(plugin, entry.params, ClipMetric, SetMetric)
    kind = type(instance)
    defaults = bind(plugin, kind, {}, partly=True)
    params = bind(plugin, kind, entry.params)
    name = entry.name.rpartition(":")[2]
    special = [f"{k}={_short(v)}" for k, v in params.items() if k not in defaults or v != defaults[k]]
    return PlannedMetric(
        plugin,
        params,
        kind.version,
        kind.unit,
        kind.direction,
        # Numbers of other parameters are other numbers: whoever reads the table sees which.
        f"{name}[{', '.join(special)}]" if special else name,
        tuple(plan_embedder(ref) for ref in instance.embedders),
        isinstance(instance, SetMetric),
        isinstance(instance, SetMetric) and instance.needs_reference,
    )


def plan_embedder(ref: EmbedderRef) -> PlannedEmbedder:
    """Resolve one embedder.

    Raises:
        UsageError, MissingError: as `plan_metric`.
    """
    embedder = load_embedder(ref)
    planned = PlannedEmbedder(ref, fingerprint(embedder_identity(ref, embedder)))
    embedder.close()
    return planned


def _short(value: Any) -> str:
    """A parameter in a metric's name: the last part of a path that exists here, which says nothing to others."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_short(item)}" for key, item in value.items())
    if isinstance(value, str) and ("/" in value or "\\" in value) and Path(value).expanduser().exists():
        return Path(value).expanduser().resolve().name
    return str(value)
