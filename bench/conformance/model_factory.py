"""A model with its parameters, for conformance checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.contracts.entry_points import Plugin
from bench.contracts.model import MusicModel
from bench.contracts.parameters import bind
from bench.contracts.plugins import create, find
from bench.errors import UsageError
from bench.planning.plan import model_identity


@dataclass(frozen=True)
class ModelFactory:
    """Create instances of one model, and compute the identity of each."""

    plugin: Plugin
    factory: type[MusicModel] | None
    params: Mapping[str, Any]

    @classmethod
    def of(cls, model: str | type[MusicModel], params: dict[str, Any]) -> ModelFactory:
        """Return the factory of a model.

        Args:
            model: a class, or a name as in a configuration.
            params: parameters of the model; checked by `make`.

        Raises:
            UsageError: no such model, or something else than a model.
        """
        if isinstance(model, str):
            plugin = find("model", model)
            subject = cls(plugin, None, params)
        elif isinstance(model, type) and issubclass(model, MusicModel):
            plugin = Plugin("model", model.__name__, f"{model.__module__}:{model.__qualname__}")
            subject = cls(plugin, model, params)
        else:
            raise UsageError(f"the model must be a name or a subclass of bench.MusicModel, not {model!r}")
        return subject

    def make(self, **changes: Any) -> MusicModel:
        """Create an instance; ``changes`` replace parameters.

        Raises:
            UsageError: an unknown or missing parameter, or the model refuses a value.
            MissingError: a dependency of the model is not installed.
        """
        given = {**self.params, **changes}
        if self.factory is None:
            made: MusicModel = create(self.plugin, given, MusicModel)
            return made
        return self.factory(**bind(self.plugin, self.factory, given))

    def bound(self, model: MusicModel, **changes: Any) -> dict[str, Any]:
        """Return all parameters of an instance made with these ``changes``, defaults included."""
        return bind(self.plugin, type(model), {**self.params, **changes})

    def identity(self, model: MusicModel, **changes: Any) -> dict[str, Any]:
        """Return the identity of an instance made with these ``changes``, as clips record it."""
        return model_identity(self.plugin, model, self.bound(model, **changes), self.plugin.name)

    def varied(self, name: str, value: Any) -> dict[str, Any] | None:
        """Return the identity with another value of a parameter, or None if none is accepted.

        Args:
            name: of the parameter.
            value: its value now.
        """
        for other in _others(value):
            try:
                model = self.make(**{name: other})
                return self.identity(model, **{name: other})
            except Exception:
                continue
        return None


def _others(value: Any) -> list[Any]:
    """Return values close to one, which a model is likely to accept."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        return [value * 0.9, value * 1.1] if value else [0.01]
    return []
