"""What ``make`` does before anything runs: it picks a Python by running it, and makes the virtual environment.

The interpreters here are scripts around the real one: they say that they are of another version, note what pip is asked
for, and install nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = (
    "awk",
    "basename",
    "cat",
    "chmod",
    "cksum",
    "cp",
    "dirname",
    "grep",
    "head",
    "make",
    "mkdir",
    "rm",
    "sh",
    "sleep",
)
INTERPRETER = """#!/bin/sh
real() {{
    "{real}" -c '
import importlib.abc, platform, runpy, sys
sys.version_info = ({version})
platform.python_implementation = lambda: "{implementation}"
if "{system}" != "":
    platform.system, platform.machine = lambda: "{system}", lambda: "x86_64"
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{missing}":
            raise ImportError(name)
sys.meta_path.insert(0, Missing())
sys.modules.pop("{missing}", None)
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    runpy.run_path(sys.argv[1], run_name="__main__")' "$@"
}}
case "$*" in
"-m venv "*)
    "{real}" -m venv --without-pip "$3" && rm -f "$3"/bin/python* && cp "$0" "$3/bin/python"
    echo "#!$PWD/$3/bin/python" >"$3/bin/pip" ;;
"-m pip "*)
    echo "$*" >>"{log}"
    while [ -e "{hold}" ]; do sleep 0.05; done
    [ ! -e "{fail}" ] ;;
*) real "$@" ;;
esac
"""


class Clone:
    """A copy of what `make` reads, and a PATH that holds a shell's tools and the interpreters of the test alone."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.root = folder / "clone"
        self.log, self.hold, self.fail = folder / "log", folder / "hold", folder / "fail"
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.bin / tool).symlink_to(found)
        shutil.copytree(ROOT / ".ci", self.root / ".ci")
        for file in ("Makefile", "pyproject.toml", *(path.name for path in ROOT.glob("constraints*.txt"))):
            shutil.copy(ROOT / file, self.root)

    def interpreter(
        self, name: str, version: str, folder: Path | None = None, *,
        implementation: str = "CPython", system: str = "", missing: str = "",
    ) -> Path:  # fmt: skip
        """An interpreter on the PATH, or in another folder, that says it is of a version; "broken" does not run."""
        path = (folder or self.bin) / name
        path.parent.mkdir(exist_ok=True, parents=True)
        text = INTERPRETER.format(
            version=version.replace(".", ","), implementation=implementation, system=system, missing=missing,
            real=sys.executable, log=self.log, hold=self.hold, fail=self.fail,
        )  # fmt: skip
        path.write_text("#!/bin/sh\necho not installed >&2\nexit 127\n" if version == "broken" else text)
        path.chmod(0o755)
        return path

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=self.root, env={"PATH": str(self.bin), **variables}, text=True, process_group=0,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        with self.start(*command, **variables) as process:
            out, errors = process.communicate(timeout=60)
            return subprocess.CompletedProcess(command, process.returncode, out, errors)

    def asked(self) -> list[str]:
        """What pip was asked for since the last call."""
        calls = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [call.partition("--quiet ")[2] for call in calls]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


CORE = ["--constraint constraints.txt --editable .[report]", "--no-deps --requirement constraints-nodeps.txt"]
DEV = [
    "--constraint constraints.txt --editable .[dev,formats,hub,ray,report,wandb,web,diffusion]",
    "--no-deps --requirement constraints-nodeps.txt",
    "--no-deps --requirement constraints-nodeps-dev.txt",
]


class TestPython:
    @pytest.mark.parametrize(
        ("found", "expected"),
        [
            ({"python3": "3.11.4"}, "python3"),
            ({"python3": "3.12.1", "python": "3.11.4"}, "python3"),
            ({"python3.11": "3.11.4", "python3.12": "3.12.1"}, "python3.11"),
            ({"python3.11": "broken", "python3.12": "3.12.1", "python3": "3.11.1"}, "python3.12"),
            ({"python3.11": "broken", "python3.12": "broken", "python3": "3.13.0", "python": "3.12.9"}, "python"),
            ({"python3.11": "3.10.2", "python3": "3.12.0"}, "python3"),
        ],
    )
    def test_the_first_that_runs_and_fits_is_taken(self, clone: Clone, found: dict[str, str], expected: str) -> None:
        for name, version in found.items():
            clone.interpreter(name, version)
        ran = clone.run(".ci/find-python")
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{expected}\n", "")

    @pytest.mark.parametrize(
        ("found", "reasons"),
        [
            ({}, []),
            ({"python3": "3.13.0"}, ["python3 is Python 3.13"]),
            ({"python3": "3.10.9", "python": "2.7.18"}, ["python3 is Python 3.10", "python is Python 2.7"]),
            ({"python3.12": "broken", "python": "3.14.0"}, ["python3.12 does not run", "python is Python 3.14"]),
        ],
    )
    @pytest.mark.parametrize("target", ["quickstart", "test"])
    def test_where_none_fits_one_line_says_why(
        self, clone: Clone, found: dict[str, str], reasons: list[str], target: str
    ) -> None:
        for name, version in found.items():
            clone.interpreter(name, version)
        ran = clone.run("make", "--no-print-directory", target)
        said, of_make = ran.stderr.splitlines()
        assert ran.returncode == 2
        assert said.startswith("tunebench needs CPython 3.11 or 3.12")
        assert "make PYTHON=FILE" in said
        assert all(reason in said for reason in reasons)
        assert of_make.startswith("make: ***")
        assert not (clone.root / ".venv").exists()

    def test_another_implementation_or_half_an_installation_is_passed_over(self, clone: Clone) -> None:
        clone.interpreter("python3.11", "3.11.4", missing="ensurepip")
        clone.interpreter("python3.12", "3.12.4", implementation="PyPy")
        refused = clone.run(".ci/find-python")
        assert refused.returncode == 1
        assert "python3.11 " in refused.stderr and "virtual environments" in refused.stderr
        assert "python3.12 is PyPy" in refused.stderr
        clone.interpreter("python3", "3.12.4")
        assert clone.run(".ci/find-python").stdout == "python3\n"

    def test_one_that_is_named_is_taken_or_refused_and_no_other(self, clone: Clone) -> None:
        clone.interpreter("python3", "3.11.4")
        mine = clone.interpreter("python", "3.12.1", clone.root / "a folder")
        assert clone.run(".ci/find-python", PYTHON=str(mine)).stdout == f"{mine}\n"
        old = clone.interpreter("old", "3.9.1")
        for name, reason in ((str(old), "is Python 3.9"), ("nowhere", "there is no nowhere")):
            refused = clone.run("make", "core", f"PYTHON={name}")
            assert refused.returncode == 2
            assert reason in refused.stderr
        assert not (clone.root / ".venv").exists()


