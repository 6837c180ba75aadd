"""Make and remove Python environments for the user's programs, with uv or pip."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from bench.atomic_write import replace_file
from bench.environment_spec import EnvironmentSpec
from bench.errors import MissingError, Unstorable, UsageError
from bench.kept_environment import (
    RECORD,
    KeptEnvironment,
    environments_folder,
    folder_size,
    kept_environment,
    lock_of,
    read_environment,
)
from bench.plain_text import plain_line
from bench.process_lifetime import Guarded
from bench.run_lock import take
from bench.user_program import keep_log

Installer: TypeAlias = Literal["uv", "pip"]
"""Programs that can install an environment."""
Note: TypeAlias = Callable[[str], None]
"""Called with a sentence about the progress."""

_NEWS = 10.0  # seconds between two messages about a running installation
_POLL = 0.1  # seconds between two checks of a lock
_LONGEST_ERROR = 400  # characters
_CAUSE = re.compile(r"(?:error:|\s*(?:cause:|×|├─▶|╰─▶))\s*(.+)")
_EXCEPTION = re.compile(r"^[\s│]*((?:\w+\.)*\w*(?:Error|Exception): .+?)\s*$", re.MULTILINE)
# These variables would make pip install packages elsewhere, or find them there.
_ELSEWHERE = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")


@dataclass(frozen=True)
class Leftover:
    """An unfinished environment: interrupted, or being made right now.

    Attributes:
        folder: its path.
        size: in bytes.
    """

    folder: Path
    size: int

    @property
    def key(self) -> str:
        """The key by which it is listed and removed."""
        return self.folder.name


def make_environment(spec: EnvironmentSpec, installer: Installer | None = None, note: Note = print) -> KeptEnvironment:
    """Make an environment, or return the existing one.

    Processes that need the same one wait for the first. An environment whose installation fails is removed; one that
    a killed process left is made again.

    Args:
        spec: its Python and requirements.
        installer: by default uv if it is on the PATH, otherwise pip.
        note: called with messages about slow steps.

    Raises:
        MissingError: there is no such Python or installer, or a requirement cannot be installed; the message has what
            the installer's error, and names its log.
        Unstorable: the disk is full or not writable.
    """
    chosen = _installer(installer)
    folder = environments_folder() / spec.key
    with _locked(folder, note):
        if found := kept_environment(spec):
            return found
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return _made(spec, folder, chosen, note)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def list_environments() -> list[KeptEnvironment | Leftover]:
    """Return all environments of this user, also unfinished ones."""
    home = environments_folder()
    folders = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
    return [read_environment(folder) or Leftover(folder, folder_size(folder)) for folder in folders]


def remove_environments(keys: Sequence[str] = (), everything: bool = False) -> list[str]:
    """Remove environments, and return the keys of those that were there.

    Args:
        keys: keys of the environments; the first digits are enough if unambiguous.
        everything: remove all of them.

    Raises:
        UsageError: a key matches none or several, or one is being made or used right now.
    """
    known = [found.key for found in list_environments()]
    chosen = known if everything else [_the_one(key, known) for key in keys]
    for key in chosen:
        folder = environments_folder() / key
        lock = take(lock_of(folder))
        if lock is None:
            raise UsageError(f"the environment {key} is being made or used by another process; wait for it, or end it")
        with lock:
            (folder / RECORD).unlink(missing_ok=True)  # no process may use an environment that is being removed
            shutil.rmtree(folder)
    return chosen


def _the_one(key: str, known: Sequence[str]) -> str:
    fitting = [one for one in known if key and one.startswith(key)]
    if len(fitting) == 1:
        return fitting[0]
    what = f"'{key}' matches {len(fitting)} environments" if fitting else f"there is no environment '{key}'"
    raise UsageError(f"{what}; 'tunebench environment list' shows them")


def _installer(wanted: Installer | None) -> Installer:
    if wanted not in (None, *get_args(Installer)):
        raise UsageError(f"the installer is '{wanted}', must be uv or pip")
    if wanted == "uv" and not shutil.which("uv"):
        raise MissingError("uv is not on the PATH; install it, or use pip")
    return wanted or ("uv" if shutil.which("uv") else "pip")


@contextmanager
def _locked(folder: Path, note: Note) -> Iterator[None]:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = take(lock_of(folder))
        if lock is None:
            note(f"another process is making the environment {folder.name}; waiting for it")
        while lock is None:
            time.sleep(_POLL)
            lock = take(lock_of(folder))
    except OSError as error:
        raise Unstorable(
            f"cannot keep environments in {folder.parent}: {error.strerror}; set XDG_CACHE_HOME"
        ) from error
    with lock:
        yield


def _made(spec: EnvironmentSpec, folder: Path, installer: Installer, note: Note) -> KeptEnvironment:
    python = str(folder / "bin" / "python")
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    if installer == "uv":
        uv = str(shutil.which("uv"))
        base = sys.executable if _is_this(spec.python) else spec.python
        create = [uv, "--no-progress", "venv", "--python", base, str(folder)]
        install = [uv, "--no-progress", "pip", "install", "--python", python, *spec.arguments]
    else:
        create = [_find_python(spec.python), "-I", "-m", "venv", str(folder)]
        quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
        install = [python, "-I", "-m", "pip", "install", *quiet, *spec.arguments]
    note(f"making the environment {folder.name} with {installer} ({spec})")
    _run(create, spec.folder, environment, note)
    version = subprocess.run([python, "-I", "-c", _TELL_VERSION], capture_output=True, text=True, check=False).stdout
    if not _is_version(version, spec.python):
        raise MissingError(f"{create[0]} made an environment with Python '{version.strip()}' instead of {spec.python}")
    _run(install, spec.folder, environment, note)
    record = {
        "python": version.strip(),
        "requirements": list(spec.arguments),
        "installer": installer,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    replace_file(folder / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    made = kept_environment(spec)
    assert made is not None
    return made


_TELL_VERSION = "import platform; print(platform.python_version())"


def _is_version(found: str, wanted: str) -> bool:
    """Return whether an interpreter's version is the requested one, which may omit the patch number."""
    return bool(found.strip()) and (os.sep in wanted or f"{found.strip()}.".startswith(f"{wanted}."))


