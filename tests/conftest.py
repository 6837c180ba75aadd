"""What every test may use: the command line as a user runs it, and tiny plugins that answer at once."""

from __future__ import annotations

import os

# Small models are slower on two threads than on one, and results must not depend on how many cores a machine has.
# Thread pools read these when their library is loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import gc
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# The same examples each time, and no time limit for one: machines differ, and are busy at times.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

# A run has each clip on the disk before it goes on. Where memory has a file system with room, the tests' folders lie
# there: syncing is then done as ever, and waits for nothing.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4e9:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the commands that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Have pytest-xdist, where it is used, hand out files in the order of `pytest_collection_modifyitems`."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the files that take longest begin first where several processes share them, so that none waits for the end.

    ``slow(SECONDS)`` says how long a test takes; 2 s are meant where it says nothing, and 0.1 s without the mark.
    """
    if not hasattr(config, "workerinput"):
        return
    seconds: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("slow")
        own = 0.1 if mark is None else mark.args[0] if mark.args else 2.0
        seconds[item.path] = seconds.get(item.path, 0.0) + own
    items.sort(key=lambda item: -seconds[item.path])


@pytest.fixture(scope="module", autouse=True)
def _imported_once() -> None:
    """Take what earlier files imported out of the garbage collector's sight: runs collect after every model they put
    away, which takes half a second each time where all of torch and diffusers has to be looked through."""
    gc.collect()
    gc.freeze()


TINY = Path(__file__).parent / "plugins" / "tiny.py"
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def tiny() -> Path:
    """A file of plugins: models that play sines and misbehave on request, and metrics that cost nothing."""
    return TINY


@pytest.fixture(scope="session")
def tunebench_path() -> str:
    """The console script of the environment that the tests run in."""
    return str(Path(sys.executable).parent / "tunebench")


@pytest.fixture
def tunebench(tmp_path: Path, tunebench_path: str) -> Command:
    """Run ``tunebench ARGUMENTS`` in an empty working folder and return what it printed and its exit code."""

    def run(*arguments: str | Path, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tunebench_path, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture
def write_config(tmp_path: Path, tiny: Path) -> Callable[..., Path]:
    """Write a configuration of tiny plugins; keyword arguments replace settings."""
    import yaml

    def write(name: str = "tiny.yaml", **settings: object) -> Path:
        config = {
            "suite": "quick@1",
            "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
            "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
            "duration": 0.5,
            "executor": {"workers": 2},
            **settings,
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(config))
        return path

    return write
