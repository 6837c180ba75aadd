"""Plugins declared by installed packages, by kind and name, read without importing them.

A package declares plugins as entry points in the groups ``tunebench.models``, ``tunebench.metrics`` and so on. What
a package gets wrong affects only its own names: if two packages declare the same name, it is ambiguous, and a
package whose list cannot be read is left out and reported by `unreadable_packages`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Literal

Kind = Literal["model", "metric", "embedder", "suite", "reference"]

OWN_PACKAGE = "tunebench"


@dataclass(frozen=True)
class Plugin:
    """The target of a plugin name.

    Attributes:
        kind: kind of the plugin.
        name: name in tables and configurations, without package and version; for a file, as written by the user.
        target: ``module:attribute``, or ``/absolute/file.py:attribute``.
        distribution: the installed package that declares it, or None for a file.
        source: SHA-256 of the file's text for a file plugin, which is part of its identity; otherwise None.
        version: the version requested with ``@``, which `bench.contracts.plugins.load` checks; None for any.
    """

    kind: Kind
    name: str
    target: str
    distribution: str | None = None
    source: str | None = None
    version: int | None = field(default=None, compare=False)

    @property
    def qualified(self) -> str:
        """The name with its package, unambiguous even if others have the same name: ``acme/noise``."""
        return f"{self.distribution}/{self.name}" if self.distribution else self.name


@cache
def declared(kind: Kind) -> Mapping[str, tuple[Plugin, ...]]:
    """Return all plugins of one kind declared by installed packages, by name; an ambiguous name has several."""
    found: dict[str, list[Plugin]] = {}
    for package, entries in _packages()[0]:
        for entry in entries:
            if entry.group == f"tunebench.{kind}s":
                plugin = Plugin(kind, entry.name, _target(entry), package)
                same_name = found.setdefault(entry.name, [])
                if plugin not in same_name:
                    same_name.append(plugin)
    own_first = {name: sorted(plugins, key=_own_first) for name, plugins in found.items()}
    return {name: tuple(own_first[name]) for name in sorted(own_first)}


def unreadable_packages() -> Mapping[str, str]:
    """Return the error of each installed package whose entry points cannot be read, by package."""
    return _packages()[1]


def package_name(name: str) -> str:
    """Return a package's name as normalized by registries: ``tb-buzz`` for ``TB_buzz``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _own_first(plugin: Plugin) -> tuple[bool, str, str]:
    return plugin.distribution != OWN_PACKAGE, plugin.distribution or "", plugin.target


def _target(entry: EntryPoint) -> str:
    """Return ``module:attribute`` of an entry point; other forms stay unchanged, and are refused when loaded."""
    form = entry.pattern.match(entry.value)
    return f"{form['module']}:{form['attr']}" if form and form["attr"] else entry.value


@cache
def _packages() -> tuple[list[tuple[str, list[EntryPoint]]], dict[str, str]]:
    """Return the entry points of each package in our groups, and the errors of lists that cannot be read.

    `importlib.metadata.entry_points` would fail for all packages because of one malformed line.
    """
    found: dict[str, list[EntryPoint]] = {}
    broken: dict[str, str] = {}
    for distribution in distributions():
        try:
            entries = [entry for entry in distribution.entry_points if entry.group.startswith("tunebench.")]
        except Exception as error:  # the parser may raise anything for a malformed line
            broken.setdefault(_name(distribution), f"{type(error).__name__}: {error}")
            continue
        if entries:
            found.setdefault(_name(distribution), entries)  # Python imports the first one on its path
    return list(found.items()), broken


def _name(distribution: Distribution) -> str:
    try:
        return package_name(distribution.metadata["Name"])
    except Exception:  # no metadata, or without a name
        return "unnamed-package"
