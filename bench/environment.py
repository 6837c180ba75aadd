"""Processor, memory, devices and library versions of this process."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    *("numpy", "scipy", "essentia", "onnxruntime", "soundfile", "soxr"),
    *("torch", "transformers", "diffusers", "peft"),
)


def environment() -> dict[str, str]:
    """Return facts about this computer and installation; unknown ones are left out.

    ``gpu`` is included only if torch is already imported and sees one.
    """
    gpu = _gpu()
    return {**_lasting(), "gpu": gpu} if gpu else dict(_lasting())


@cache
def _lasting() -> dict[str, str]:
    """Return the facts that do not change while this process runs."""
    memory = total_memory()
    facts = {
        "tunebench": version("tunebench"),
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": str(usable_cores()),
        "memory": f"{memory / 1e9:.0f} GB" if memory else "",
        "libraries": ", ".join(f"{name} {found}" for name in LIBRARIES if (found := package_version(name))),
    }
    return {name: fact for name, fact in facts.items() if fact}


def processor() -> str:
    """Return the processor's name as the system reports it, such as ``Apple M2``; "" if unknown."""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(errors="replace"), re.MULTILINE)
        if found:
            return " ".join(found[1].split())
    return platform.processor()


def usable_cores() -> int:
    """Return how many cores this process may use; on macOS, how many the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def total_memory() -> int | None:
    """Return the bytes of memory in this computer; None if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def available_memory() -> int | None:
    """Return the bytes that a new process may use without swapping; None if unknown (not Linux)."""
    return proc_bytes(Path("/proc/meminfo"), "MemAvailable")


def proc_bytes(file: Path, name: str) -> int | None:
    """Return a number of bytes that Linux reports in kB in a file; None if it is not there."""
    with suppress(OSError):
        if found := re.search(rf"^{name}:\s+(\d+) kB", file.read_text(), re.MULTILINE):
            return int(found[1]) * 1024
    return None


def package_version(name: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _gpu() -> str:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return ""
    return ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
