"""Processes that end with whoever started them, where the system does not see to it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_BUSY = """
import sys
sys.platform = "one that ends no process with its parent"
from bench.process_lifetime import end_with_pipe, end_with_stdin
{start}
print(repr(sys.stdin.read()), flush=True)
while True:
    pass
"""


def _started(start: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _BUSY.format(start=start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2], **options)  # type: ignore[call-overload]


def test_standard_input_keeps_a_process_alive_and_is_empty_to_its_readers() -> None:
    with _started("end_with_stdin()", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "''\n"
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(30) == 1


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
