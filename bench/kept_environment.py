"""Installed Python environments of the user's programs: where they are, and their packages.

An environment is a venv in the user's cache folder. Its name is the hash of its Python version and its
requirements, with the content of every file that these name. `bench.environment_installer` makes it, and only when it
is asked to. A complete one has a record beside its interpreter; what a killed process left is never used.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.environment_spec import EnvironmentSpec
from bench.errors import MissingError, UsageError
from bench.hashing import fingerprint
from bench.user_cache import cache_folder

RECORD = "environment.json"
"""The file that marks an environment as complete, with its specification."""
_INSTALLERS = frozenset({"pip", "setuptools", "wheel"})  # which pip freeze omits, too


class EnvironmentMissing(MissingError):
    """An environment has not been made yet, on this machine."""


@dataclass(frozen=True)
class KeptEnvironment:
    """An installed environment.

    Attributes:
        folder: of the venv.
        python: the full version of its interpreter.
        requirements: the requirements as written.
        installer: ``uv`` or ``pip``.
        made: time of the installation, ISO 8601.
    """

    folder: Path
    python: str
    requirements: tuple[str, ...]
    installer: str
    made: str

    @property
    def key(self) -> str:
        """The key by which it is listed and removed."""
        return self.folder.name

    @property
    def interpreter(self) -> Path:
        """The absolute path of its Python."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages installed in it now, as ``name==version``, sorted.

        Packages that pip freeze omits are omitted. A package from a file, a folder or a URL carries the
        hash of its files, one from a repository its commit.
        """
        site = self.folder / "lib" / f"python{'.'.join(self.python.split('.')[:2])}" / "site-packages"
        try:
            return _packages(site, site.stat().st_mtime_ns)
        except OSError:
            return ()

    @property
    def size(self) -> int:
        """Bytes of all its files; including those shared with the installer's cache."""
        return folder_size(self.folder)

    @property
    def last_used(self) -> str:
        """The day on which a program was last run in it, as ``2026-11-29``; "" if it was removed."""
        with suppress(OSError):
            return datetime.fromtimestamp((self.folder / RECORD).stat().st_mtime).date().isoformat()
        return ""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Record a use, and prevent its removal while the body runs, if the disk supports locks."""
        with ExitStack() as held:
            with suppress(OSError):
                os.utime(self.folder / RECORD)
                lock = held.enter_context(lock_of(self.folder).open("rb"))
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield


def kept_environment(spec: EnvironmentSpec) -> KeptEnvironment | None:
    """Return the environment of a specification; None if no complete one exists."""
    return read_environment(environments_folder() / spec.key)


def needed_environment(kind: str, spec: EnvironmentSpec) -> KeptEnvironment:
    """Return the environment of a specification.

    Raises:
        EnvironmentMissing: it has not been made.
    """
    found = kept_environment(spec)
    if found is None:
        raise EnvironmentMissing(
            f"{kind}: its environment has not been made ({spec}); make it with 'tunebench environment make CONFIG'"
        )
    return found


def identity_of_environment(spec: EnvironmentSpec, kept: KeptEnvironment) -> dict[str, Any]:
    """Return what identifies results of an environment: its Python, requirements, and installed packages."""
    version = ".".join(kept.python.split(".")[:2])
    return {"python": version, "requirements": fingerprint(list(spec.content)), "packages": list(kept.packages)}


def environments_folder() -> Path:
    """Return the folder of environments.

    Raises:
        UsageError: the user's home folder is unknown.
    """
    try:
        return cache_folder("environments")
    except RuntimeError:
        raise UsageError("there is no home folder to keep environments in; set XDG_CACHE_HOME") from None


def lock_of(folder: Path) -> Path:
    """Return the file that is locked while an environment is made, used or removed."""
    return folder.with_name(f"{folder.name}.lock")


def read_environment(folder: Path) -> KeptEnvironment | None:
    """Return the environment in a folder; None if there is none or it is incomplete."""
    try:
        said = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = KeptEnvironment(folder, said["python"], tuple(said["requirements"]), said["installer"], said["made"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.interpreter.exists() else None


def folder_size(folder: Path) -> int:
    """Return bytes of all files below a folder; links are not followed."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                state = Path(place, name).lstat()
                total += state.st_size if stat.S_ISREG(state.st_mode) else 0
    return total


@lru_cache(maxsize=64)
def _packages(site: Path, changed: int) -> tuple[str, ...]:
    del changed  # part of the cache key, so that new packages are seen
    from importlib.metadata import distributions

    found = set()
    for package in distributions(path=[str(site)]):
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"] or "").lower()
        if name not in _INSTALLERS:
            found.add(f"{name}=={package.version}{_origin(package)}")
    return tuple(sorted(found))


def _origin(package: Any) -> str:
    """Return the hash or commit of a package that does not come from an index."""
    try:
        origin = json.loads(package.read_text("direct_url.json") or "null")
    except ValueError:
        origin = {}
    if origin is None:
        return ""
    if commit := (origin.get("vcs_info") or {}).get("commit_id"):
        return f" commit:{commit}"
    files = [line.rsplit(",", 2) for line in (package.read_text("RECORD") or "").splitlines()]
    own = sorted(
        (row[0], row[1]) for row in files if len(row) == 3 and row[1] and not re.match(r"\.\.|.*\.dist-info/", row[0])
    )
    return f" sha256:{fingerprint(own)}"
