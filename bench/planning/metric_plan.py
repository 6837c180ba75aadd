"""Resolve metrics against installed plugins: their names, requirements, and keys of scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.contracts.clip_view import View
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.entry_points import Plugin
from bench.contracts.family import families
from bench.contracts.identity import identity_of
from bench.contracts.metric import ClipMetric, Direction, ReferenceUse
from bench.contracts.parameters import bind
from bench.contracts.plugins import (
    canonical_name,
    create,
    find,
    plain_name,
    short_name,
)
from bench.contracts.set_metric import PlannedReference, SetMetric
from bench.errors import UsageError, one_line
from bench.file_hash import HashedFile, hashed_files
from bench.hashing import canonical_json, fingerprint
from bench.planning.former_identity import former_embedder
from bench.planning.metric_claims import check_attributes, check_label, reference_use

if TYPE_CHECKING:  # workers need plans, not configurations
    from bench.config.run_config import MetricConfig


class ScoreKey(NamedTuple):
    """The key of a score besides its clip.

    ``reference`` is the fingerprint of the music to compare with, empty without any.
    """

    metric: str
    version: int
    params_hash: str
    embedder: str
    reference: str = ""


class SetKey(NamedTuple):
    """The key of a score of a set of clips; ``reference`` is as in `ScoreKey`."""

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
    """An embedder used by some metric.

    ``fingerprint`` covers everything that can change a vector except the view; ``former`` is that of layout 2.
    ``files`` are those it depends on, ``together`` is the number of clips per call, ``families`` are what it is
    derived from.
    """

    ref: EmbedderRef
    fingerprint: str
    former: str = ""
    files: Mapping[Path, HashedFile] = field(default_factory=dict, compare=False)
    together: int = field(default=1, compare=False)
    families: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class PlannedMetric:
    """A column of the leaderboard.

    ``reference`` is the kind of reference, and ``against`` the music, once found. ``params`` has the
    defaults filled in; ``params_hash`` is the identity of the plugin, its parameters except those in
    ``provenance``, and the result of ``fingerprint()``, ``own``. ``together`` is the number of clips per call.
    ``families`` are what its values are derived from, empty if unknown.
    """

    plugin: Plugin
    params: Mapping[str, Any]
    version: int
    unit: str
    direction: Direction
    name: str
    embedders: tuple[PlannedEmbedder, ...] = ()
    bounds: tuple[float, float] | None = None
    hit_or_miss: bool = False
    of_sets: bool = False
    reference: ReferenceUse = "none"
    label: str | None = None
    provenance: frozenset[str] = frozenset()
    own: Mapping[str, Any] = field(default_factory=dict)
    together: int = 1
    against: PlannedReference | None = None
    families: tuple[str, ...] = field(default=(), compare=False)
    params_hash: str = field(init=False)

    def __post_init__(self) -> None:
        # Computed once when planned, as a file named by a parameter may change before scoring.
        object.__setattr__(self, "params_hash", self.hash_with(self.own))

    def hash_with(self, own: Mapping[str, Any]) -> str:
        """Return its identity for a ``fingerprint()`` of ``own`` and the present files in its parameters."""
        deciding = {name: value for name, value in self.params.items() if name not in self.provenance}
        return fingerprint(identity_of(self.plugin, self.version, deciding, own))

    @property
    def ref(self) -> str:
        """Name and version as in tables: ``harmonic-accuracy@1``."""
        return f"{self.name}@{self.version}"

    @property
    def base(self) -> str:
        """The column's name without parameters: of metrics with the same base, the last requested one is shown."""
        return short_name(self.plugin.name) if self.label is None else self.label

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with music."""
        return self.reference != "none"

    def compared_with(self, reference: PlannedReference | None) -> PlannedMetric:
        """Return the same planned metric with its reference music."""
        found = copy(self)  # not dataclasses.replace, which would hash files again
        object.__setattr__(found, "against", reference)
        return found

    def key(self, view: View) -> ScoreKey:
        """Return the key of its scores for embeddings of ``view``."""
        embedder = embedding_key([e.fingerprint for e in self.embedders], view.key)
        reference = self.against.fingerprint if self.against else ""
        return ScoreKey(self.name, self.version, self.params_hash, embedder, reference)


def embedding_key(embedders: Sequence[str], view: str) -> str:
    """Return the identity of embeddings of a view; empty without embedders.

    Args:
        embedders: fingerprints, in the order in which the metric names its embedders.
        view: a `View.key`.
    """
    return fingerprint({"embedders": list(embedders), "view": json.loads(view)}) if embedders else ""


def plan_metrics(entries: Sequence[MetricConfig]) -> tuple[PlannedMetric, ...]:
    """Resolve the metrics of a configuration.

    Raises:
        UsageError: as `plan_metric`, or two are the same, or have the same name.
        MissingError: as `plan_metric`.
    """
    metrics = tuple(plan_metric(entry) for entry in entries)
    named: dict[str, PlannedMetric] = {}
    for metric in metrics:
        other = named.setdefault(metric.ref, metric)
        if other is metric:
            continue
        if (other.plugin, other.params) == (metric.plugin, metric.params):
            raise UsageError(f"metric '{metric.ref}' is listed twice")
        raise UsageError(
            f"metrics '{other.plugin.qualified}' and '{metric.plugin.qualified}' are both called {metric.ref}; "
            "keep one of them, or rename one"
        )
    return metrics


def plan_metric(entry: MetricConfig) -> PlannedMetric:
    """Resolve one metric.

    Raises:
        UsageError: an unknown name, version or parameter, of the metric or of one of its embedders; an invalid
            declaration or name of the column; or parameters or an embedder's fingerprint that are not JSON values.
        MissingError: a dependency is not installed.
    """
    plugin = find("metric", entry.name)
    check_label(plugin, entry.label)
    instance: ClipMetric | SetMetric = create(plugin, entry.params, ClipMetric, SetMetric)
    kind = type(instance)
    embedders = tuple(plan_embedder(ref) for ref in instance.embedders)
    canonical = _canonical(entry.params, instance.embedders)
    if canonical != entry.params:
        return plan_metric(entry.model_copy(update={"params": canonical}))
    defaults = bind(plugin, kind, {}, partly=True)
    params = bind(plugin, kind, entry.params)
    check_attributes(plugin, instance)
    try:
        canonical_json(dict(params))
    except (TypeError, ValueError) as error:
        raise UsageError(f"metric '{plugin.name}': its parameters must be JSON values ({one_line(error)})") from error
    name = short_name(plugin.name)
    special = [f"{k}={_short(v)}" for k, v in params.items() if k not in defaults or v != defaults[k]]
    of = entry.family or families(instance.family, f"metric '{plugin.name}'")
    provenance, own, together = (
        (kind.provenance_params, dict(instance.fingerprint()), instance.clips_per_call)
        if isinstance(instance, ClipMetric) and issubclass(kind, ClipMetric)
        else (frozenset[str](), {}, 1)
    )
    return PlannedMetric(
        plugin,
        params,
        instance.version,
        instance.unit,
        instance.direction,
        # Other parameters give other numbers, so tables show them.
        entry.label or (f"{name}[{', '.join(special)}]" if special else name),
        embedders,
        instance.bounds if isinstance(instance, ClipMetric) else None,
        isinstance(instance, ClipMetric) and instance.hit_or_miss,
        isinstance(instance, SetMetric),
        reference_use(plugin, instance),
        entry.label,
        provenance,
        own,
        together,
        families=of or tuple(dict.fromkeys(family for embedder in embedders for family in embedder.families)),
    )


def plan_embedder(ref: EmbedderRef) -> PlannedEmbedder:
    """Resolve one embedder.

    Raises:
        UsageError, MissingError: as `plan_metric`.
    """
    embedder = load_embedder(ref)
    try:
        with hashed_files() as files:
            print_ = fingerprint(embedder_identity(ref, embedder))
    except (TypeError, ValueError) as error:
        raise UsageError(f"embedder '{ref.name}': its fingerprint must be JSON values ({one_line(error)})") from error
    named, former = replace(ref, name=plain_name(ref.name)), former_embedder(ref, embedder)
    derived = families(embedder.family, f"embedder '{ref.name}'")
    planned = PlannedEmbedder(named, print_, former, files, embedder.clips_per_call, derived)
    embedder.close()
    return planned


def _canonical(params: Mapping[str, Any], embedders: Sequence[EmbedderRef]) -> dict[str, Any]:
    """Return parameters with embedders in one form, since ``musicnn-msd@1`` equals ``musicnn-msd``."""
    names = {ref.name: canonical_name("embedder", ref.name) for ref in embedders}
    return {key: names.get(value, value) if isinstance(value, str) else value for key, value in params.items()}


def _short(value: Any) -> str:
    """Return a parameter in a metric's name: the last part of a path that exists here, or of a plugin file's.

    Paths mean nothing to others.
    """
    if isinstance(value, Mapping):
        return ", ".join(
            f"{key}={_short_command(item) if key == 'command' else _short(item)}" for key, item in value.items()
        )
    if isinstance(value, str) and ".py:" in value:
        return value.rpartition(":")[2]
    if isinstance(value, str) and ("/" in value or "\\" in value) and Path(value).expanduser().exists():
        return Path(value).expanduser().resolve().name
    return str(value)


def _short_command(command: Any) -> str:
    """Return a program's arguments without the interpreter and placeholders of paths."""
    parts = command[1:] if isinstance(command, list | tuple) else [command]
    return " ".join(_short(part) for part in parts if not (isinstance(part, str) and part.startswith("{")))


def metrics_named(names: Sequence[str], configured: Sequence[MetricConfig]) -> list[MetricConfig]:
    """Return the metrics with these names, with their configured parameters.

    Args:
        names: of metrics or columns, with or without a version. A name with parameters is that of a column, such as
            ``kad[embedder=vggish]@1``. Metrics that are not configured have default parameters.
        configured: metrics of the configuration.

    Raises:
        UsageError: as `bench.planning.metric_plan.plan_metric`, for configured metrics.
    """

    from bench.config.run_config import MetricConfig

    found = []
    for name in names:
        if labeled := [metric for metric in configured if metric.label == plain_name(name)]:
            found += labeled
            continue
        same = [metric for metric in configured if plain_name(metric.name) == plain_name(name)]
        columns = [metric for metric in configured if "[" in name and plan_metric(metric).ref == name]
        found += [metric.model_copy(update={"name": name}) for metric in same] or columns or [MetricConfig(name=name)]
    return found
