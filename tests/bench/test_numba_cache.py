"""numba's compiled code is written by one process a folder, whoever starts when."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.numba_cache import _BeforeNumba

Command = Callable[..., "subprocess.CompletedProcess[str]"]
COLD_START = Path(__file__).parents[1] / "faults" / "cold_start.py"
PREPARE = """
import os, sys
from bench.numba_cache import use_private_cache
use_private_cache()
import numba
folder = os.environ["NUMBA_CACHE_DIR"]
assert numba.core.config.CACHE_DIR == folder
print(folder, sum(len(files) for _, _, files in os.walk(folder)), flush=True)
"""


PLUGIN = """
from pathlib import Path

import numba

from bench import ClipMetric, Score


class Compiled(ClipMetric):
    version, unit, direction = 1, "", "none"

    def score(self, clip):
        with Path(__file__).with_name("folders.txt").open("a") as file:
            file.write(f"{numba.core.config.CACHE_DIR}\\n")
        return Score.of(1.0)
"""


def python(code: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "XDG_CACHE_HOME": "",
            "NUMBA_CACHE_DIR": "",
            **{name: str(value) for name, value in environment.items()},
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that was empty when four processes started at once and compiled librosa."""
    pytest.importorskip("llvmlite")
    homes = tmp_path_factory.mktemp("homes")
    command = [sys.executable, "-P", str(COLD_START), "--quick", "--homes", str(homes)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return homes / "home-0"


def test_the_default_run_imports_nothing_that_compiles(tmp_path: Path) -> None:
    """Composed music, scored by all default metrics; the program itself looks at what was imported."""
    home, folder = tmp_path / "home", tmp_path / "working"
    home.mkdir()
    folder.mkdir()
    command = [sys.executable, "-P", str(COLD_START), "--one", "score"]
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    # Rates and tests of distances are kept for later runs; of compiled code there is none.
    assert {path.relative_to(home).as_posix() for path in home.glob("*/*")} <= {".cache/tunebench"}
    assert not (home / ".cache" / "tunebench" / "numba").exists()


def kept(home: Path) -> set[str]:
    return {path.name for path in (home / ".cache" / "tunebench" / "numba").iterdir()}


@pytest.mark.slow(30)  # the fixture
def test_four_processes_at_once_compile_once(home: Path) -> None:
    (compiled,) = (home / ".cache" / "tunebench" / "numba").glob("*/")
    assert len(list(compiled.rglob("*.nbi"))) >= 12


def test_every_process_has_a_copy_of_its_own_and_removes_it(home: Path) -> None:
    before = kept(home)
    folders, files = zip(*(python(PREPARE, HOME=home).stdout.split() for _ in range(2)), strict=True)
    assert folders[0] != folders[1]
    assert int(files[0]) == int(files[1]) > 12
    assert kept(home) == before


def test_the_next_process_removes_what_a_killed_one_left_and_nothing_of_a_living_one(home: Path) -> None:
    before = kept(home)
    killed = python(f"{PREPARE}\nos.kill(os.getpid(), {signal.SIGKILL:d})", HOME=home)
    assert killed.returncode == -signal.SIGKILL
    assert len(kept(home) - before) == 1
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""}
    with subprocess.Popen(
        [sys.executable, "-c", f"{PREPARE}\nsys.stdin.read()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as living:
        assert living.stdout is not None
        folder = Path(living.stdout.readline().split()[0]).parent
        assert python(PREPARE, HOME=home).returncode == 0
        assert kept(home) - before == {folder.name}
        living.communicate()
    assert kept(home) == before


def test_a_fork_leaves_the_folder_to_its_parent(home: Path) -> None:
    ran = python(f"{PREPARE}\nif not os.fork(): sys.exit()\nos.wait()\nprint(os.path.isdir(folder))", HOME=home)
    assert ran.stdout.split()[-1] == "True"


def test_without_a_folder_for_caches_it_is_a_temporary_one(tmp_path: Path) -> None:
    ran = python(PREPARE, XDG_CACHE_HOME="/dev/null", TMPDIR=tmp_path)
    folder, files = ran.stdout.split()
    assert Path(folder).is_relative_to(tmp_path)
    assert files == "0"
    assert not list(tmp_path.iterdir())


def test_a_folder_set_from_outside_is_not_used(home: Path, tmp_path: Path) -> None:
    folder, _ = python(PREPARE, HOME=home, NUMBA_CACHE_DIR=tmp_path).stdout.split()
    assert Path(folder).is_relative_to(home)


def test_after_numba_only_what_is_declared_later_is_private(home: Path, tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text("import numba\n@numba.njit(cache=True)\ndef f(x): return x + 1\n")
    (tmp_path / "late.py").write_text("import numba\n@numba.njit(cache=True)\ndef f(x): return x + 2\n")
    use = "print(early.f(1), late.f(1))\nfor *_, files in os.walk(folder): print(*files)"
    code = f"import early\n{PREPARE}\nimport late\n{use}"
    ran = python(code, HOME=home, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    assert ran.returncode == 0, ran.stderr
    assert "\n2 3\n" in ran.stdout
    assert "late.f" in ran.stdout
    assert "early.f" not in ran.stdout
    assert {path.name.split(".")[0] for path in (tmp_path / "__pycache__").glob("*.nbi")} == {"early"}


def test_plugins_that_compile_do_so_in_each_workers_own_folder(
    home: Path, tunebench: Command, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN)
    config = write_config(metrics=[f"{tmp_path}/plugin.py:Compiled"], suite="quick@1", executor={"workers": 2})
    ran = tunebench("run", config, HOME=str(home), XDG_CACHE_HOME="")
    assert ran.returncode == 0, ran.stderr
    folders = {Path(line) for line in (tmp_path / "folders.txt").read_text().splitlines()}
    assert len(folders) == 2
    assert {folder.parent.parent for folder in folders} == {home / ".cache" / "tunebench" / "numba"}


def test_looking_whether_numba_is_there_prepares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = _BeforeNumba()
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    importlib.util.find_spec("numba")
    assert not finder._prepared
