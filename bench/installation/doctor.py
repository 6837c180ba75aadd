"""Report what this machine and installation can run."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from importlib.metadata import requires
from pathlib import Path

from bench.contracts.entry_points import Kind, declared, unreadable_packages
from bench.environment import available_memory, package_version, total_memory, usable_cores
from bench.installation.readiness import readiness

_EXTERNAL = {"tinysoundfont": "pip install --no-deps tinysoundfont"}


def diagnose() -> dict[str, dict[str, str]]:
    """Return sections of facts in plain words: machine, devices, packages, and the plugins of each kind.

    For plugins, see `bench.installation.readiness.readiness`.
    """
    return {
        "machine": _machine(),
        "devices": _devices(),
        "packages": _packages(),
        "models": _plugins("model"),
        "metrics": _plugins("metric"),
        "embedders": _plugins("embedder"),
        "suites": _plugins("suite"),
        "references": _plugins("reference"),
    }


def _machine() -> dict[str, str]:
    try:
        here = Path.cwd()
        disk = f"{shutil.disk_usage(here).free / 1e9:.0f} GB in {here}"
    except OSError:
        disk = "the working folder was removed"
    memory, available = total_memory(), available_memory()
    sizes = [f"{memory / 1e9:.0f} GB"] if memory else ["not known"]
    if available is not None:
        sizes.append(f"{available / 1e9:.0f} GB available")
    return {
        "system": platform.platform(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "cores": str(usable_cores()),
        "memory": ", ".join(sizes),
        "free disk": disk,
    }


def _devices() -> dict[str, str]:
    """Return devices for neural models, with their memory."""
    try:
        Path.cwd()  # torch's MKL ends the process where the working folder is gone
        import torch
    except FileNotFoundError:
        return {"cuda": "not known: the working folder is gone", "mps": "not known: the working folder is gone"}
    except ModuleNotFoundError:
        unknown = "not known without torch: pip install 'tunebench[diffusion]'"
        return {"cuda": unknown, "mps": unknown}
    except Exception as error:
        broken = f"torch cannot be imported ({type(error).__name__}: {error}); reinstall it"
        return {"cuda": broken, "mps": broken}
    facts = {}
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(number)
        facts[f"cuda:{number}"] = (
            f"{torch.cuda.get_device_name(number)}, {total / 1e9:.0f} GB, {free / 1e9:.0f} GB available"
        )
    if not facts:
        build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
        facts["cuda"] = f"none (torch {torch.__version__} is built for {build})"
    facts["mps"] = "ready, shares the machine's memory" if torch.backends.mps.is_available() else "none"
    facts["cpu"] = f"ready, {torch.get_num_threads()} threads, shares the machine's memory"
    return facts


def _packages() -> dict[str, str]:
    """Return versions of tunebench's dependencies, including extras."""
    facts = {}
    for requirement in requires("tunebench") or []:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]  # type: ignore[index]  # metadata always begins with a name
        extra = requirement.partition("extra ==")[2].strip(" '\"")
        if extra != "dev":
            remedy = f"pip install 'tunebench[{extra}]'" if extra else "reinstall tunebench"
            facts[name] = package_version(name) or f"missing: {remedy}"
    for name, command in _EXTERNAL.items():
        facts[name] = package_version(name) or f"missing: {command}"
    for name, problem in unreadable_packages().items():
        facts[name] = f"its list of plugins (entry_points.txt) cannot be read ({problem}); reinstall it"
    return facts


def _plugins(kind: Kind) -> dict[str, str]:
    try:
        Path.cwd()  # as for torch above, which plugins import
    except OSError:
        return dict.fromkeys(declared(kind), "not tried: the working folder is gone")
    return readiness(kind)
