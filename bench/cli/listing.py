"""``tunebench list``: what can be named in a configuration, its parameters, and the prompts of a suite."""

from __future__ import annotations

import shutil
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import complete

if TYPE_CHECKING:
    from bench.contracts.entry_points import Kind

_WIDEST = 100  # columns; longer lines of prose are hard to read


class What(StrEnum):
    """What can be listed."""

    models = "models"
    metrics = "metrics"
    embedders = "embedders"
    suites = "suites"
    references = "references"
    prompts = "prompts"
    parameters = "parameters"


class Style(StrEnum):
    """How a list is written."""

    table = "table"
    csv = "csv"
    json = "json"


def command(
    what: Annotated[
        What | None, typer.Argument(help="Only this kind.  [default: all kinds of plugins]", show_default=False)
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="For prompts: the suite, by name or as a YAML file.  [default: a run's]  For parameters: the model, "
            "metric or embedder.  [default: all of them]",
            show_default=False,
            autocompletion=complete.suites_and_plugins,
        ),
    ] = None,
    style: Annotated[Style, typer.Option("--format", help="Output format.")] = Style.table,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """List the installed models, metrics, embedders, suites and references; of one kind, with their parameters.

    Or the parameters of one of them, with types, defaults and what they mean; or the prompts of a suite, to make clips
    for them elsewhere.
    """
    from bench.errors import UsageError

    style = Style.json if as_json else style
    if what is What.prompts:
        _print_prompts(name, style)
    elif what is What.parameters:
        _print_parameters(name, style)
    elif name is None:
        _print_plugins(what, style)
    else:
        raise UsageError(
            f"'tunebench list {what}' takes no further argument; 'tunebench list parameters {name}' says what it takes"
        )


def _print_plugins(what: What | None, style: Style) -> None:
    from bench.cli.streams import plugins_to_stderr
    from bench.installation.catalogue import catalogue

    kinds: dict[What, Kind] = {
        What.models: "model",
        What.metrics: "metric",
        What.embedders: "embedder",
        What.suites: "suite",
        What.references: "reference",
    }
    with plugins_to_stderr():
        found = [entry for kind in ([what] if what else kinds) for entry in catalogue(kinds[kind])]
    if style is Style.csv:
        _print_csv(("kind", "name", "package", "target", "summary", "usable", "params"), found)
    elif style is Style.json:
        _print_json(found)
    else:
        for kind in dict.fromkeys(entry["kind"] for entry in found):
            entries = [entry for entry in found if entry["kind"] == kind]
            _print_definitions(f"{kind}s", [(e["name"], [e["summary"], *_words(e["params"], what)]) for e in entries])


def _words(params: list[dict[str, Any]], what: What | None) -> list[str]:
    """Parameters in words, in lists of one kind: those that must be given, and the others with their defaults."""
    from bench.installation.catalogue import as_yaml

    if what is None:
        return []
    # A name and its value stay in one line.
    needed = ", ".join(p["name"] for p in params if p["required"])
    examples = ", ".join(f"{p['name']}:\xa0{p['example']}" for p in params if p["example"])
    optional = ", ".join(f"{p['name']}:\xa0{as_yaml(p['default'])}" for p in params if not p["required"])
    return [
        *([f"needs {needed}{f', for example {examples}' if examples else ''}"] if needed else []),
        *([f"takes {optional}"] if optional else []),
    ]


def _print_parameters(name: str | None, style: Style) -> None:
    from bench.cli.streams import plugins_to_stderr
    from bench.installation.catalogue import parameters_of

    with plugins_to_stderr():
        found = parameters_of(name)
    if style is Style.csv:
        _print_csv(("kind", "plugin", "name", "type", "required", "default", "example", "doc"), found)
    elif style is Style.json:
        _print_json(found)
    else:
        for kind, plugin in dict.fromkeys((p["kind"], p["plugin"]) for p in found):
            own = [p for p in found if (p["kind"], p["plugin"]) == (kind, plugin)]
            _print_definitions(f"{kind} {plugin}", [(p["name"], _meaning(p)) for p in own])
        if not found:
            print(f"{name} takes no parameters")


def _meaning(parameter: dict[str, Any]) -> list[str]:
    from bench.installation.catalogue import as_yaml

    if parameter["required"]:
        value = f"needed, for example {parameter['example']}" if parameter["example"] else "needed"
    else:
        value = f"default {as_yaml(parameter['default'])}"
    return [*filter(None, [parameter["doc"]]), "; ".join(filter(None, (parameter["type"], value)))]


def _print_prompts(suite: str | None, style: Style) -> None:
    from bench.config.run_config import RunConfig
    from bench.contracts.prompt_suite import load_suite_named
    from bench.installation.catalogue import prompts

    name = suite or RunConfig().suite
    loaded = load_suite_named(name)
    found = prompts(loaded)
    if style is Style.csv:
        _print_csv(("id", "text", "genre", "level", "bpm", "key"), found)
    elif style is Style.json:
        _print_json(found)
    else:
        entries = [(prompt["id"], [prompt["text"], _facts(prompt)]) for prompt in found]
        _print_definitions(f"{loaded.ref}, {len(found)} prompts", entries)
        first = found[0]["id"]
        print(f"\nClips of them are named {first}.wav, or {first}_1.wav for seed 1, and so on;")
        print(f"'tunebench score FOLDER --suite {name}' then scores them.")


def _facts(prompt: dict[str, Any]) -> str:
    bpm = f"{prompt['bpm']:g} bpm" if prompt["bpm"] else ""
    facts = [prompt["genre"], f"level {prompt['level']}", bpm, prompt["key"]]
    return f"({', '.join(fact for fact in facts if fact)})"


def _print_definitions(heading: str, entries: list[tuple[str, list[str]]]) -> None:
    from bench.text_table import definitions

    print(heading)
    print(definitions(entries, min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)))


def _print_json(records: list[dict[str, Any]]) -> None:
    import json

    print(json.dumps(records, indent=2, ensure_ascii=False))


def _print_csv(columns: tuple[str, ...], records: list[dict[str, Any]]) -> None:
    import json

    from bench.spreadsheet import csv_text

    rows = [[record[column] for column in columns] for record in records]
    texts = [[json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for v in row] for row in rows]
    print(csv_text(columns, texts), end="")
