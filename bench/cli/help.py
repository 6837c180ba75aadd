"""Additions to the help: whole first sentences in lists of commands, and examples."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import typer


def complete_help(app: typer.Typer, examples: Mapping[str, str], path: str = "") -> None:
    """Append examples to the help of an application and of all commands below it.

    Lists of commands, and what shells say of them, would cut the first sentence of each; here they have it whole.

    Args:
        app: an application whose commands are registered already.
        examples: command lines, one per line, by the words that call their command.
        path: the words that call ``app``, without the program's name.
    """
    app.info.epilog = _epilog(examples.get(path))
    for command in app.registered_commands:
        command.short_help = _first_sentence(command.help or inspect.getdoc(command.callback) or "")
        command.epilog = _epilog(examples.get(f"{path} {command.name}".strip()))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.short_help = _first_sentence(group.typer_instance.info.help or "")
            complete_help(group.typer_instance, examples, f"{path} {group.name}".strip())


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", paragraph, maxsplit=1)[0]


def _epilog(examples: str | None) -> str | None:
    """Return the examples under a heading, with lines that help does not wrap (``\\b``)."""
    if examples is None:
        return None
    lines = examples.splitlines()
    return "\n  ".join(["\b\nExample:" if len(lines) == 1 else "\b\nExamples:", *lines])
