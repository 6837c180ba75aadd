"""Mistakes on the command line, which the library that parses it reports in four lines, as errors of ours in one."""

from __future__ import annotations

import re

import typer

from bench.errors import UsageError

# Which package defines it depends on the version of typer; what it derives from it does not.
ParsingError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What parsing a command line raises."""

_SUGGESTED = re.compile(r"\.? *\(Possible options: ([^)]*)\)$|\. Did you mean (?:one of: )?(.*)\?$")


def help_of(error: Exception) -> str | None:
    """Return the help that a group of commands gives where none is named; None for every other error."""
    return str(error) if type(error).__name__ == "NoArgsIsHelpError" else None


def usage_error(error: Exception) -> UsageError:
    """Return what is wrong and where to read how it is right, in one line."""
    text = " ".join(error.format_message().split()) if hasattr(error, "format_message") else str(error)
    text = text.replace("Value error, ", "").replace("Input should be", "must be")
    text = _SUGGESTED.sub(lambda found: f" (did you mean {found[1] or found[2]}?)", text).rstrip(".")
    context = getattr(error, "ctx", None)
    command = f"{context.command_path} " if context else "tunebench "
    return UsageError(f"{text[:1].lower()}{text[1:]}; see '{command}--help'")
