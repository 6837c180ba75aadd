"""A private folder of compiled code for each process, so that no two processes write to the same one.

numba keeps what it compiled in numbered files, by default beside the library's source. Two processes that fill such a
folder at once replace each other's files, and an entry of the index may then name the code of another signature: from
then on every process that loads it crashes.

Here librosa, which compiles for half a minute when it is imported, is compiled once per installation, by a process
of its own, into a folder that nothing writes to afterwards. Every process works on a copy of it, which it removes when
it ends, or the next process does if it was killed. All this happens under one lock.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import IO

_LIBRARY = "librosa"
_COMPILE = "import librosa.beat"  # brings in all modules that compile when imported
_DEPENDENCIES = ("llvmlite", "numba", "numpy", "scipy")
_PATIENCE = 900.0  # seconds for a compilation; a machine under load took 90


def use_private_cache() -> None:
    """Let numba keep what it compiles in a private folder of this process, prepared when numba is first imported.

    It costs nothing if numba is never imported. If numba has been imported already, functions that were
    declared before this call keep their folder; those declared later use the private one. The
    environment variable ``NUMBA_CACHE_DIR`` is replaced, even if it was set by the user; processes that this one
    starts share its folder unless they call this too.
    """
    if any(isinstance(finder, _BeforeNumba) for finder in sys.meta_path):
        return
    finder = _BeforeNumba()
    sys.meta_path.insert(0, finder)
    if numba := sys.modules.get("numba"):
        finder.prepare()
        numba.core.config.reload_config()


class _BeforeNumba:
    """Import hook that finds no module, but notices that numba is about to be imported."""

    def __init__(self) -> None:
        self._prepared = False

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        del path, target
        # A search for "numba" itself may come from code that only checks whether it is installed.
        if name.startswith("numba."):
            self.prepare()

    def prepare(self) -> None:
        if not self._prepared:
            self._prepared = True
            os.environ["NUMBA_CACHE_DIR"] = str(_private_folder() / "cache")


def _private_folder() -> Path:
    """Make a folder that this process removes at its end; what is compiled is in its sub-folder ``cache``.

    If the user's cache folder is not writable, or its disk has no locks, it is an empty temporary one.
    """
    import atexit
    import shutil
    import tempfile

    from bench.run_lock import take
    from bench.user_cache import cache_folder

    alive: IO[str] | None = None
    try:
        root = cache_folder("numba")
        root.mkdir(parents=True, exist_ok=True)
        with _wait_for(root / "lock"):
            _remove_leftovers(root)
            compiled = _compiled(root)
            folder = Path(tempfile.mkdtemp(prefix="process-", dir=root))
            alive = take(folder / "alive")
            if compiled:
                shutil.copytree(compiled, folder / "cache")
    except (OSError, RuntimeError):
        folder = Path(tempfile.mkdtemp(prefix="tunebench-numba-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # not in a process that was forked from this one
            shutil.rmtree(folder, ignore_errors=True)
            if alive:
                alive.close()

    atexit.register(remove)
    return folder


def _wait_for(path: Path) -> IO[str]:
    """Lock a file, waiting as long as another process holds it."""
    import time

    from bench.run_lock import take

    while (lock := take(path)) is None:
        time.sleep(0.1)
    return lock


def _remove_leftovers(root: Path) -> None:
    """Remove what killed processes left; the caller holds the lock."""
    import shutil

    from bench.run_lock import take

    for folder in [*root.glob("process-*"), *root.glob("compiling-*")]:
        if lock := take(folder / "alive"):
            with lock:
                shutil.rmtree(folder, ignore_errors=True)


def _compiled(root: Path) -> Path | None:
    """Return the folder of the compiled library, compiling it if need be; the caller holds the lock.

    None where the library is not installed or cannot be imported.
    """
    import subprocess
    import tempfile

    name = _installation()
    if name is None or (root / name).is_dir():
        return root / name if name else None
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=root, ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-P", "-c", _COMPILE]
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        with suppress(subprocess.SubprocessError):
            subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=True
            )
            return Path(folder).rename(root / name)
    return None


def _installation() -> str | None:
    """Return a key of what compiled code depends on: versions, processor, and the library's files, which numba finds by
    path and time. None if the library is not installed."""
    import hashlib
    from importlib.metadata import PackageNotFoundError, distribution, version

    try:
        source = Path(str(distribution(_LIBRARY).locate_file(_LIBRARY)), "__init__.py")
        from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

        facts = [
            sys.version,
            *(f"{name} {version(name)}" for name in (_LIBRARY, *_DEPENDENCIES)),
            f"{get_host_cpu_name()} {get_host_cpu_features().flatten()}",
            f"{source} {source.stat().st_mtime_ns}",
        ]
    except (PackageNotFoundError, ImportError):
        return None
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