def _is_this(wanted: str) -> bool:
    return os.sep not in wanted and _is_version(platform.python_version(), wanted)


def _find_python(wanted: str) -> str:
    if os.sep in wanted:
        name = wanted
    elif _is_this(wanted):
        name = sys.executable
    else:
        name = f"python{'.'.join(wanted.split('.')[:2])}"
    found = shutil.which(name)
    if found is None:
        where = "" if os.sep in name else " on the PATH"
        raise MissingError(f"there is no {name}{where}; install Python {wanted}, or uv, which fetches it")
    return found


def _run(command: Sequence[str], cwd: Path, environment: Mapping[str, str], note: Note) -> None:
    """Run a step of an installation; it is killed if this process ends.

    Raises:
        MissingError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True) as temporary:
        log = Path(temporary, "log")
        started = time.monotonic()
        with log.open("wb") as output:
            process = Guarded(command, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=environment)
            try:
                code = None
                while code is None:
                    try:
                        code = process.wait(_NEWS).code
                    except TimeoutError:
                        note(f"{time.monotonic() - started:.0f} s: {_last_line(log)}")
            finally:
                process.stop()
        if code:
            said = last_error(log.read_text(encoding="utf-8", errors="replace"))
            raise MissingError(f"the environment cannot be made: {said}; the full log is {keep_log(log)}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return plain_line(next((line for line in reversed(lines) if line.strip()), "working"), 160)


def last_error(text: str) -> str:
    """Return the error message of pip or uv, with the exception of a package that could not be built.

    >>> last_error("Collecting x\\nERROR: No matching distribution found for x\\n[notice] A new release of pip")
    'No matching distribution found for x'
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    told = [line.partition(":")[2].strip() for line in lines if line.startswith("ERROR:")][-1:] or _causes(lines)
    if not told:
        told = [line for line in lines if not line.lower().lstrip().startswith(("[notice]", "warning", "hint", "note"))]
        told = told[-1:] or ["it printed nothing"]
    said = "; ".join(told).replace(":; ", ": ")
    raised = _EXCEPTION.findall(text)
    return plain_line(said if not raised or raised[-1] in said else f"{said} ({raised[-1]})", _LONGEST_ERROR)


def _causes(lines: Sequence[str]) -> list[str]:
    """Return the first error and its causes, which uv (and pip for builds) prints marked and wrapped."""
    told: list[str] = []
    for line in lines:
        if mark := _CAUSE.match(line):
            if mark[1] != "subprocess-exited-with-error":
                told.append(mark[1])
        elif told and re.match(r"\s+[^\s\[│╰]", line) and not line.lstrip().startswith(("hint:", "Traceback")):
            told[-1] += f" {line.strip()}"
        elif told:
            break
    return told
