"""Environments of Python that were made for programs of the user's: where they are, and what is installed in them.

An environment is a venv in the user's folder for caches. Its name is the hash of its Python version and its
requirements, with the content of every file that these name. `bench.environment_installer` makes it, and only when it
is asked to. One that is whole has a record beside its interpreter: what a process that was killed left is never used.
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
"""The file that says that an environment is whole, and what it was made of."""
_INSTALLERS = frozenset({"pip", "setuptools", "wheel"})  # which pip freeze leaves out, too


class EnvironmentMissing(MissingError):
    """An environment has not been made yet, on this machine."""


@dataclass(frozen=True)
class KeptEnvironment:
    """An environment that was made.

    Attributes:
        folder: of the venv.
        python: the full version of its interpreter.
        requirements: what was asked for, as it was written.
        installer: who made it: ``uv`` or ``pip``.
        made: when, in ISO 8601.
    """

    folder: Path
    python: str
    requirements: tuple[str, ...]
    installer: str
    made: str

    @property
    def key(self) -> str:
        """By which it is listed and removed."""
        return self.folder.name

    @property
    def interpreter(self) -> Path:
        """The absolute path of its Python."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> tuple[str, ...]:
        """What is installed in it at this moment, as ``name==version``, sorted.

        What pip freeze leaves out is left out. A package that comes from a file, a folder or an address carries the
        hash of its files, one from a repository the commit.
        """
        site = self.folder / "lib" / f"python{'.'.join(self.python.split('.')[:2])}" / "site-packages"
        try:
            return _packages(site, site.stat().st_mtime_ns)
        except OSError:
            return ()

    @property
    def size(self) -> int:
        """Bytes of all its files; what an installer shares with its own cache is counted, too."""
        return folder_size(self.folder)

    @property
    def last_used(self) -> str:
        """The day on which a program was last run in it, as ``2026-11-29``; "" where it has gone."""
        with suppress(OSError):
            return datetime.fromtimestamp((self.folder / RECORD).stat().st_mtime).date().isoformat()
        return ""

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Note that it is used now, and keep it from being removed while the body runs, where the disk knows locks."""
        with ExitStack() as held:
            with suppress(OSError):
                os.utime(self.folder / RECORD)
                lock = held.enter_context(lock_of(self.folder).open("rb"))
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            yield


def kept_environment(spec: EnvironmentSpec) -> KeptEnvironment | None:
    """Return the environment of a specification; None where none that is whole is here."""
    return read_environment(environments_folder() / spec.key)


def needed_environment(kind: str, spec: EnvironmentSpec) -> KeptEnvironment:
    """Return the environment of a specification.

    Raises:
        EnvironmentMissing: it has not been made.
    """
    found = kept_environment(spec)
    if found is None:
        raise EnvironmentMissing(
            f"{kind}: its environment is not made yet ({spec}); 'tunebench environment make CONFIG' makes it"
        )
    return found


def identity_of_environment(spec: EnvironmentSpec, kept: KeptEnvironment) -> dict[str, Any]:
    """What identifies results of an environment: its Python, the requirements, and what was installed for them."""
    version = ".".join(kept.python.split(".")[:2])
    return {"python": version, "requirements": fingerprint(list(spec.content)), "packages": list(kept.packages)}


def environments_folder() -> Path:
    """Return where environments are kept.

    Raises:
        UsageError: nobody knows where the user's home is.
    """
    try:
        return cache_folder("environments")
    except RuntimeError:
        raise UsageError("there is no home folder to keep environments in; set XDG_CACHE_HOME") from None


def lock_of(folder: Path) -> Path:
    """Return the file that is locked while an environment is made, used or removed."""
    return folder.with_name(f"{folder.name}.lock")


def read_environment(folder: Path) -> KeptEnvironment | None:
    """Return the environment in a folder; None where there is none, or what is there is not whole."""
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
    del changed  # only so that what was installed since is seen
    from importlib.metadata import distributions

    found = set()
    for package in distributions(path=[str(site)]):
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"] or "").lower()
        if name not in _INSTALLERS:
            found.add(f"{name}=={package.version}{_origin(package)}")
    return tuple(sorted(found))


def _origin(package: Any) -> str:
    """Return what tells a package that is of no index from another of the same version."""
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
