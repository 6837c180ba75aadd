"""Names → plugins. Built-ins and other people's plugins are found the same way: through entry points.

A name is looked up in the entry-point group of its kind, or is ``path/to/file.py:Attribute``. Nothing is imported until
it is loaded, so that a broken plugin breaks only the run that names it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from bench.errors import MissingError, TunebenchError, UsageError, suggestion

Kind = Literal["model", "metric", "embedder", "suite", "reference"]

ROOT = Path(__file__).resolve().parent.parent
OWN_PACKAGES = frozenset({"models", "metrics", "prompts", "results"})


@dataclass(frozen=True)
class Plugin:
    """Where a name leads.

    Attributes:
        kind: what it is.
        name: as the user writes it.
        target: ``module:attribute``, or ``/absolute/file.py:attribute``.
        distribution: the installed package that declares it, or None for a file.
        source: SHA-256 of the file's text for a file plugin, which is part of its identity; otherwise None.
    """

    kind: Kind
    name: str
    target: str
    distribution: str | None = None
    source: str | None = None


@cache
def installed(kind: Kind) -> Mapping[str, Plugin]:
    """All plugins of one kind that installed packages declare, by name.

    Raises:
        UsageError: two packages declare one name.
    """
    found: dict[str, Plugin] = {}
    for entry in entry_points(group=f"tunebench.{kind}s"):
        plugin = Plugin(kind, entry.name, entry.value, entry.dist.name if entry.dist else None)
        other = found.setdefault(entry.name, plugin)
        if other != plugin:
            raise UsageError(
                f"two packages declare the {kind} '{entry.name}': {other.distribution} ({other.target}) and "
                f"{plugin.distribution} ({plugin.target}); uninstall one"
            )
    return dict(sorted(found.items()))


def find(kind: Kind, name: str) -> Plugin:
    """Return the plugin that ``name`` stands for, without importing it.

    Raises:
        UsageError: nothing has that name; the message suggests the nearest.
    """
    path, separator, attribute = name.rpartition(":")
    if separator and path.endswith(".py"):
        file = Path(path).expanduser().resolve()
        if not file.is_file():
            raise UsageError(f"{kind} '{name}': there is no file {file}")
        source = hashlib.sha256(file.read_bytes()).hexdigest()
        return Plugin(kind, name, f"{file}:{attribute}", source=source)
    known = installed(kind)
    if name not in known:
        if not known:
            raise UsageError(f"no {kind} is installed; reinstall tunebench in a venv of its own")
        raise UsageError(
            f"unknown {kind} '{name}'{suggestion(name, known)}; known: {', '.join(known)}; or path/to/file.py:Name"
        )
    return known[name]


def load(plugin: Plugin) -> Any:
    """Import a plugin and return the class or function it names.

    Raises:
        UsageError: it raises while being imported, lacks the attribute, or another folder hides one of ours.
        MissingError: it needs a module that is not installed.
    """
    location, _, attribute = plugin.target.rpartition(":")
    try:
        module = _load_file(plugin, Path(location)) if plugin.source else _load_module(location)
        if not hasattr(module, attribute):
            raise UsageError(f"{plugin.kind} '{plugin.name}': there is no '{attribute}' in {location}")
        return getattr(module, attribute)
    except TunebenchError:
        raise
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{plugin.kind} '{plugin.name}' needs the module '{error.name}', which is not installed"
        ) from error
    except (Exception, SystemExit) as error:
        origin = f" of {plugin.distribution}" if plugin.distribution else ""
        raise UsageError(
            f"{plugin.kind} '{plugin.name}'{origin} ({plugin.target}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _load_module(name: str) -> ModuleType:
    top = name.partition(".")[0]
    if top in OWN_PACKAGES:
        _refuse_shadow(top)
    return importlib.import_module(name)


def _refuse_shadow(package: str) -> None:
    """Our package names are common ones: make sure that Python finds ours and not a folder of the user's."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = Path(spec.origin).parent if spec and spec.origin else Path(places[0]) if places else None
    if found is None or found.resolve() != ROOT / package:
        raise UsageError(
            f"the folder {found} hides tunebench's own package '{package}'; start with 'tunebench …' or "
            f"'python -P -m bench …', or work in another folder"
        )


def _load_file(plugin: Plugin, file: Path) -> ModuleType:
    name = f"tunebench_plugin_{plugin.source}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def bind(plugin: Plugin, factory: Any, params: Mapping[str, Any], partly: bool = False) -> dict[str, Any]:
    """Return ``params`` with the factory's defaults filled in, in the order of its signature.

    ``partly`` leaves out what has no default and is not given, instead of refusing.

    Raises:
        UsageError: an unknown parameter or a missing one; the message suggests the nearest or names it.
    """
    signature = inspect.signature(factory)
    named = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in params:
        if name not in named and not open_ended:
            takes = f"it takes {', '.join(named)}" if named else "it takes none"
            raise UsageError(
                f"{plugin.kind} '{plugin.name}' has no parameter '{name}'{suggestion(name, named)}; {takes}"
            )
    missing = [name for name, p in named.items() if p.default is p.empty and name not in params]
    if missing and not partly:
        raise UsageError(f"{plugin.kind} '{plugin.name}' needs the parameter '{missing[0]}'")
    defaults = {name: p.default for name, p in named.items() if p.default is not p.empty}
    # 1 and 1.0 are one parameter, and one clip.
    whole = {n: float(v) for n, v in params.items() if type(v) is int and isinstance(defaults.get(n), float)}
    given = {**defaults, **params, **whole}
    return {name: given[name] for name in [*named, *params] if name in given}


def create(plugin: Plugin, params: Mapping[str, Any], *contracts: type) -> Any:
    """Load a plugin and make an instance.

    Raises:
        UsageError: it is no subclass of one of ``contracts``, or does not accept the parameters.
        MissingError: something that it needs is not installed.
    """
    factory = load(plugin)
    if not (inspect.isclass(factory) and issubclass(factory, contracts)):
        wanted = " or ".join(f"bench.{contract.__name__}" for contract in contracts)
        raise UsageError(f"{plugin.kind} '{plugin.name}' ({plugin.target}) is not a subclass of {wanted}")
    if inspect.isabstract(factory):
        lacking = ", ".join(sorted(getattr(factory, "__abstractmethods__", ())))
        raise UsageError(f"{plugin.kind} '{plugin.name}' ({plugin.target}) does not define {lacking}")
    try:
        return factory(**bind(plugin, factory, params))
    except TunebenchError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"{plugin.kind} '{plugin.name}' does not accept its parameters: {said}") from error
