"""Run a user's program on files of requests: its identity, its command, and how it ended.

Shared by the `command` model, metric and embedder. It runs guarded (`bench.process_lifetime`): all processes that it
starts are killed when it ends, takes too long, or this process is gone.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.environment_spec import parse_environment
from bench.errors import MissingError, UsageError
from bench.file_hash import hash_file
from bench.file_names import looked_for
from bench.kept_environment import identity_of_environment, needed_environment
from bench.process_lifetime import Guarded, lasting_temporary_folder

Item = TypeVar("Item")
Result = TypeVar("Result")

PYTHON = "{python}"
"""Placeholder in a command for the interpreter of its environment."""

TRY_AGAIN = 75
"""The exit code of a command whose missing results may succeed later: EX_TEMPFAIL of sysexits.h."""

_LONGEST_LOG = 64 * 2**20  # bytes; of a program that prints endlessly, the last output is kept
_LOOKS = 1.0  # seconds between two checks of the log


@dataclass(frozen=True)
class ProgramEnding:
    """How a program ended: as `Guarded.wait` says, or with None when it was stopped after ``limit`` seconds."""

    code: int | None
    limit: float = 0.0

    @property
    def may_pass(self) -> bool:
        """Whether a retry may succeed: the program says so, or the system killed it."""
        return self.code in (TRY_AGAIN, -signal.SIGKILL)

    def __str__(self) -> str:
        if self.code is None:
            return f"took longer than {self.limit:g} s (timeout × clips) and was stopped"
        number = -self.code if self.code < 0 else self.code - 128  # as shells report a signal
        name = ""
        with contextlib.suppress(ValueError):
            name = f" ({signal.Signals(number).name})"
        return f"ended with exit code {128 - self.code if self.code < 0 else self.code}{name}"


class UserProgram:
    """A command in a folder.

    Args:
        kind: the plugin that uses it, for messages: ``command model``.
        command: program and arguments; no shell is used.
        paths: placeholders of paths in the arguments, such as ``{requests}``; each must occur.
        timeout: time limit per clip in seconds.
        cwd: folder to run in; relative paths in ``command`` start there; None for the working folder.
        environment: environment whose interpreter ``{python}`` is, see `parse_environment`; None for none.

    Raises:
        UsageError: the command is no list, or lacks one of the paths; the time is no time; there is no such folder; or
            only one of ``{python}`` and its environment is given.
        EnvironmentMissing: the environment has not been made.
    """

    def __init__(
        self,
        kind: str,
        command: Sequence[str],
        paths: Sequence[str],
        timeout: float,
        cwd: str | None = None,
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        example = " ".join(f'"{path}",' for path in paths).rstrip(",")
        if not isinstance(command, list | tuple) or not all(
            isinstance(part, str | int | float) and not isinstance(part, bool) for part in command
        ):
            raise UsageError(
                f"{kind}: command is {command!r}, must be a list (no shell is used), "
                f"such as [python, program.py, {example}]"
            )
        self.kind = kind
        self.command = [str(part) for part in command]
        for path in paths:
            if not any(path in part for part in self.command[1:]):
                raise UsageError(f"{kind}: {path}, the placeholder of a path, is in no argument of {self.command}")
        if not 0 < timeout < math.inf:
            raise UsageError(f"{kind}: timeout is {timeout}, must be a finite number of seconds above 0")
        self.timeout = timeout
        self.cwd = Path(cwd).expanduser() if cwd is not None else Path()
        if not self.cwd.is_dir():
            raise UsageError(f"{kind}: there is no folder '{cwd}' to run in (cwd){looked_for(self.cwd)}")
        asks = any(PYTHON in part for part in self.command)
        if environment is None and asks:
            raise UsageError(f"{kind}: {PYTHON} needs an environment; add environment: {{requirements: […]}}")
        if environment is not None and not asks:
            raise UsageError(f"{kind}: {self.command} does not use {PYTHON}, the Python of its environment")
        self._wanted = None if environment is None else parse_environment(kind, environment, self.cwd)
        self.identity()  # raises if the environment is missing

    def weights(self, files: Sequence[str]) -> list[Path]:
        """Return the program's weight files, relative to the folder that it runs in.

        Raises:
            UsageError: ``files`` is not a list.
            MissingError: one of them does not exist.
        """
        if isinstance(files, str):
            raise UsageError(f"{self.kind}: weights is '{files}', must be a list of files")
        found = [self.cwd / Path(file).expanduser() for file in files]
        for file in found:
            if not file.is_file():
                raise MissingError(f"{self.kind}: there is no weight file {file}{looked_for(file)}")
        return found

    def identity(self) -> dict[str, Any]:
        """Return what identifies results besides the command: the content of its files, and its environment, if any.

        Raises:
            EnvironmentMissing: the environment has not been made, or was removed.
        """
        if self._wanted is None:
            return {"files": self.files()}
        kept = needed_environment(self.kind, self._wanted)
        return {"files": self.files(), "environment": identity_of_environment(self._wanted, kept)}

    def files(self) -> dict[str, str]:
        """Return SHA-256 of each file that the command names, also as ``--option=file``, by argument.

        The program itself is included if it is a script; an interpreter's version is not part of an identity.
        """
        hashes = {}
        for place, part in enumerate(self.command):
            for name in (part, part.partition("=")[2]):
                file = self.cwd / name
                with contextlib.suppress(OSError, ValueError):
                    if name and file.is_file() and (place or _is_script(file)):
                        hashes[part] = hash_file(file)
        return hashes

    def found(self) -> str:
        """Return the absolute path of the program.

        Raises:
            MissingError: it does not exist or is not executable.
        """
        name = self._filled(self.command[0], {})
        beside = os.sep in name
        # Absolute, since a path loses the "./" that prevents a search on the PATH.
        found = shutil.which((self.cwd / name).absolute() if beside else name)
        if found is None:
            where = f"executable file {self.cwd / name}" if beside else f"program '{name}' on the PATH"
            raise MissingError(f"{self.kind}: there is no {where}; install it, or name another in 'command'")
        return str(Path(found).absolute())  # the PATH may contain relative folders

    def run(self, paths: Mapping[str, Path], log: Path, clips: int) -> ProgramEnding:
        """Run it to its end.

        Args:
            paths: values of ``{requests}`` and other placeholders.
            log: file for its output.
            clips: number of clips; the limit is ``timeout`` for each.

        Raises:
            MissingError: as `found`.
        """
        filled = [self.found(), *(self._filled(part, paths) for part in self.command[1:])]
        limit = self.timeout * clips
        log.unlink(missing_ok=True)
        # Append mode, so that the log can be truncated while it is written.
        with log.open("ab") as output, self._in_environment() as variables:
            process = Guarded(filled, stdout=output, stderr=subprocess.STDOUT, cwd=self.cwd, env=variables)
            try:
                return ProgramEnding(_wait(process, log, limit))
            except TimeoutError:
                return ProgramEnding(None, limit)
            finally:
                # Processes that the command left running could write into a folder that is about to be removed.
                process.stop()

    def _filled(self, part: str, paths: Mapping[str, Path]) -> str:
        """Return an argument with its placeholders replaced by paths."""
        for name, path in paths.items():
            part = part.replace(name, str(path))
        if self._wanted is not None and PYTHON in part:
            part = part.replace(PYTHON, str(needed_environment(self.kind, self._wanted).interpreter))
        return part

    @contextlib.contextmanager
    def _in_environment(self) -> Iterator[dict[str, str] | None]:
        """Yield the variables of a program in its environment, without other packages; None for this process's."""
        if self._wanted is None:
            yield None
            return
        kept = needed_environment(self.kind, self._wanted)
        own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        path = os.pathsep.join([str(kept.interpreter.parent), *filter(None, [own.get("PATH")])])
        with kept.in_use():
            yield {**own, "VIRTUAL_ENV": str(kept.folder), "PATH": path}


