"""Processes that end with whoever started them, where the system does not see to it."""

from __future__ import annotations

import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from bench.process_lifetime import Ending, Guarded

_BUSY = """
import sys
sys.platform = "one that ends no process with its parent"
from bench.process_lifetime import end_with_pipe
{start}
print(repr(sys.stdin.read()), flush=True)
while True:
    pass
"""


def _started(start: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _BUSY.format(start=start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], **options)  # type: ignore[call-overload]


def test_a_pipe_that_a_connection_wraps_may_be_forgotten() -> None:
    start = """
import os
from multiprocessing import Pipe
theirs, ours = Pipe(duplex=False)
end_with_pipe(theirs.fileno())
theirs.close()
print("ready", flush=True)
sys.stdin.readline()
ours.close()
"""
    with _started(start, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        assert process.poll() is None
        process.stdin.write("go\n")
        process.stdin.flush()
        assert process.wait(30) == 1


def test_a_process_of_multiprocessing_ends_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        """
import multiprocessing, os, sys, time
sys.platform = "one that ends no process with its parent"
from bench.process_lifetime import end_with_pipe

def wait():
    end_with_pipe(multiprocessing.parent_process().sentinel)
    print("waiting", flush=True)
    time.sleep(60)

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=wait, daemon=True).start()
    time.sleep(60)
"""
    )
    command = [sys.executable, str(tmp_path / "child.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "waiting\n"
        parent.kill()
        # The child holds the other end of this pipe until it ends.
        assert parent.stdout.read() == ""


# -- guarded commands ------------------------------------------------------------------------------------------------

Start = Callable[..., Guarded]

CHILD = """
import os, signal, sys, time
from pathlib import Path

def child(*steps):
    '''Fork one that does what the steps say, notes its id and stays; and wait until it has.'''
    if os.fork() == 0:
        for step in steps:
            step()
        Path("part").write_text(str(os.getpid()))
        Path("part").rename("child")
        time.sleep(600)
        os._exit(0)
    while not Path("child").exists():
        time.sleep(0.01)

def again():
    if os.fork():
        os._exit(0)

def deaf():
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
"""

FAMILIES = {
    "a child": "child()",
    "deaf to all but SIGKILL": "child(deaf)",
    "a group of its own": "child(os.setpgrp)",
    "a session of its own": "child(os.setsid)",
    "a daemon": "child(again, os.setsid, again, deaf)",
}
BEYOND_GROUPS = {"a group of its own", "a session of its own", "a daemon"}
"""What only Linux lets anybody find."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program under guard."""
    started: list[Guarded] = []

    def guarded(body: str, memory: int | None = None, pass_fds: Sequence[int] = ()) -> Guarded:
        started.append(Guarded([sys.executable, "-c", CHILD + body], memory, pass_fds, cwd=tmp_path))
        return started[-1]

    yield guarded
    for guard in started:
        guard.stop()


def _families() -> list[str]:
    return [name for name in FAMILIES if sys.platform == "linux" or name not in BEYOND_GROUPS]


def _alive(pid: int) -> bool:
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


def _child(folder: Path) -> int:
    """The id of the child, once it has noted it."""
    for _ in range(3000):
        if (folder / "child").exists():
            return int((folder / "child").read_text())
        time.sleep(0.01)
    pytest.fail("there is no child after half a minute")


@pytest.mark.parametrize("family", _families())
@pytest.mark.parametrize(("end", "code"), [("os._exit(3)", 3), ("os.kill(os.getpid(), signal.SIGSEGV)", -11)])
def test_the_end_is_seen_at_once_and_nothing_stays(
    start: Start, tmp_path: Path, family: str, end: str, code: int
) -> None:
    """The child holds whatever the command had open."""
    guard = start(f"{FAMILIES[family]}\n{end}")
    assert guard.wait(60) == Ending(code)
    assert not _alive(_child(tmp_path))


@pytest.mark.parametrize("family", _families())
def test_stopping_ends_the_family(start: Start, tmp_path: Path, family: str) -> None:
    guard = start(f"{FAMILIES[family]}\ndeaf()\ntime.sleep(600)")
    child = _child(tmp_path)
    guard.stop()
    assert not _alive(child)


@pytest.mark.parametrize("family", _families())
def test_the_family_ends_with_a_driver_that_is_killed(tmp_path: Path, family: str) -> None:
    body = f"{CHILD}{FAMILIES[family]}\ntime.sleep(600)"
    code = f"import sys\nfrom bench.process_lifetime import Guarded\nGuarded([sys.executable, '-c', {body!r}]).wait()"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment) as driver:
        child = _child(tmp_path)
        driver.kill()
    for _ in range(1000):
        if not _alive(child):
            return
        time.sleep(0.01)
    pytest.fail("the child is still there after ten seconds")


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "time.sleep(600)"])
def test_temporary_files_go_with_the_command(tmp_path: Path, end: str) -> None:
    """However it ends, also where it is stopped; but for what it puts where such files stay."""
    body = (
        "import sys, tempfile\nfrom bench.process_lifetime import lasting_temporary_folder\n"
        "tempfile.mkstemp(); tempfile.mkdtemp(); (lasting_temporary_folder() / 'stays').touch()\n"
        f"Path('part').write_text(tempfile.gettempdir()); Path('part').rename('ready'); {end}"
    )
    (tmp_path / "temporary").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path / "temporary")}
    guard = Guarded([sys.executable, "-c", CHILD + body], scratch=True, cwd=tmp_path, env=environment)
    for _ in range(3000):
        if (tmp_path / "ready").exists():
            break
        time.sleep(0.01)
    if "sleep" not in end:
        guard.wait(60)
    guard.stop()
    assert Path((tmp_path / "ready").read_text()).parent == tmp_path / "temporary"
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == ["stays"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_a_guard_that_is_killed_takes_its_command_along(start: Start, tmp_path: Path) -> None:
    guard = start("Path('part').write_text(str(os.getpid())); Path('part').rename('child'); time.sleep(600)")
    command = _child(tmp_path)
    (parent,) = Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[1:2]
    os.kill(int(parent), signal.SIGKILL)
    assert guard.wait(60) == Ending(-signal.SIGKILL)
    for _ in range(1000):
        if not _alive(command):
            return
        time.sleep(0.01)
    pytest.fail("the command is still there after ten seconds")


MB = 10**6


@pytest.mark.parametrize(
    "body",
    [
        "held = [b'x' * 10**7 for _ in range(100)]",
        "child(os.setsid, lambda: held.append(b'x' * 10**9))",  # of a child
        "[os.fork() for _ in range(2)]; held.append(b'x' * (80 * 10**6))",  # of several, each below the limit
    ],
)
def test_more_memory_than_allowed_ends_it(start: Start, body: str) -> None:
    ending = start(f"held = []\n{body}\ntime.sleep(600)", 200 * MB).wait(60)
    assert ending.code == -signal.SIGKILL
    assert 200 * MB < ending.memory < 1100 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody says what is shared")
def test_memory_that_children_share_counts_once(start: Start) -> None:
    body = "held = b'x' * (120 * 10**6)\nfor _ in range(2): os.fork()\ntime.sleep(0.5)\nos._exit(0)"
    assert start(body, 300 * MB).wait(60) == Ending(0)


def test_a_program_that_is_not_there_has_its_code(tmp_path: Path) -> None:
    guard = Guarded([str(tmp_path / "nothing")], stderr=subprocess.DEVNULL)
    assert guard.wait(60) == Ending(126)
    guard.stop()


def test_waiting_has_a_limit_and_may_have_none(start: Start) -> None:
    guard = start("time.sleep(600)")
    with pytest.raises(TimeoutError):
        guard.wait(0.01)
    assert not select.select([guard.ended], [], [], 0)[0]
    for limit in (1e300, math.inf):
        assert start("").wait(limit) == Ending(0)


def test_passed_files_reach_the_command_and_close_with_it(start: Start) -> None:
    reading, writing = os.pipe()
    body = f"os.write({writing}, b'here'); os.close({writing}); assert sys.stdin.read() == ''; time.sleep(600)"
    guard = start(body, pass_fds=[writing])
    os.close(writing)
    assert os.read(reading, 10) == b"here"
    assert os.read(reading, 10) == b""  # although the command goes on, and so does its guard
    with pytest.raises(TimeoutError):
        guard.wait(0)
    os.close(reading)
