"""Run commands as processes of their own, without starting Python and importing numpy or torch for each.

The server imports what commands need, and forks for each: the child has its own memory, working folder, environment,
output and exit code, as a process that a shell starts.

Usage: ``python -P command_server.py PATH_OF_TUNEBENCH``. A line of stdin is a request, JSON with ``arguments``,
``environment``, ``folder``, and the files ``output`` and ``errors`` to write to; the line of stdout that answers it is
the exit code as `subprocess` gives it. A request with ``background`` is answered at once with the number of the
process, and ``{"wait_for": NUMBER}`` with its exit code. The server ends where a library that it imported has started
threads, since only a process without them can be forked.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

BASIC = ("numpy", "scipy.special", "scipy.stats", "rich.progress", "yaml", "soundfile", "safetensors.numpy")
# The first word of the commands that need more.
TRAINING = ("torch", "transformers", "peft", "accelerate", "diffusers.models.attention_processor")
MORE = {"models": TRAINING, "train": TRAINING}


def serve(tunebench: str) -> None:
    """Answer requests until there are no more."""
    sys.path.insert(0, str(Path(tunebench).parent))
    prepare(BASIC)
    import bench
    import bench.cli

    for name in bench.__all__:
        getattr(bench, name)
    gc.freeze()  # or each child would copy the memory of all objects by counting references to them
    for line in sys.stdin:
        request = json.loads(line)
        if "wait_for" in request:
            print(_exit_code(request["wait_for"]), flush=True)
            continue
        prepare(MORE.get(next(iter(request["arguments"]), ""), ()))
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # as a shell's child before Python has begun
            become(tunebench, request)
        print(child if request.get("background") else _exit_code(child), flush=True)


def _exit_code(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def prepare(modules: tuple[str, ...]) -> None:
    """Import the modules that are installed."""
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        sys.exit(f"importing {', '.join(modules)} started threads")


def become(tunebench: str, request: dict[str, Any]) -> NoReturn:
    """Be the process that runs a command."""
    os.chdir(request["folder"])
    for number, path in enumerate((os.devnull, request["output"], request["errors"])):
        opened = os.open(path, os.O_WRONLY if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [tunebench, *request["arguments"]]
    from bench.cli import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    code: object = 1
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    leave(code)


def leave(code: object) -> NoReturn:
    """End as Python does, but for the seconds that it takes to unload modules one by one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command is over
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
