"""Output streams that bear closed files, ASCII terminals, readers that leave and plugins that print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def prepare() -> None:
    """Make stdout and stderr usable whatever the caller made of them."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed: `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - it lives as long as the process
        elif hasattr(stream, "reconfigure"):
            # A table in a terminal that knows no ± is still a table.
            stream.reconfigure(errors="replace")


def finish(code: int | str | None) -> int | str | None:
    """Flush stdout and return the exit code: a reader that has enough (`| head`) is no failure, a full disk is."""
    # Typer puts a wrapper round a stdout whose reader is gone, and leaves with 1.
    gone = type(sys.stdout).__name__ == "PacifyFlushWrapper"
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        gone = True
    except OSError as error:
        print(f"tunebench: cannot write the output: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        if gone or sys.exc_info()[0] is not None:
            # Python would try once more while shutting down, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0 if gone else code


@contextmanager
def plugins_to_stderr() -> Iterator[None]:
    """While the body runs, whatever is printed goes to stderr: stdout is for results, and plugins print."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
