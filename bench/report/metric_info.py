"""Facts about the metrics of a run: what each measures, its embedders, and its reference."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from bench.config.plugin_files import named_programs
from bench.config.run_config import MetricConfig
from bench.contracts.clip_view import view_text
from bench.contracts.embedder import embedder_identity, load_embedder
from bench.contracts.identity import plugin_label
from bench.contracts.plugins import installed, load
from bench.contracts.set_metric import Reference
from bench.errors import DataError, TunebenchError
from bench.plain_text import plain_line
from bench.planning.metric_plan import PlannedMetric, embedding_key, plan_metric
from bench.references.contamination import maker_of
from bench.references.find import find_by_fingerprint
from bench.storage.read_metrics import StoredMetric, shown_metrics
from bench.storage.store import Store
from bench.yaml_config import read_yaml


@dataclass(frozen=True)
class ReferenceFacts:
    """The music that a set metric compares with.

    ``windows`` and ``recordings`` are None if the reference was not found, or lacks them.
    ``generator`` is the registered name of the model that made the music, empty if none is recorded.
    """

    name: str
    fingerprint: str
    windows: int | None
    recordings: int | None
    synthetic: bool
    generator: str = ""


@dataclass(frozen=True)
class MetricInfo:
    """A metric of a run.

    Attributes:
        ref: name and version as in tables.
        measures: a sentence, or None if this version is not installed here.
        cannot_tell: what its value does not show, as text after "cannot tell:"; empty if unknown.
        params: all its parameters, without folders of files.
        embedders: such as ``musicnn-msd@1``.
        view: the part of the clips that is embedded, in words; "" without embeddings.
        reference: its reference, if any.
    """

    ref: str
    measures: str | None
    cannot_tell: str
    params: Mapping[str, Any]
    embedders: tuple[str, ...]
    view: str
    reference: ReferenceFacts | None


def metric_infos(store: Store) -> tuple[MetricInfo, ...]:
    """Return the metrics that tables of this run show, in their order."""
    metrics = shown_metrics(store)
    places = [store.folder / "references", _configured(store.folder)]
    references = find_by_fingerprint({m.reference for m in metrics if m.reference}, filter(None, places))
    found = []
    for metric in metrics:
        planned = _as_planned(metric)
        held = references[metric.reference][1] if metric.reference in references else None
        found.append(
            MetricInfo(
                metric.ref,
                _purpose(planned) if planned else None,
                _limits(planned) if planned else "",
                _without_folders(metric.params),
                tuple(map(_embedder, planned.embedders)) if planned else _named(metric.params),
                view_text(metric.view),
                _facts(metric, held) if metric.reference else None,
            )
        )
    return tuple(found)


def _as_planned(metric: StoredMetric) -> PlannedMetric | None:
    """Return the metric installed here, if it is exactly the one that made the scores.

    A run may be untrusted, so only installed plugins are loaded.
    """
    if (
        metric.plugin not in installed("metric")
        or ".py:" in json.dumps(metric.params)
        or any(named_programs(metric.params))
    ):
        return None
    try:
        planned = plan_metric(MetricConfig(name=metric.plugin, params=dict(metric.params)))
    except TunebenchError:
        return None
    of = embedding_key([e.fingerprint for e in planned.embedders], metric.view) if metric.view else ""
    same = (planned.version, planned.params_hash, of) == (metric.version, metric.params_hash, metric.embedder)
    return planned if same else None


def _purpose(metric: PlannedMetric) -> str | None:
    """Return the first paragraph of the metric's docstring."""
    return first_paragraph(load(metric.plugin)) or None


def first_paragraph(kind: Any) -> str:
    """Return the first paragraph of a class's docstring, without a full stop."""
    documented = inspect.cleandoc(kind.__doc__ or "")
    return " ".join(documented.split("\n\n")[0].replace("`", "").split()).rstrip(".")


def _limits(metric: PlannedMetric) -> str:
    """Return the metric's ``cannot_tell``; a plugin may lack it."""
    said = getattr(load(metric.plugin), "cannot_tell", "")
    return plain_line(said).rstrip(".") if isinstance(said, str) else ""


def _embedder(planned: Any) -> str:
    identity = embedder_identity(planned.ref, load_embedder(planned.ref))
    return plugin_label(identity)


def _named(params: Mapping[str, Any]) -> tuple[str, ...]:
    name = params.get("embedder")
    return (_without_folders(name),) if isinstance(name, str) else ()


def _without_folders(value: Any) -> Any:
    """Return a parameter without the folder of a file: ``tiny.py:Bands``."""
    if isinstance(value, Mapping):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, str) and (value.startswith("~") or PurePath(value).is_absolute()):
        return PurePath(value).name
    return value


def _facts(metric: StoredMetric, reference: Reference | None) -> ReferenceFacts:
    name, mark = metric.reference_name, metric.reference
    if reference is None:
        return ReferenceFacts(name, mark, None, None, False)
    recordings = len(reference.about.get("recordings", ())) or None
    windows = None if reference.about.get("windows_at_least") else reference.windows
    return ReferenceFacts(
        name, mark, windows, recordings, bool(reference.about.get("synthetic")), maker_of(reference.about)
    )


def _configured(run: Path) -> str | None:
    try:
        config = read_yaml(run / "config.yaml")
    except DataError:
        return None
    name = config.get("reference") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None
