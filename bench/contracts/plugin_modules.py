"""Importing the module that a plugin lives in: one of ours, of another package, or a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from bench.contracts.entry_points import Plugin
from bench.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
OWN_MODULES = frozenset({"models", "metrics", "prompts", "results"})


def import_installed(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        UsageError: it is one of ours, and a folder of the user's hides it.
        Exception: whatever it raises.
    """
    top = name.partition(".")[0]
    if top in OWN_MODULES:
        _refuse_shadow(top)
    return importlib.import_module(name)


def _refuse_shadow(package: str) -> None:
    """Our package names are common ones: make sure that Python finds ours and not a folder of the user's."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = Path(spec.origin).parent if spec and spec.origin else Path(places[0]) if places else None
    if found is None or found.resolve() != ROOT / package:
        raise UsageError(
            f"the folder {found} hides tunebench's own package '{package}'; start with 'tunebench …' or "
            f"'python -P -m bench …', or work in another folder"
        )


def import_file(plugin: Plugin, file: Path) -> ModuleType:
    """Import the file that a plugin names, once for each content.

    Raises:
        UsageError: it is no Python file.
        Exception: whatever it raises.
    """
    name = f"tunebench_plugin_{plugin.source}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"{file} cannot be imported as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
