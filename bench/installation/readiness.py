"""Check whether plugins can be used here, without network and without making anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.contracts.embedder import Embedder
from bench.contracts.entry_points import Kind, Plugin, declared
from bench.contracts.metric import ClipMetric
from bench.contracts.model import MusicModel
from bench.contracts.parameters import parameters
from bench.contracts.plugins import create, find, load, load_class
from bench.contracts.prompt import PromptSuite
from bench.contracts.set_metric import SetMetric
from bench.errors import MissingError, TunebenchError, UsageError, one_line
from bench.references.load import ENDING

READY = "ready"

CONTRACTS: dict[Kind, tuple[type, ...]] = {
    "model": (MusicModel,),
    "metric": (ClipMetric, SetMetric),
    "embedder": (Embedder,),
}


def readiness(kind: Kind) -> dict[str, str]:
    """Return for each name of one kind ``ready``, or what is missing.

    ``ready`` means: it was imported, its ``require`` passed, its default parameters work, and its
    weights are here. An ambiguous name lists its packages, followed by the unambiguous names.
    """
    return {name: _tried(plugin) if plugin else problem for name, plugin, problem in named(kind)}


def named(kind: Kind) -> Iterator[tuple[str, Plugin | None, str]]:
    """Yield every name of one kind: with its plugin, or else the reason why it has none."""
    for name, plugins in declared(kind).items():
        if len(plugins) == 1:
            yield name, plugins[0], ""
            continue
        try:
            find(kind, name)
        except UsageError as ambiguous:
            yield name, None, str(ambiguous)
        qualified = [plugin.qualified for plugin in plugins]
        for plugin in plugins:
            if qualified.count(plugin.qualified) == 1:
                yield plugin.qualified, plugin, ""


def _tried(plugin: Plugin, params: Mapping[str, Any] = {}) -> str:
    """Return ``ready``, or the problem with a plugin created with some parameters."""
    try:
        if plugin.kind in ("suite", "reference"):
            _try_function(plugin)
        else:
            _try_class(plugin, params)
    except TunebenchError as error:
        return one_line(error)
    except (Exception, SystemExit) as error:
        return f"cannot be used: {one_line(error)}"
    return READY


def _try_function(plugin: Plugin) -> None:
    """Raise the problem with a suite or a reference."""
    made = load(plugin)()
    if plugin.kind == "suite" and not isinstance(made, PromptSuite):
        raise UsageError(f"{plugin.target} returns a {type(made).__name__}, not a bench.PromptSuite")
    if plugin.kind == "reference" and not any(Path(made).glob(f"*{ENDING}")):
        raise MissingError(f"{made} holds no reference file (*{ENDING}); reinstall {plugin.distribution}")


def _try_class(plugin: Plugin, params: Mapping[str, Any]) -> None:
    """Raise the problem with a model, metric or embedder."""
    contracts = CONTRACTS[plugin.kind]
    kind = load_class(plugin, *contracts)
    if hasattr(kind, "require"):
        kind.require()
    if lacking := [p for p in parameters(kind) if p.required and p.name not in params]:
        examples = ", ".join(f"{p.name}={p.example}" for p in lacking if p.example)
        such = f" (for example {examples})" if examples else ""
        raise MissingError(f"needs {', '.join(f'{p.name}=…' for p in lacking)}{such}; not tried without it")
    made = create(plugin, params, *contracts)
    if isinstance(made, MusicModel | Embedder):
        try:
            made.check_weights()
        finally:
            made.close()
        return
    for ref in made.embedders:
        if (problem := _tried(find("embedder", ref.name), ref.params)) != READY:
            raise MissingError(f"its embedder {ref.name}: {problem}")
