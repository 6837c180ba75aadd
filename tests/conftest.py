"""What every test may use: the command line as a user runs it, and tiny plugins that answer at once."""

from __future__ import annotations

import os

# Tables would be as wide as the terminal of whoever runs the tests, and in the signs of their locale.
os.environ.pop("COLUMNS", None)
os.environ.pop("LC_ALL", None)
os.environ.pop("PYTHONIOENCODING", None)
os.environ.pop("PYTHONUTF8", None)

# Small models are slower on two threads than on one, and results must not depend on how many cores a machine has.
# Thread pools read these when their library is loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

# The tests start hundreds of processes, which are not to compile our modules each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import collections
import contextlib
import gc
import json
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from bench.library_setup import set_up_libraries
from bench.user_cache import cache_folder

# librosa is what several tests compare with, and the suite's processes may import it at once.
set_up_libraries()

sys.dont_write_bytecode = False

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


# A shell that starts the tests in the background has them ignore Ctrl-C, and so would the commands that they interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder for caches in which nothing that tunebench computed is kept yet; what libraries keep there stays."""
    numba = cache_folder("numba")
    numba.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("cache")
    (folder / "tunebench").mkdir()
    (folder / "tunebench" / "numba").symlink_to(numba)
    for other in numba.parents[1].iterdir():
        if other.name != "tunebench":
            (folder / other.name).symlink_to(other)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield


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


TRIALS = "trials"
"""The property under which a test of faults tells how many trials it made, and how many were held."""


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many trials of each kind were made and held."""
    tried: collections.Counter[str] = collections.Counter()
    held: collections.Counter[str] = collections.Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "teardown":
                continue
            for name, value in report.user_properties:
                if name == TRIALS:
                    kind, made, good = value
                    tried[kind] += made
                    held[kind] += good
    if tried:
        terminalreporter.section("faults: tried, held")
        for kind in sorted(tried):
            terminalreporter.line(f"{tried[kind]:6} {held[kind]:6}  {kind}")
        terminalreporter.line(f"{tried.total():6} {held.total():6}  in all")


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


@dataclass(frozen=True)
class Started:
    """A command that was started and may be running."""

    server: CommandServer
    process: int
    command: list[str]
    files: dict[str, Path]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, number)

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Return what it did, once it has ended."""
        code = self.server.wait_for(self.process)
        printed, said = (file.read_text() for file in self.files.values())
        for file in self.files.values():
            file.unlink()
        return subprocess.CompletedProcess(self.command, code, printed, said)


class CommandServer:
    """Runs commands in processes that `command_server.py` forks."""

    TIMEOUT = 300.0

    def __init__(self, tunebench_path: str, folder: Path) -> None:
        self._path = tunebench_path
        self._files = {"output": folder / "output", "errors": folder / "errors"}
        script = Path(__file__).with_name("command_server.py")
        self._server = subprocess.Popen(
            [sys.executable, "-P", script, tunebench_path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._started = 0

    def run(self, arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str] | None:
        """Return what a command did; None where the server has ended, since it cannot fork."""
        answer = self._ask(self._request(arguments, folder, self._files))
        if not answer:
            return None
        printed, said = (file.read_text() for file in self._files.values())
        return subprocess.CompletedProcess([self._path, *arguments], int(answer), printed, said)

    def start(self, arguments: list[str], folder: Path) -> Started:
        """Start a command that writes what it prints to files in ``folder``, and return while it runs.

        Raises:
            RuntimeError: the server has ended.
        """
        self._started += 1
        files = {name: folder / f".{name}-{self._started}" for name in self._files}
        answer = self._ask({**self._request(arguments, folder, files), "background": True})
        if not answer:
            raise RuntimeError("the command server has ended")
        return Started(self, int(answer), [self._path, *arguments], files)

    def wait_for(self, process: int) -> int:
        """Wait for a command that was started, and return its exit code."""
        return int(self._ask({"wait_for": process}))

    def _request(self, arguments: list[str], folder: Path, files: dict[str, Path]) -> dict[str, object]:
        for file in files.values():
            file.write_bytes(b"")
        texts = {name: str(file) for name, file in files.items()}
        return {"arguments": arguments, "folder": str(folder), "environment": dict(os.environ), **texts}

    def _ask(self, request: dict[str, object]) -> str:
        """What the server answers; nothing where it has ended."""
        server = self._server
        assert server.stdin is not None and server.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=server.stdin, flush=True)
        if not select.select([server.stdout], [], [], self.TIMEOUT)[0]:
            os.killpg(server.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired([self._path, str(request.get("arguments"))], self.TIMEOUT)
        return server.stdout.readline()

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


@pytest.fixture(scope="session")
def command_server(tunebench_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandServer | None]:
    """A server that runs commands, where processes can be forked safely: on macOS, libraries crash in the child."""
    if sys.platform != "linux":
        yield None
        return
    server = CommandServer(tunebench_path, tmp_path_factory.mktemp("command"))
    yield server
    server.close()


@pytest.fixture
def tunebench(tmp_path: Path, tunebench_path: str, command_server: CommandServer | None) -> Command:
    """Run ``tunebench ARGUMENTS`` in an empty working folder and return what it printed and its exit code.

    With environment variables, or ``afresh``, by starting Python, as a shell does; otherwise by the faster server.
    """

    def run(
        *arguments: str | Path, cwd: Path = tmp_path, afresh: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        done = None
        if command_server and not afresh and not environment:
            done = command_server.run(words, cwd)
        return done or subprocess.run(
            [tunebench_path, *words],
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def in_terminal(tunebench_path: str) -> Callable[..., str]:
    """Run ``tunebench ARGUMENTS`` in a terminal of so many columns and return what it shows."""
    import pty
    import termios

    def run(*arguments: str | Path, columns: int, **environment: str) -> str:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, columns))
        ran = subprocess.Popen(
            [tunebench_path, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "xterm-256color", **environment},
        )
        os.close(theirs)
        parts = []
        with contextlib.suppress(OSError):  # Linux says so where nobody holds the other end
            while part := os.read(ours, 65_536):
                parts.append(part)
        os.close(ours)
        assert ran.wait(timeout=300) == 0
        return b"".join(parts).decode().replace("\r\n", "\n")

    return run


@pytest.fixture
def write_config(tmp_path: Path, tiny: Path) -> Callable[..., Path]:
    """Write a configuration of tiny plugins, run in the calling process; keyword arguments replace settings."""
    import yaml

    def write(name: str = "tiny.yaml", **settings: object) -> Path:
        config = {
            "suite": "quick@1",
            "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
            "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
            "duration": 0.5,
            "executor": {"workers": 0},
            **settings,
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(config))
        return path

    return write