class TestEnvironment:
    @pytest.fixture
    def made(self, clone: Clone) -> Clone:
        """A clone in which ``make core`` has run."""
        clone.interpreter("python3", "3.11.4")
        assert clone.run("make", "core").returncode == 0
        assert clone.asked() == CORE
        return clone

    def test_nothing_is_done_until_what_is_required_changes(self, made: Clone) -> None:
        (made.root / ".venv" / "mine").touch()
        assert made.run("make", "core").stderr == ""
        assert made.asked() == []
        with (made.root / "constraints.txt").open("a") as constraints:
            constraints.write("# changed\n")
        assert made.run("make", "core").returncode == 0
        assert made.asked() == CORE
        assert (made.root / ".venv" / "mine").exists()

    def test_what_the_checks_need_holds_what_a_user_needs(self, made: Clone) -> None:
        assert made.run("make", "dev").returncode == 0
        assert made.asked() == DEV
        assert made.run("make", "core", "dev").returncode == 0
        assert made.asked() == []

    def test_intel_macs_get_no_torch(self, clone: Clone) -> None:
        clone.interpreter("python3", "3.11.4", system="Darwin")
        assert clone.run("make", "dev").returncode == 0
        assert clone.asked() == [DEV[0].replace(",diffusion", ""), DEV[1]]

    @pytest.mark.parametrize("version", ["3.13.0", "broken"])
    def test_an_environment_of_another_python_is_made_anew(self, made: Clone, version: str) -> None:
        made.interpreter("python", version, made.root / ".venv" / "bin")
        ran = made.run("make", "core")
        assert ran.returncode == 0
        assert "made anew" in ran.stderr
        assert made.asked() == CORE
        assert made.run("make", "core").stderr == ""

    @pytest.mark.parametrize("copied", [False, True])
    def test_an_environment_that_was_moved_is_made_anew(self, made: Clone, copied: bool) -> None:
        place = made.root.with_name("moved")
        if copied:
            shutil.copytree(made.root, place, symlinks=True)
        else:
            made.root.rename(place)
        made.root = place
        assert "made anew" in made.run("make", "core").stderr
        assert made.asked() == CORE

    def test_an_environment_that_the_user_made_is_used(self, clone: Clone) -> None:
        python = clone.interpreter("python3", "3.12.4")
        assert clone.run(str(python), "-m", "venv", ".venv").returncode == 0
        (clone.root / ".venv" / "mine").touch()
        assert clone.run("make", "core").returncode == 0
        assert clone.asked() == CORE
        assert (clone.root / ".venv" / "mine").exists()

    def test_a_folder_that_is_no_environment_is_left_alone(self, clone: Clone) -> None:
        clone.interpreter("python3", "3.11.4")
        clone.interpreter("python", "3.13.0", clone.root / "other" / "bin")
        ran = clone.run("make", "core", "VENV=other")
        assert ran.returncode == 2
        assert "make VENV=FOLDER" in ran.stderr
        assert (clone.root / "other" / "bin" / "python").exists()
        assert clone.asked() == []

    def test_an_installation_that_fails_is_tried_again(self, made: Clone) -> None:
        made.fail.touch()
        assert made.run("make", "dev").returncode == 2
        made.asked()
        made.fail.unlink()
        ran = made.run("make", "dev")
        assert ran.returncode == 0
        assert "made anew" not in ran.stderr
        assert made.asked() == DEV

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
    def test_an_installation_that_was_interrupted_is_made_anew(self, made: Clone, number: signal.Signals) -> None:
        made.hold.touch()
        with made.start("make", "dev") as process:
            _wait(made.log.exists)
            os.killpg(process.pid, number)
            process.wait(60)
        made.hold.unlink()
        made.asked()
        ran = made.run("make", "core")
        assert ran.returncode == 0
        assert "made anew" in ran.stderr
        assert made.asked() == CORE
        assert list(made.root.glob(".venv*")) == [made.root / ".venv"]

    def test_two_at_once_take_turns(self, clone: Clone) -> None:
        clone.interpreter("python3", "3.11.4")
        clone.hold.touch()
        with clone.start("make", "core") as one:
            _wait(clone.log.exists)
            with clone.start("make", "core") as two:
                assert two.stderr is not None
                assert two.stderr.readline().startswith("waiting for process")
                clone.hold.unlink()
                assert one.wait(60) == two.wait(60) == 0
        assert clone.asked() == CORE


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
