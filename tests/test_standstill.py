"""A test run ends, with a failure and a stack, whatever its tests do; tried on runs of our own configuration."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECONDS = 6  # instead of minutes; what runs beside these processes may slow them down
CASES = {
    "crash": "import ctypes\ndef test_it(): ctypes.string_at(0)\ndef test_after(): pass",
    "exit": "import os\ndef test_it(): os._exit(0)\ndef test_after(): pass",
    # PyDLL keeps the interpreter's lock, so no thread of Python's can end it.
    "holds-the-interpreter": "import ctypes\ndef test_it(): ctypes.PyDLL(None).sleep(600)",
    "fixture": (
        "import time, pytest\n@pytest.fixture(scope='module')\ndef never(): time.sleep(600)\ndef test_it(never): pass"
    ),
    "fixture-after-a-failure": (
        "import time, pytest\n@pytest.fixture\ndef never():\n    yield\n    time.sleep(600)\n"
        "def test_it(never): assert False"
    ),
    "collecting": "import time\ntime.sleep(600)",
    "end": "import threading, time\ndef test_it(): threading.Thread(target=time.sleep, args=(600,)).start()",
}
SEVERAL_PROCESSES = ("crash", "exit", "fixture")
"""Three processes each, so only what differs from a run in one process."""


def _start(folder: Path, case: str, *options: str) -> subprocess.Popen[str]:
    """A test run of the project's configuration with one file that passes and one that does not."""
    folder.mkdir()
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").mkdir()
    (folder / "tests" / "test_passes.py").write_text("def test_it(): pass\n")
    (folder / "tests" / f"test_{case.replace('-', '_')}.py").write_text(CASES[case])
    command = [sys.executable, "-m", "pytest", "-o", f"faulthandler_timeout={SECONDS}", *options]
    # What takes long to import and has no part in it.
    command += ["-p", "no:hypothesispytest", "-p", "no:anyio", "-p", "no:cacheprovider"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_run_that_stands_still_or_loses_a_process_fails_with_a_stack(tmp_path: Path) -> None:
    several = {
        f"{case}-n2": _start(tmp_path / f"{case}-n2", case, "-n2", "--dist=loadfile") for case in SEVERAL_PROCESSES
    }
    single = {case: _start(tmp_path / case, case) for case in CASES if case != "exit"}
    said = {}
    for name, process in {**several, **single}.items():
        try:
            said[name], _ = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.kill()
            said[name] = f"still running; said {process.communicate()[0]}"
        assert process.returncode > 0 or name == "crash", f"{name}: {process.returncode}, {said[name]}"
    for name, text in said.items():
        if name == "end":  # the test is over, and its thread is in C
            assert "Timeout" in text and "in _shutdown" in text, text
        elif name == "exit-n2":  # nothing is left to write a stack; the test is named
            assert "crashed while running 'tests/test_exit.py::test_it'" in text, text
        else:
            file = f"test_{name.removesuffix('-n2').replace('-', '_')}.py"
            assert f'{tmp_path}/{name}/tests/{file}", line' in text, text
    assert single["crash"].returncode == -11


def test_five_minutes_are_enough() -> None:
    """A test that stands still, and the process that waits for it, end within five minutes."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("root_conftest", ROOT / "conftest.py")
    assert spec and spec.loader
    watch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(watch)
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 0 < options["faulthandler_timeout"] + watch.LONGER < 300
    assert options["faulthandler_exit_on_timeout"] is True
