"""Catalog of installed plugins with their parameters, and of a suite's prompts."""

from __future__ import annotations

import inspect
import json
from typing import Any

import yaml

from bench.contracts.embedder import Embedder
from bench.contracts.entry_points import Kind, Plugin, declared
from bench.contracts.front_end import FrontEnd
from bench.contracts.metric import ClipMetric
from bench.contracts.parameters import Parameter, parameters
from bench.contracts.plugins import find, is_declared, load, short_name
from bench.contracts.prompt import PromptSuite
from bench.contracts.set_metric import SetMetric
from bench.errors import TunebenchError, UsageError, suggestion
from bench.installation.parameter_docs import docs_of, types_of
from bench.installation.readiness import named


def catalogue(kind: Kind) -> list[dict[str, Any]]:
    """Return a record for each name of one kind.

    ``kind``, ``name``, ``package`` and ``target`` identify it and its package; ``summary`` is the beginning of
    its documentation; ``usable`` is whether it could be imported, and if not, ``summary`` says why.
    ``version`` is that of a class, otherwise None. ``params`` lists the parameters: ``name``, whether it is
    ``required``, its ``default``, for a required one an ``example``, in YAML, where the plugin gives one, its ``type``
    in words, and what the ``doc`` of the class says of it; both are empty where nothing is known. ``front_end`` says
    how an embedder prepares audio, where it says so, and is otherwise None. An ambiguous name is followed by those that
    mean one plugin.
    """
    return [
        {
            "kind": kind,
            "name": name,
            "package": plugin.distribution if plugin else None,
            "target": plugin.target if plugin else None,
            **(_described(plugin) if plugin else _unusable(problem)),
        }
        for name, plugin, problem in named(kind)
    ]


def parameters_of(name: str | None = None) -> list[dict[str, Any]]:
    """Return a record for each parameter of the plugins of one name, or of all plugins that can be imported here.

    ``kind`` and ``plugin`` say what it is a parameter of; the others are those of ``params`` in `catalogue`.

    Raises:
        UsageError: no plugin has that name, or none with parameters.
        MissingError, UsageError: the plugin cannot be imported; the message says why.
    """
    kinds: tuple[Kind, ...] = ("model", "metric", "embedder")
    if name is None:
        entries = [entry for kind in kinds for entry in catalogue(kind)]
        return [{"kind": e["kind"], "plugin": e["name"], **parameter} for e in entries for parameter in e["params"]]
    wanted = [kind for kind in kinds if is_declared(kind, name)]
    of_file = ".py:" in name
    if not wanted and not of_file:
        names = [other for kind in kinds for other in declared(kind)]
        raise UsageError(f"no plugin with parameters is called '{name}'{suggestion(short_name(name), names)}")
    found = []
    for plugin in [find(kind, name) for kind in wanted or kinds[:1]]:
        thing = load(plugin)
        if not inspect.isclass(thing):
            raise UsageError(
                f"{plugin.kind} '{plugin.name}' ({plugin.target}) is not a class, so it takes no parameters"
            )
        kind = _kind_of(thing) if of_file else plugin.kind
        found += [{"kind": kind, "plugin": plugin.name, **parameter} for parameter in _parameters(thing)]
    return found


def _kind_of(thing: type) -> str:
    """Return the kind of a class in a plugin file."""
    return (
        "metric"
        if issubclass(thing, ClipMetric | SetMetric)
        else "embedder"
        if issubclass(thing, Embedder)
        else "model"
    )


def prompts(suite: PromptSuite) -> list[dict[str, Any]]:
    """Return a record for each prompt of a suite: ``id``, ``text``, and its other fields or None."""
    return [
        {
            "id": prompt.id,
            "text": prompt.text,
            "genre": prompt.genre,
            "level": prompt.level,
            "bpm": prompt.bpm,
            "key": prompt.key,
            "lyrics": prompt.lyrics,
        }
        for prompt in suite.prompts
    ]


def as_yaml(value: Any) -> str:
    """Return a value as one line of YAML.

    >>> as_yaml(None), as_yaml("a: b"), as_yaml([1, 2.5])
    ('null', "'a: b'", '[1, 2.5]')
    """
    return yaml.safe_dump([value], default_flow_style=True, width=10**6, allow_unicode=True).strip()[1:-1]


def _described(plugin: Plugin) -> dict[str, Any]:
    try:
        thing = load(plugin)
        params = _parameters(thing) if inspect.isclass(thing) else []
    except TunebenchError as error:
        return _unusable(f"cannot be used: {error}")
    except (TypeError, ValueError) as error:  # a constructor whose signature cannot be read
        return _unusable(f"cannot be used: its parameters are unknown ({error})")
    text = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ").replace("`", "")
    arrow = {"higher": "↑", "lower": "↓"}.get(str(getattr(thing, "direction", "")), "")
    unit = " ".join(part for part in (str(getattr(thing, "unit", "")), arrow) if part)
    return {
        "summary": f"{text} [{unit}]" if unit else text,
        "usable": True,
        "version": _version(thing),
        "params": params,
        "front_end": own.text if isinstance(own := getattr(thing, "own_front_end", None), FrontEnd) else None,
    }


def _unusable(problem: str) -> dict[str, Any]:
    return {"summary": problem, "usable": False, "version": None, "params": [], "front_end": None}


def _version(thing: Any) -> int | None:
    """Return the version of a class; that of a suite is known only when its function is called."""
    version = getattr(thing, "version", None)
    return version if isinstance(version, int) else None


def _parameters(kind: type) -> list[dict[str, Any]]:
    types, docs = types_of(kind), docs_of(kind)
    return [
        {**_parameter(known), "type": types.get(known.name, ""), "doc": docs.get(known.name, "")}
        for known in parameters(kind)
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    default: Any = parameter.default
    try:
        json.dumps(default, allow_nan=False)
        as_yaml(default)
    except (TypeError, ValueError, yaml.YAMLError):
        default = str(default)
    return {
        "name": parameter.name,
        "required": parameter.required,
        "default": default,
        "example": parameter.example if parameter.required else None,
    }
