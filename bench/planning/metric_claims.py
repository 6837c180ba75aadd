"""Check declarations of metrics: names, versions, units, and the music that they compare with."""

from __future__ import annotations

from typing import get_args

from bench.contracts.entry_points import Plugin
from bench.contracts.metric import ClipMetric, ReferenceUse
from bench.contracts.plugins import is_declared, load
from bench.contracts.set_metric import SetMetric
from bench.errors import UsageError
from bench.plain_text import plain_line


def check_label(plugin: Plugin, label: str | None) -> None:
    """Check that a configuration names a column if and only if the metric has no own name.

    Args:
        plugin: the metric's.
        label: the configured name of its column, or None.

    Raises:
        UsageError: it is not, the name is that of an installed metric, or the plugin cannot be imported.
        MissingError: the plugin needs a module that is not installed.
    """
    named = getattr(load(plugin), "named", False)
    if named and label is None:
        raise UsageError(f"metric '{plugin.name}' needs a name for its column; set it with 'as:'")
    if label is not None and not named:
        raise UsageError(f"metric '{plugin.name}' has its own name; leave out 'as: {label}'")
    if label is not None and is_declared("metric", label):
        raise UsageError(f"'as: {label}': an installed metric has this name; choose another")


def check_attributes(plugin: Plugin, kind: ClipMetric | SetMetric) -> None:
    """Check the attributes that tables show: version, unit, direction and ``cannot_tell``.

    Args:
        plugin: named in the error.
        kind: an instance of the metric.

    Raises:
        UsageError: one of them is invalid.
    """
    problems = {
        "version": not isinstance(kind.version, int) or isinstance(kind.version, bool) or kind.version < 1,
        "unit": not isinstance(kind.unit, str) or plain_line(kind.unit) != kind.unit,
        "cannot_tell": not isinstance(kind.cannot_tell, str),
        "direction": kind.direction not in ("higher", "lower", "none"),
    }
    for name, wrong in problems.items():
        if wrong:
            value = getattr(kind, name)
            raise UsageError(
                f"metric '{plugin.name}': its {name} is {value!r:.60}; see bench.ClipMetric for valid values"
            )


def reference_use(plugin: Plugin, metric: ClipMetric | SetMetric) -> ReferenceUse:
    """Return what a metric compares with: ``none``, a ``set`` of music, or ``paired`` music.

    Args:
        plugin: named in the error.
        metric: an instance of it.

    Raises:
        UsageError: its declaration is invalid, or it has no embedder for the comparison.
    """
    if isinstance(metric, SetMetric):
        return "set" if metric.needs_reference else "none"
    use: ReferenceUse = metric.reference
    if use not in get_args(ReferenceUse):
        raise UsageError(f"metric '{plugin.name}': its reference is {use!r:.60}; must be none, set or paired")
    if use != "none" and not metric.embedders:
        raise UsageError(f"metric '{plugin.name}' compares with music (reference: {use}) but names no embedder")
    return use
