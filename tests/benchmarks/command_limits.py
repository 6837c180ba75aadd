"""What a command takes, started anew: wall time and largest resident memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from row import Row

# What a process takes at most counts from its fork: of this large one, it would be as large.
_SMALL_PARENT = """
import json, os, resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


def limits(what: str, seconds: float, gigabytes: float, *arguments: str | Path) -> Iterator[Row]:
    """The command's wall time and its largest resident memory."""
    command = [sys.executable, "-c", _SMALL_PARENT, Path(sys.executable).parent / "tunebench", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    code, taken, processor, resident = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{arguments[0]} left with {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    note = f"of which {processor:.1f} s of processor time; load {os.getloadavg()[0]:.1f}"
    yield Row(what, taken, "s", seconds, "lower", note)
    yield Row("… its memory", resident * unit / 1e9, "GB", gigabytes, "lower", "largest resident")


def fast_disk() -> Path | None:
    """Where memory has a file system, the runs lie there: what is measured is not the disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4e9 else None
