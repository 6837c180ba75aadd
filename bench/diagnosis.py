"""What this machine and installation can do."""

from __future__ import annotations

import os
import platform
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
        "suites": _plugins("suite"),
    }


def _machine() -> dict[str, str]:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return {
        "system": platform.platform(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "cores": str(cores),
        "memory": f"{memory:.0f} GB",
        "free disk": f"{free:.0f} GB in {Path.cwd()}",
    }


def _packages() -> dict[str, str]:
    """Versions of what tunebench requires, extras included."""
    facts = {}
    for requirement in requires("tunebench") or []:
        name = requirement.split(";")[0].split("[")[0].rstrip("<>=!~.,0123456789abdevrc ").strip()
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
            lacking = thing.requirements_missing() if hasattr(thing, "requirements_missing") else None
        except TunebenchError as error:
            lacking = str(error)
        facts[name] = lacking or "ready"
    return facts
