"""Child processes that never outlive their parent, and whose end is noticed at once.

The parent holds one end of a pipe. The system closes it when the parent is gone, for whatever
reason, even if it was killed.

Run as a program, this file is a guard: it runs a command, ends it when the pipe is closed, and kills all that it
started as soon as it ends. On Linux that includes processes in sessions of their own: the guard becomes the
parent of every process below it that is orphaned. Elsewhere it is the command's process group. `Guarded` starts one.
"""

from __future__ import annotations

import ctypes
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_LOOKS = 0.1 if _LINUX else 1.0  # seconds between two checks of the memory in use
_LONGEST_WAIT = 3600.0  # seconds per wait; a limit may exceed what a system call can wait for
_LASTING = "TUNEBENCH_TMPDIR"  # in the environment of a command that has a scratch folder
_LEAVING = 10.0  # seconds that killed processes may take to end; one stuck on a broken disk is left


class Ending(NamedTuple):
    """How a guarded command ended.

    Attributes:
        code: its exit code, minus the signal that ended it, or 126 if it could not be started.
        memory: bytes that it and its children used if over the limit; otherwise 0.
    """

    code: int
    memory: int = 0


class Guarded:
    """A guarded command: all processes that it starts are killed when it ends, is stopped, or this process is gone.

    The command's standard input is empty.

    Args:
        command: program and arguments; no shell is used.
        memory: bytes that it and its children may have resident, checked ten times a second; it is killed above.
            Shared pages count once, as far as the system reports them. None for no limit.
        pass_fds: file descriptors that it inherits.
        scratch: give it its own folder for temporary files, which is removed when it ends in any way;
            `lasting_temporary_folder` returns a folder for files that must stay.
        options: of `subprocess.Popen`: env, cwd, stdout, stderr.

    Attributes:
        ended: a file descriptor that becomes readable when the command has ended, even if others still hold its pipes.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        memory: int | None = None,
        pass_fds: Sequence[int] = (),
        scratch: bool = False,
        **options: Any,
    ) -> None:
        self.ended, theirs = os.pipe()
        self._status = os.fdopen(self.ended, "rb", buffering=0)
        files = ",".join(map(str, [theirs, *pass_fds]))
        guard = [sys.executable, "-I", "-S", __file__, files, str(memory or 0), str(int(scratch))]
        try:
            # Its own group, since Ctrl-C reaches all of the terminal's: the driver decides what happens.
            self._guard = subprocess.Popen(
                [*guard, *command], stdin=subprocess.PIPE, pass_fds=[theirs, *pass_fds], process_group=0, **options
            )
        except BaseException:
            self._status.close()
            raise
        finally:
            os.close(theirs)

    def wait(self, limit: float = math.inf) -> Ending:
        """Wait for the command's end, but no longer than ``limit`` seconds. Do not call it again after the end.

        Raises:
            TimeoutError: it has not ended by then.
        """
        deadline = time.monotonic() + limit
        while not select.select([self.ended], [], [], max(0.0, min(deadline - time.monotonic(), _LONGEST_WAIT)))[0]:
            if time.monotonic() >= deadline:
                raise TimeoutError
        told = self._status.read(100).split()
        code = self._guard.wait()
        return Ending(int(told[0]), int(told[1])) if len(told) == 2 else Ending(code)

    def stop(self) -> None:
        """End the command and all it has started, if it has not ended, and close what is open."""
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        try:
            self._guard.wait(2 * _LEAVING)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        self._status.close()


def lasting_temporary_folder() -> Path:
    """Return the folder for temporary files to be read later, also in a process with a scratch folder."""
    return Path(os.environ.get(_LASTING) or tempfile.gettempdir())


def end_with_pipe(descriptor: int) -> None:
    """End this process as soon as the other end of a pipe is closed, even in the middle of a task.

    On Linux it also ends with the thread that started it, which works even while a library blocks the interpreter.

    Args:
        descriptor: the read end of the pipe; it may be closed later.
    """
    if sys.platform == "linux":
        _end_with_parent()
    _when_closed(os.dup(descriptor), lambda: os._exit(1))


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _when_closed(descriptor: int, end: Callable[[], None]) -> None:
    def wait() -> None:
        with suppress(OSError):
            while os.read(descriptor, 1):
                pass
        end()

    threading.Thread(target=wait, daemon=True).start()


# -- the guard -------------------------------------------------------------------------------------------------------


def _guard(status: int, passed: Sequence[int], limit: int, scratch: bool, command: list[str]) -> None:
    """Run a command while standard input is open, and report how it ended once all its processes are gone."""
    os.set_inheritable(status, False)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if _LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    with _scratch_folder() if scratch else nullcontext():
        code, used = _watch(command, passed, woken, limit)
    with suppress(OSError):  # the driver is gone
        os.write(status, b"%d %d" % (code, used))


@contextmanager
def _scratch_folder() -> Iterator[None]:
    """Set a new folder for temporary files in the environment; on a full disk, none."""
    with ExitStack() as made:
        with suppress(OSError):
            folder = made.enter_context(tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True))
            os.environ.setdefault(_LASTING, tempfile.gettempdir())
            os.environ["TMPDIR"] = folder
        yield


def _watch(command: list[str], passed: Sequence[int], woken: int, limit: int) -> tuple[int, int]:
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            close_fds=False,  # it inherits the descriptors passed to the guard
            process_group=0,
            preexec_fn=_end_with_parent if _LINUX else None,  # there are no threads here
        )
    except OSError as error:
        print(f"{command[0]} cannot be started: {error.strerror}", file=sys.stderr)
        return 126, 0
    for descriptor in passed:  # the reader at the other end notices when the command closes it
        os.close(descriptor)
    code: int | None = None
    used = 0
    while code is None:
        ready, _, _ = select.select([0, woken], [], [], _LOOKS if limit else None)
        if 0 in ready or (woken in ready and signal.SIGTERM in os.read(woken, 1000)):
            break
        code, _ = _reaped(child.pid)
        if limit and code is None and (used := _memory(_family(), limit)) > limit:
            break
    ended = _end_family(child.pid)
    code = code if code is not None else ended
    child.returncode = code  # already waited for
    return code, used if used > limit else 0


def _reaped(child: int) -> tuple[int | None, bool]:
    """Reap ended processes; return the exit code of the command if it was one, and whether any process is left."""
    code = None
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] == child:
                code = os.waitstatus_to_exitcode(found[1])
    except ChildProcessError:
        return code, False
    return code, True


def _end_family(child: int) -> int:
    """Kill all processes left below this one, and return the exit code of the command if it was among them."""
    code, left, deadline = None, True, time.monotonic() + _LEAVING
    while left and time.monotonic() < deadline:
        # For a group that only waits to be reaped, macOS reports that killing it is not permitted.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        for process in _family() if _LINUX else ():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        ended, left = _reaped(child)
        code = code if ended is None else ended
        time.sleep(0.002 if left else 0)
    return code if code is not None else -signal.SIGKILL


def _family() -> dict[int, int]:
    """Return the processes below this one, each with the bytes that it has resident."""
    found: dict[int, int] = {}
    below = _children_in_proc if Path(f"/proc/self/task/{os.getpid()}/children").exists() else _children_by_ps()
    waiting = [os.getpid()]
    while waiting:
        for process, resident in below(waiting.pop()):
            if process not in found:
                found[process] = resident
                waiting.append(process)
    return found


def _children_in_proc(parent: int) -> list[tuple[int, int]]:
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{parent}/task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return [(process, _resident(process)) for process in found]


def _resident(process: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _children_by_ps() -> Callable[[int], list[tuple[int, int]]]:
    children: dict[int, list[tuple[int, int]]] = {}
    with suppress(OSError):
        listing = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,rss="], stdout=subprocess.PIPE, text=True, check=False)
        for process, parent, kilobytes in (map(int, line.split()) for line in listing.stdout.splitlines()):
            children.setdefault(parent, []).append((process, 1024 * kilobytes))
    return lambda parent: children.get(parent, [])


def _memory(family: dict[int, int], limit: int) -> int:
    """Return the memory of processes in bytes: the resident sum, or, if over the limit, the proportional shares.

    The shares need a walk through all pages, which is slow.
    """
    if sum(family.values()) <= limit:
        return sum(family.values())
    return sum(_share(process, resident) for process, resident in family.items())


def _share(process: int, resident: int) -> int:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return resident


if __name__ == "__main__":
    _status, *_passed = map(int, sys.argv[1].split(","))
    _guard(_status, _passed, int(sys.argv[2]), sys.argv[3] == "1", sys.argv[4:])
