"""The command to suggest when the environment of a program has not been made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def told_how_to_make(config: Path | None) -> Iterator[None]:
    """Add to an error about a missing environment the command that makes those of a configuration or a run."""
    import shlex

    from bench.kept_environment import EnvironmentMissing

    try:
        yield
    except EnvironmentMissing as missing:
        if config is not None:
            missing.commands = (f"tunebench environment make {shlex.quote(str(config))}",)
        raise
