"""One process at a time has a folder, and the kernel takes it from one that dies."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from bench.errors import UsageError
from bench.run_lock import take, take_lock

HOLD = """
import sys
from pathlib import Path
from bench.run_lock import take
lock = take(Path(sys.argv[1]))
print("free" if lock else "taken", flush=True)
if lock and "wait" in sys.argv:
    sys.stdin.read()
"""


def _other(path: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_process_has_it_until_it_closes_it(tmp_path: Path) -> None:
    lock = take(tmp_path / "lock")
    assert lock is not None
    assert take(tmp_path / "lock") is None
    with _other(tmp_path / "lock") as other:
        assert _says(other) == "taken"
    lock.close()
    with _other(tmp_path / "lock") as other:
        assert _says(other) == "free"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_it_is_free_when_its_holder_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    with _other(tmp_path / "lock", "wait") as holder:
        assert _says(holder) == "free"
        assert take(tmp_path / "lock") is None
        holder.send_signal(number)
        assert holder.wait() == -number
        lock = take(tmp_path / "lock")
    assert lock is not None
    lock.close()


def test_a_child_of_its_holder_does_not_keep_it(tmp_path: Path) -> None:
    lock = take(tmp_path / "lock")
    assert lock is not None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        lock.close()
        again = take(tmp_path / "lock")
        assert child.poll() is None
    assert again is not None
    again.close()


def test_it_is_the_lock_of_other_programs_too(tmp_path: Path) -> None:
    with filelock.FileLock(tmp_path / "lock"):
        assert take(tmp_path / "lock") is None


def test_what_the_holder_wrote_stays_readable(tmp_path: Path) -> None:
    with take_lock(tmp_path), pytest.raises(UsageError, match=rf"\b{os.getpid()}\b"):
        take_lock(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))) as refused:
        take_lock(tmp_path)
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "run.lock"]  # no file that would outlive its holder


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "file" / "run"))):
        take_lock(tmp_path / "file" / "run")
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(UsageError, match=re.escape(str(tmp_path))):
        take_lock(tmp_path)
