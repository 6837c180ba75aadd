"""The parameters of plugins: the signature of a constructor, and the values passed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.contracts.entry_points import Plugin
from bench.errors import UsageError, suggestion


@dataclass(frozen=True)
class Parameter:
    """A parameter of a plugin.

    Attributes:
        name: name in configurations.
        required: whether it must be given: it has no default, or the class names it in ``required_params``.
        default: its default; None if it has none.
        example: an example value as YAML, if the plugin gives one (``examples``).
    """

    name: str
    required: bool
    default: Any = None
    example: str | None = None


def parameters(factory: Any) -> tuple[Parameter, ...]:
    """Return the named parameters of a plugin's class, in the order of its signature."""
    given = getattr(factory, "examples", None)
    examples = given if isinstance(given, Mapping) else {}
    return tuple(
        Parameter(
            name,
            required=parameter.default is parameter.empty or name in getattr(factory, "required_params", ()),
            default=None if parameter.default is parameter.empty else parameter.default,
            example=str(examples[name]) if name in examples else None,
        )
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    )


def bind(plugin: Plugin, factory: Any, params: Mapping[str, Any], partly: bool = False) -> dict[str, Any]:
    """Return ``params`` with the factory's defaults filled in, in the order of its signature.

    A whole number for a parameter whose default is a float becomes a float.

    Args:
        plugin: named in messages.
        factory: its class or function.
        params: the given values by name.
        partly: omit missing required parameters instead of refusing.

    Raises:
        UsageError: an unknown parameter or a missing one; the message suggests the nearest, or gives an example.
    """
    known = {parameter.name: parameter for parameter in parameters(factory)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(factory).parameters.values())
    for name in params:
        if name not in known and not open_ended:
            takes = f"it takes {', '.join(known)}" if known else "it takes no parameters"
            raise UsageError(
                f"{plugin.kind} '{plugin.name}' has no parameter '{name}'{suggestion(name, known)}; {takes}"
            )
    named_as_required = getattr(factory, "required_params", ())
    missing = [
        parameter
        for parameter in known.values()
        if parameter.required
        and (parameter.name not in params or (params[parameter.name] is None and parameter.name in named_as_required))
    ]
    if missing and not partly:
        example = f", for example {missing[0].name}: {missing[0].example}" if missing[0].example else ""
        raise UsageError(f"{plugin.kind} '{plugin.name}' needs the parameter '{missing[0].name}'{example}")
    defaults = {parameter.name: parameter.default for parameter in known.values() if not parameter.required}
    # 1 and 1.0 are the same value, and give the same clip.
    whole = {n: float(v) for n, v in params.items() if type(v) is int and isinstance(defaults.get(n), float)}
    given = {**defaults, **params, **whole}
    return {name: given[name] for name in [*known, *params] if name in given}