def ask_again_one_by_one(
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], tuple[list[Result], ProgramEnding | None]],
    unanswered: Callable[[Result], bool],
) -> list[Result]:
    """Run a program on items, and again on each single item that a failure left without a result.

    So an item that breaks the program does not affect the others.

    Args:
        items: inputs of the program.
        ask: runs it on some items, and returns a result for each, in order, and how the program ended, or None
            if it was not run.
        unanswered: whether a result is missing.
    """
    if not items:
        return []
    results, ending = ask(items)
    if len(items) == 1 or ending is None or ending.code == 0:
        return results
    return [ask([item])[0][0] if unanswered(result) else result for item, result in zip(items, results, strict=True)]


def _wait(process: Guarded, log: Path, limit: float) -> int:
    """Wait for the end, and truncate a log that grows without limit."""
    deadline = time.monotonic() + limit
    while True:
        left = deadline - time.monotonic()
        try:
            return process.wait(min(max(0.0, left), _LOOKS)).code
        except TimeoutError:
            if left <= 0:
                raise
        if log.stat().st_size > _LONGEST_LOG:
            os.truncate(log, 0)


def keep_log(log: Path) -> Path:
    """Move a log to a lasting folder, and return its new path."""
    handle, name = tempfile.mkstemp(prefix="tunebench-command-", suffix=".log", dir=lasting_temporary_folder())
    os.close(handle)
    return Path(shutil.move(log, name))


def last_words(log: Path) -> str:
    """Return the last line of a log and the path of the log."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    said = f"it printed '{lines[-1].strip()[:200]}' last" if lines else "it printed nothing"
    return f"{said}, see {log}" if lines else said


def _is_script(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(2) == b"#!"
