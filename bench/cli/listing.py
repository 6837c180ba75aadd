"""``tunebench list``: the plugins that a configuration can name, their parameters, and the prompts of a suite."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.cli import complete
from bench.cli.output import AsJson, Output

if TYPE_CHECKING:
    from bench.contracts.entry_points import Kind
    from bench.text_table import Layout

_USUAL, _WIDEST = 80, 100
"""Maximum width of lists in columns, also in a pipe: longer lines of prose are hard to read."""


class What(StrEnum):
    """Kinds of lists."""

    models = "models"
    metrics = "metrics"
    embedders = "embedders"
    suites = "suites"
    references = "references"
    prompts = "prompts"
    parameters = "parameters"


class Style(StrEnum):
    """Formats of a list."""

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
            help="For prompts: the suite, by name, as a YAML file, or as a file of prompts.  [default: a run's]  For "
            "parameters: the model, metric or embedder.  [default: all of them]",
            show_default=False,
            autocompletion=complete.suites_and_plugins,
        ),
    ] = None,
    style: Annotated[Style | None, typer.Option("--format", help="Output format.  [default: table, or FILE's]")] = None,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """List the installed models, metrics, embedders, suites and references; a list of one kind shows parameters.

    Or list the parameters of one plugin, with types, defaults and meanings; or the prompts of a suite, to make clips
    for them elsewhere.
    """
    from bench.cli.output import emit, page_layout, style_of
    from bench.errors import UsageError

    written = style_of(style, as_json, output, Style)
    if what is What.prompts:
        found = _prompts(name)
    elif what is What.parameters:
        found = _parameters(name)
    elif name is None:
        found = _plugins(what)
    else:
        raise UsageError(
            f"'tunebench list {what}' takes no further argument; 'tunebench list parameters {name}' says what it takes"
        )
    emit(found.written(written, page_layout(output)), written.value, output)


@dataclass(frozen=True)
class _Listing:
    """The content of a list, as records and as text under headings."""

    columns: Sequence[str]
    records: list[dict[str, Any]]
    sections: Sequence[tuple[str, list[tuple[str, list[str]]]]]
    end: str = ""

    def written(self, style: Style, layout: Layout) -> str:
        import json

        from bench.spreadsheet import csv_text
        from bench.text_table import definitions

        if style is Style.json:
            return json.dumps(self.records, indent=2, ensure_ascii=False)
        if style is Style.csv:
            rows = [[record[column] for column in self.columns] for record in self.records]
            texts = [[json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v for v in row] for row in rows]
            return csv_text(self.columns, texts).rstrip("\n")
        width = min(layout.width or _USUAL, _WIDEST)
        parts = []
        for heading, entries in self.sections:
            shown = [(layout.line(name), [layout.line(text) for text in texts]) for name, texts in entries]
            parts.append(f"{heading}\n{definitions(shown, width)}")
        return "\n".join([*parts, *([self.end] if self.end else [])])


def _plugins(what: What | None) -> _Listing:
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
    sections = []
    for kind in dict.fromkeys(entry["kind"] for entry in found):
        entries = [entry for entry in found if entry["kind"] == kind]
        sections.append((f"{kind}s", [(e["name"], _told(e, what)) for e in entries]))
    return _Listing(("kind", "name", "package", "target", "summary", "usable", "params"), found, sections)


def _told(entry: dict[str, Any], what: What | None) -> list[str]:
    """Return the description of a plugin; in the list of embedders, also how it prepares audio."""
    front_end = [f"front end {entry['front_end']}"] if what is What.embedders and entry["front_end"] else []
    return [entry["summary"], *front_end, *_words(entry["params"], what)]


def _words(params: list[dict[str, Any]], what: What | None) -> list[str]:
    """Describe parameters in lists of one kind: required ones, and the others with their defaults."""
    from bench.installation.catalogue import as_yaml

    if what is None:
        return []
    # Keep a name and its value on one line.
    needed = ", ".join(p["name"] for p in params if p["required"])
    examples = ", ".join(f"{p['name']}:\xa0{p['example']}" for p in params if p["example"])
    optional = ", ".join(f"{p['name']}:\xa0{as_yaml(p['default'])}" for p in params if not p["required"])
    return [
        *([f"needs {needed}{f', for example {examples}' if examples else ''}"] if needed else []),
        *([f"takes {optional}"] if optional else []),
    ]


def _parameters(name: str | None) -> _Listing:
    from bench.cli.streams import plugins_to_stderr
    from bench.installation.catalogue import parameters_of

    with plugins_to_stderr():
        found = parameters_of(name)
    sections = []
    for kind, plugin in dict.fromkeys((p["kind"], p["plugin"]) for p in found):
        own = [p for p in found if (p["kind"], p["plugin"]) == (kind, plugin)]
        sections.append((f"{kind} {plugin}", [(p["name"], _meaning(p)) for p in own]))
    columns = ("kind", "plugin", "name", "type", "required", "default", "example", "doc")
    return _Listing(columns, found, sections, "" if found else f"{name} takes no parameters")


def _meaning(parameter: dict[str, Any]) -> list[str]:
    from bench.installation.catalogue import as_yaml

    if parameter["required"]:
        value = f"needed, for example {parameter['example']}" if parameter["example"] else "needed"
    else:
        value = f"default {as_yaml(parameter['default'])}"
    return [*filter(None, [parameter["doc"]]), "; ".join(filter(None, (parameter["type"], value)))]


def _prompts(suite: str | None) -> _Listing:
    from bench.config.overrides import parse_suite
    from bench.config.run_config import RunConfig
    from bench.contracts.prompt_suite import load_suite_named
    from bench.installation.catalogue import prompts

    name = suite or RunConfig().suite_name
    loaded = load_suite_named(parse_suite(name))
    found = prompts(loaded)
    entries = [(prompt["id"], [*filter(None, [prompt["text"], _facts(prompt)])]) for prompt in found]
    first = found[0]["id"]
    end = (
        f"\nClips of them are named {first}.wav, or {first}_1.wav for seed 1, and so on;\n"
        f"'tunebench score FOLDER --suite {shlex.quote(name)}' then scores them."
    )
    columns = ("id", "text", "genre", "level", "bpm", "key", "lyrics")
    purpose = ", for ".join(["", *sorted(loaded.declared)]) if len(loaded.declared) == 1 and loaded.splits else ""
    return _Listing(columns, found, [(f"{loaded.ref}, {len(found)} prompts{purpose}", entries)], end)


def _facts(prompt: dict[str, Any]) -> str:
    from bench.contracts.prompt_id import original_id

    level = "" if prompt["level"] is None else f"level {prompt['level']}"
    bpm = f"{prompt['bpm']:g} bpm" if prompt["bpm"] else ""
    sung = "with lyrics" if prompt["lyrics"] else ""
    original = original_id(prompt["id"])
    called = "" if original == prompt["id"] else f"called {original} in its file"
    facts = [fact for fact in (prompt["genre"], level, bpm, prompt["key"], sung, called) if fact]
    return f"({', '.join(facts)})" if facts else ""
