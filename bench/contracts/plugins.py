"""Find plugins by name. Built-in and third-party plugins are found in the same way: by entry points.

A name is looked up among what installed packages declare, or is ``path/to/file.py:Attribute``. ``name@1`` is the same
plugin, refused if another version is installed; ``package/name`` distinguishes two packages with the same
name. Nothing is imported until it is loaded, so that a broken plugin breaks only the run that names it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from bench.contracts.entry_points import Kind, Plugin, declared, package_name
from bench.contracts.parameters import bind
from bench.contracts.plugin_modules import import_file, import_installed
from bench.errors import MissingError, TunebenchError, UsageError, suggestion
from bench.file_hash import hash_file
from bench.file_names import looked_for

_VERSIONED = re.compile(r"(.+)@([0-9]{1,9})")
_TARGET = re.compile(r"[\w.]+:[\w.]+")


def plain_name(name: str) -> str:
    """Return the name without its version.

    >>> plain_name("kad@1"), plain_name("mine.py:M@2"), plain_name("kad")
    ('kad', 'mine.py:M', 'kad')
    """
    versioned = _VERSIONED.fullmatch(name)
    return versioned[1] if versioned else name


def short_name(name: str) -> str:
    """Return what tables call a plugin: its name without version, package and file.

    >>> short_name("kad@1"), short_name("acme/noise"), short_name("folder/mine.py:M@2")
    ('kad', 'noise', 'M')
    """
    return plain_name(name).rpartition(":")[2].rpartition("/")[2]


def installed(kind: Kind) -> Mapping[str, Plugin]:
    """Return the plugins of one kind with unambiguous names, by name; `declared` also has the ambiguous ones."""
    return {name: plugins[0] for name, plugins in declared(kind).items() if len(plugins) == 1}


def is_declared(kind: Kind, name: str) -> bool:
    """Return whether an installed package declares ``name``, even if ambiguous or in another version."""
    return bool(_candidates(kind, name) or _candidates(kind, plain_name(name)))


def find(kind: Kind, name: str) -> Plugin:
    """Return the plugin with a name, without importing it.

    Raises:
        UsageError: no plugin has that name (the message suggests the nearest), or two packages declare it.
    """
    versioned = None if _candidates(kind, name) else _VERSIONED.fullmatch(name)
    plain, version = (versioned[1], int(versioned[2])) if versioned else (name, None)
    path, separator, attribute = plain.rpartition(":")
    if separator and path.endswith(".py"):
        given = Path(path).expanduser()
        file = given.resolve() if given.exists() else given  # a link to itself does not
        if not file.is_file():
            raise UsageError(f"{kind} '{plain}': there is no file {file}{looked_for(file)}")
        try:
            source = hash_file(file)
        except OSError as error:
            raise UsageError(f"{kind} '{plain}': {file} cannot be read ({error.strerror})") from error
        return Plugin(kind, plain, f"{file}:{attribute}", source=source, version=version)
    candidates = _candidates(kind, plain)
    if len(candidates) == 1:
        return replace(candidates[0], version=version)
    raise UsageError(_ambiguous(candidates) if candidates else _unknown(kind, plain))


def canonical_name(kind: Kind, name: str) -> str:
    """Return the shortest name of a plugin: without version, and without the package if it is not needed.

    Raises:
        UsageError: as `find`.
    """
    plugin = find(kind, name)
    return plugin.name if plugin.source or len(declared(kind)[plugin.name]) == 1 else plugin.qualified


def _candidates(kind: Kind, name: str) -> tuple[Plugin, ...]:
    """Return the plugins that ``name`` or ``package/name`` may refer to."""
    known = declared(kind)
    package, _, own = name.rpartition("/")
    if name in known or not package:
        return known.get(name, ())
    return tuple(plugin for plugin in known.get(own, ()) if plugin.distribution == package_name(package))


def _unknown(kind: Kind, name: str) -> str:
    known = declared(kind)
    if not known:
        return f"no {kind} is installed; reinstall tunebench in its own venv"
    plain, bracket, _ = name.partition("[")
    if bracket and _candidates(kind, plain):
        return f"unknown {kind} '{name}': write its parameters separately, as in {{name: {plain}, params: {{…}}}}"
    before, at, _ = name.partition("@")
    if at and _candidates(kind, before):
        return f"unknown {kind} '{name}': a version is an integer, as in '{before}@1'"
    nearest = suggestion(short_name(name), known)
    return f"unknown {kind} '{name}'{nearest}; known: {', '.join(known)}; or path/to/file.py:Name"


def _ambiguous(plugins: tuple[Plugin, ...]) -> str:
    first, names = plugins[0], dict.fromkeys(plugin.qualified for plugin in plugins)
    if len(names) == 1:
        targets = " and ".join(plugin.target for plugin in plugins)
        return (
            f"{first.distribution} declares the {first.kind} '{first.name}' more than once ({targets}), so it "
            "is ambiguous; tell the package's authors, or uninstall it"
        )
    who = [f"{plugin.distribution} ({plugin.target})" for plugin in plugins]
    return (
        f"the {first.kind} '{first.name}' is declared by {len(names)} packages, {', '.join(who[:-1])} and {who[-1]}; "
        f"in a configuration write {' or '.join(map(repr, names))}, or uninstall all but one of them"
    )


def load(plugin: Plugin) -> Any:
    """Import a plugin and return its class or function.

    Raises:
        UsageError: it raises while being imported, lacks the attribute, has another version than requested, or
            a folder hides one of our packages.
        MissingError: it needs a module that is not installed.
    """
    origin = f" of {plugin.distribution}" if plugin.distribution else ""
    if not plugin.source and not _TARGET.fullmatch(plugin.target):
        raise UsageError(
            f"{plugin.kind} '{plugin.name}'{origin}: its entry point '{plugin.target}' is not of the form "
            "module:attribute; reinstall the package, or tell its authors"
        )
    location, _, attribute = plugin.target.rpartition(":")
    try:
        module = import_file(plugin, Path(location)) if plugin.source else import_installed(location)
        try:
            thing = reduce(getattr, attribute.split("."), module)
        except AttributeError:
            raise UsageError(
                f"{plugin.kind} '{plugin.name}'{origin}: there is no '{attribute}' in {location}"
            ) from None
        _check_version(plugin, thing)
        return thing
    except TunebenchError:
        raise
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{plugin.kind} '{plugin.name}'{origin} needs the module '{error.name}', which is not installed: install "
            "the package that provides it"
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{plugin.kind} '{plugin.name}'{origin} ({plugin.target}) cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _check_version(plugin: Plugin, thing: Any) -> None:
    """Refuse another version than requested; a suite's version is known only when made (`load_suite_named`)."""
    if plugin.version is None or plugin.kind == "suite":
        return
    if plugin.kind == "reference":
        raise UsageError(
            f"the reference '{plugin.name}@{plugin.version}': references have no version, write '{plugin.name}'; "
            "tables show the fingerprint of its content"
        )
    version = getattr(thing, "version", None)
    if isinstance(version, int) and version != plugin.version:  # other kinds have no version
        raise UsageError(other_version(plugin, f"{plugin.name}@{version}"))


