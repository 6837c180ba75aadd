"""Resolve the metrics of a bundle to equal ones installed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.bundle.sanitize import BundledMetric
from bench.config.plugin_files import named_programs
from bench.config.run_config import CommonGround, MetricConfig
from bench.contracts.clip_view import View
from bench.contracts.plugins import find, is_declared, load
from bench.errors import MissingError, TunebenchError, UsageError, one_line
from bench.planning.metric_plan import PlannedMetric, plan_metric
from bench.references.load import load_reference
from bench.storage.clip_sets import view_of
from bench.storage.layout import IMPORTED, reference_name
from bench.storage.store import Store

Resolved = dict[BundledMetric, PlannedMetric]


def resolve(
    store: Store, shown: tuple[BundledMetric, ...], ground: CommonGround, trust_weights: bool
) -> tuple[Resolved, dict[str, str]]:
    """Return the metrics that can be computed in the same way here, and the reasons for the others.

    Args:
        store: the clips.
        shown: metrics in the bundle's tables.
        ground: the part of the clips that is embedded.
        trust_weights: whether parameters may name files and hub repositories.
    """
    view = view_of(store, ground)
    planned: Resolved = {}
    unchecked: dict[str, str] = {}
    for metric in shown:
        try:
            _refuse_strangers(metric, trust_weights)
            plan = plan_metric(MetricConfig(name=metric.plugin, params=metric.params))
            _refuse_another(metric, plan, view)
            embedders = [find("embedder", embedder.ref.name) for embedder in plan.embedders]
            for plugin in [*embedders, *([] if plan.of_sets else [plan.plugin])]:
                load(plugin).require()
            planned[metric] = replace(plan, families=metric.families)
        except (TunebenchError, RecursionError) as error:
            unchecked[metric.ref] = one_line(error)
    return planned, unchecked


def usable_references(files: Path, planned: Mapping[BundledMetric, PlannedMetric]) -> dict[str, str]:
    """Return, by metric, the problem with its reference in a bundle; only for metrics with a problem.

    Args:
        files: folder in which the bundle's ``references`` lie.
        planned: the metrics, those without a reference included.
    """
    wrong = {}
    for metric, plan in planned.items():
        if not metric.reference:
            continue
        name = reference_name(metric.reference)
        try:
            reference = load_reference(files / name)
            for recording in reference.about["recordings"]:
                id, content, genre = recording
                if not (isinstance(id, str) and isinstance(content, str) and isinstance(genre, str | None)):
                    raise TypeError("a recording is not described by text")
        except (TunebenchError, ValueError, TypeError, OSError, RecursionError) as error:
            wrong[metric.ref] = f"{name}: cannot be read ({one_line(error).replace(f'{files}/', '')})"
            continue
        if reference.fingerprint != metric.reference:
            wrong[metric.ref] = f"{name}: is not the reference that {metric.ref} was compared with"
        elif reference.embedder != plan.embedders[0].fingerprint:
            wrong[metric.ref] = f"{name}: was embedded by another embedder than {metric.ref} uses"
    return wrong


def _refuse_strangers(metric: BundledMetric, trust_weights: bool) -> None:
    texts = [metric.plugin, *_texts(metric.params)]
    if code := next((text for text in texts if ".py:" in text), None):
        raise UsageError(f"it names the plugin file '{code}', and code named by a bundle is never run")
    if program := next(named_programs(metric.params), None):
        raise UsageError(f"it runs the program '{program}', and programs named by a bundle are never run")
    if IMPORTED in metric.params:
        raise MissingError("its scores were imported, not computed from the clips")
    if not is_declared("metric", metric.plugin):
        raise MissingError(f"no metric '{metric.plugin}' is installed here; bundles do not contain plugin files")
    weights = next((text for text in texts if "/" in text or "\\" in text or text.startswith("~")), None)
    if weights is not None and not trust_weights:
        raise MissingError(f"it reads '{weights}', which needs --trust-weights")


def _refuse_another(metric: BundledMetric, plan: PlannedMetric, view: View) -> None:
    """Refuse a metric of the same name that would give other numbers."""
    if plan.ref != metric.ref:
        raise MissingError(f"here '{metric.plugin}' is {plan.ref}; verify with the version that packed the bundle")
    if plan.of_sets != metric.of_sets or plan.params_hash != metric.params_hash:
        raise MissingError(f"{metric.ref} has other code or parameters here")
    if plan.key(view).embedder != metric.embedder:
        raise MissingError("it was computed with another embedder, or on another part of the clips, than here")
    if bool(metric.reference) != plan.needs_reference:
        raise MissingError("it needs a reference in only one of the two: the bundle or this installation")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
