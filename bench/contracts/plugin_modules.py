"""Import the module of a plugin: one of ours, of another package, or a file."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from bench.contracts.entry_points import Plugin
from bench.errors import UsageError
from bench.file_hash import FileChanged
from bench.regular_file import read_bytes

ROOT = Path(__file__).resolve().parents[2]
OWN_MODULES = frozenset({"models", "metrics", "prompts", "results"})


def import_installed(name: str) -> ModuleType:
    """Import a module by its dotted name.

    Raises:
        UsageError: it is one of ours, and a user's folder hides it.
        Exception: whatever it raises.
    """
    top = name.partition(".")[0]
    if top in OWN_MODULES:
        _refuse_shadow(top)
    return importlib.import_module(name)


def _refuse_shadow(package: str) -> None:
    """Check that Python finds our package and not a user's folder of the same common name."""
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    found = Path(spec.origin).parent if spec and spec.origin else Path(places[0]) if places else None
    if found is None or found.resolve() != ROOT / package:
        raise UsageError(
            f"the folder {found} hides tunebench's own package '{package}'; start with 'tunebench …' or "
            f"'python -P -m bench …', or work in another folder"
        )


def import_file(plugin: Plugin, file: Path) -> ModuleType:
    """Import the file that a plugin names, once per content, so that the code run is the code hashed.

    Raises:
        FileChanged: the file is not the one that the plugin was found in.
        UsageError: it does not exist, or is not a Python file.
        Exception: whatever it raises.
    """
    name = f"tunebench_plugin_{plugin.source}"
    if name in sys.modules:
        return sys.modules[name]
    try:
        content = read_bytes(file)
    except OSError as error:
        raise UsageError(f"{plugin.kind} '{plugin.name}': {file} cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != plugin.source:
        raise FileChanged(f"{file} changed since planning; run the same command again")
    spec = importlib.util.spec_from_file_location(name, file, loader=_Bytes(name, file, content))
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


class _Bytes(SourceFileLoader):
    """Load a module from bytes, never from Python's cached bytecode, which is identified only by size and time."""

    def __init__(self, name: str, file: Path, content: bytes) -> None:
        super().__init__(name, str(file))
        self._content = content

    def get_data(self, path: str) -> bytes:
        return self._content if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return self.source_to_code(self._content, self.path)
