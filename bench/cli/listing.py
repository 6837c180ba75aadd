"""``tunebench list``: what can be named in a configuration."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer


class What(StrEnum):
    """What can be listed."""

    models = "models"
    metrics = "metrics"
    embedders = "embedders"
    suites = "suites"
    references = "references"


def command(
    what: Annotated[What | None, typer.Argument(help="Only this kind; otherwise all.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the installed models, metrics, embedders, suites and references, with the package each comes from."""
    import json

    found = [entry for kind in ([what] if what else What) for entry in _entries(kind)]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    width = max((len(entry["name"]) for entry in found), default=0)
    for kind in dict.fromkeys(entry["kind"] for entry in found):
        print(f"{kind}s")
        for entry in (e for e in found if e["kind"] == kind):
            print(f"  {entry['name']:<{width}}  {entry['summary']}")


def _entries(what: What) -> list[dict[str, Any]]:
    from bench.registry import Kind, installed

    kinds: dict[What, Kind] = {
        What.models: "model",
        What.metrics: "metric",
        What.embedders: "embedder",
        What.suites: "suite",
        What.references: "reference",
    }
    kind = kinds[what]
    return [
        {
            "kind": kind,
            "name": name,
            "package": plugin.distribution,
            "target": plugin.target,
            **_summary(plugin),
        }
        for name, plugin in installed(kind).items()
    ]


def _summary(plugin: Any) -> dict[str, Any]:
    """The first line of the plugin's docstring; a broken plugin is listed with what is wrong with it."""
    import inspect

    from bench.errors import TunebenchError
    from bench.registry import load

    try:
        thing = load(plugin)
    except TunebenchError as error:
        return {"summary": f"cannot be used: {error}", "usable": False}
    text = (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
    unit = " ".join(part for part in (getattr(thing, "unit", ""), _direction(thing)) if part)
    return {"summary": f"{text} [{unit}]" if unit else text, "usable": True}


def _direction(thing: Any) -> str:
    return {"higher": "↑", "lower": "↓"}.get(getattr(thing, "direction", ""), "")