def other_version(plugin: Plugin, have: str) -> str:
    """Return the message if ``have`` is installed but another version was requested."""
    wanted = f"{plugin.name}@{plugin.version}"
    if plugin.source:
        return f"{plugin.kind} '{wanted}': the file has '{have}'; use that, or the file with '{wanted}'"
    return (
        f"{plugin.kind} '{wanted}' is not installed, but '{have}' is; use that, or the {plugin.distribution} with "
        f"'{wanted}'"
    )


def load_class(plugin: Plugin, *contracts: type) -> Any:
    """Load a plugin that is a class.

    Raises:
        UsageError: as `load`, or it is not a subclass of one of ``contracts``, or lacks a method.
        MissingError: as `load`.
    """
    factory = load(plugin)
    if not (inspect.isclass(factory) and issubclass(factory, contracts)):
        wanted = " or ".join(f"bench.{contract.__name__}" for contract in contracts)
        raise UsageError(f"{plugin.kind} '{plugin.name}' ({plugin.target}) is not a subclass of {wanted}")
    if inspect.isabstract(factory):
        lacking = ", ".join(sorted(getattr(factory, "__abstractmethods__", ())))
        raise UsageError(f"{plugin.kind} '{plugin.name}' ({plugin.target}) does not define {lacking}")
    return factory


def create(plugin: Plugin, params: Mapping[str, Any], *contracts: type) -> Any:
    """Load a plugin and create an instance.

    Raises:
        UsageError: as `load_class`, or it does not accept the parameters.
        MissingError: a dependency is not installed.
    """
    factory = load_class(plugin, *contracts)
    try:
        return factory(**bind(plugin, factory, params))
    except TunebenchError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"{plugin.kind} '{plugin.name}' does not accept its parameters: {said}") from error
