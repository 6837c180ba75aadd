"""Shell completion of options and arguments: names of plugins, and settings.

A shell calls this at every press of Tab, so it reads the entry points of packages and imports no plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.contracts.entry_points import Kind


def _declared(kind: Kind, typed: str) -> Iterator[str]:
    from bench.contracts.entry_points import declared

    for name, plugins in declared(kind).items():
        names = [name] if len(plugins) == 1 else [plugin.qualified for plugin in plugins]
        yield from (name for name in names if name.startswith(typed))


def models(incomplete: str) -> list[str]:
    """Return the names of models."""
    return list(_declared("model", incomplete))


def metrics(incomplete: str) -> list[str]:
    """Return the names of metrics."""
    return list(_declared("metric", incomplete))


def embedders(incomplete: str) -> list[str]:
    """Return the names of embedders."""
    return list(_declared("embedder", incomplete))


def references(incomplete: str) -> list[str]:
    """Return the names of references."""
    return list(_declared("reference", incomplete))


def suites(incomplete: str) -> list[str]:
    """Return the names of suites."""
    return list(_declared("suite", incomplete))


def suites_and_plugins(incomplete: str) -> list[str]:
    """Return the names of suites, and of models, metrics and embedders, which have parameters."""
    return [*suites(incomplete), *models(incomplete), *metrics(incomplete), *embedders(incomplete)]


def recipes(incomplete: str) -> list[str]:
    """Return the names of the recipes that come with the package."""
    from importlib.resources import files

    names = sorted(file.name for file in (files("results") / "recipes").iterdir() if file.name.endswith(".yaml"))
    return [name.removesuffix(".yaml") for name in names if name.startswith(incomplete)]
