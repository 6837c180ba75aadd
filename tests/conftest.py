"""What every test may use: the command line as a user runs it, and tiny plugins that answer at once."""

from __future__ import annotations

import os

# Small models are slower on two threads than on one, and results must not depend on how many cores a machine has.
# Thread pools read these when their library is loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import gc
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from bench.library_setup import set_up_libraries

# librosa is what several tests compare with, and the suite's processes may import it at once.
set_up_libraries()

# What tests are given, not tests: without this, the examples in their docstrings would be looked for.
collect_ignore = ["benchmarks", "plugin_package", "plugins"]

# The same examples each time, and no time limit for one: machines differ, and are busy at times.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

# A run has each clip on the disk before it goes on. Where memory has a file system with room, the tests' folders lie
# there: syncing is then done as ever, and waits for nothing.
MEMORY = Path("/dev/shm")
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 4e9:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


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
