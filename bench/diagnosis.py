"""What this machine and installation can do."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from bench.errors import TunebenchError
from bench.registry import Kind, installed, load

_EXTERNAL = {"tinysoundfont": "pip install --no-deps tinysoundfont"}


def diagnose() -> dict[str, dict[str, str]]:
    """Sections of facts in plain words: machine, packages, models, metrics.

    A model or metric is ``ready``, or the text says what it lacks.
    """
    return {
        "machine": _machine(),
        "packages": _packages(),
        "models": _plugins("model"),
        "metrics": _plugins("metric"),
        "embedders": _plugins("embedder"),
        "suites": _plugins("suite"),
    }


def _machine() -> dict[str, str]:
    try:
        here = Path.cwd()
        disk = f"{shutil.disk_usage(here).free / 1e9:.0f} GB in {here}"
    except OSError:
        disk = "the working folder is gone"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "system": platform.platform(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "cores": str(cores),
        "memory": f"{memory:.0f} GB",
        "free disk": disk,
    }


def _packages() -> dict[str, str]:
    """Versions of what tunebench requires, extras included."""
    facts = {}
    for requirement in requires("tunebench") or []:
        name = re.match(r"[A-Za-z0-9._-]+", requirement)[0]  # type: ignore[index]  # metadata always begins with a name
        extra = requirement.partition("extra ==")[2].strip(" '\"")
        if extra != "dev":
            facts[name] = _version(
                name,
                f"missing: pip install 'tunebench[{extra}]'" if extra else "missing: reinstall tunebench",
            )
    for name, command in _EXTERNAL.items():
        facts[name] = _version(name, f"missing: {command}")
    return facts


def _version(name: str, otherwise: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return otherwise


def _plugins(kind: Kind) -> dict[str, str]:
    facts = {}
    for name, plugin in installed(kind).items():
        try:
            thing = load(plugin)
            if hasattr(thing, "require"):
                thing.require()
            facts[name] = "ready"
        except TunebenchError as error:
            facts[name] = str(error)
    return facts
