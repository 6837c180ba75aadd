"""Convert the four-line usage errors of the command-line library to one-line errors of ours."""

from __future__ import annotations

import re

import typer

from bench.errors import UsageError

# Its package depends on the version of typer; its base class does not.
ParsingError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Base class of errors in parsing a command line."""

_SUGGESTED = re.compile(r"\.? *\(Possible options: ([^)]*)\)$|\. Did you mean (?:one of: )?(.*)\?$")


def help_of(error: Exception) -> str | None:
    """Return the help of a group of commands if no command was named; None for every other error."""
    return str(error) if type(error).__name__ == "NoArgsIsHelpError" else None


def usage_error(error: Exception) -> UsageError:
    """Return a one-line error that names the mistake and the help to read."""
    text = " ".join(error.format_message().split()) if hasattr(error, "format_message") else str(error)
    text = text.replace("Value error, ", "").replace("Input should be", "must be")
    text = _SUGGESTED.sub(lambda found: f" (did you mean {found[1] or found[2]}?)", text).rstrip(".")
    context = getattr(error, "ctx", None)
    command = f"{context.command_path} " if context else "tunebench "
    return UsageError(f"{text[:1].lower()}{text[1:]}; see '{command}--help'")
