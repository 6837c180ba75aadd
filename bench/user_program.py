"""A program of the user's that is run on files of requests: which it is, how it is run, and how it ended.

What the `command` model, metric and embedder share. It runs under guard (`bench.process_lifetime`): of all that it
starts nothing stays when it ends, takes too long, or this process is gone.
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
"""What stands in a command for the interpreter of its environment."""

TRY_AGAIN = 75
"""The exit code of a command whose missing results may be made later: EX_TEMPFAIL of sysexits.h."""

_LONGEST_LOG = 64 * 2**20  # bytes; of a program that prints without end, what it printed last is kept
_LOOKS = 1.0  # seconds between two looks at the log


@dataclass(frozen=True)
class ProgramEnding:
    """How a program ended: as `Guarded.wait` says, or with None when it was stopped after ``limit`` seconds."""

    code: int | None
    limit: float = 0.0

    @property
    def may_pass(self) -> bool:
        """Whether it may do better next time: it says so, or the system killed it."""
        return self.code in (TRY_AGAIN, -signal.SIGKILL)

    def __str__(self) -> str:
        if self.code is None:
            return f"took longer than {self.limit:g} s (timeout × clips) and was stopped"
        number = -self.code if self.code < 0 else self.code - 128  # as shells tell of a signal
        name = ""
        with contextlib.suppress(ValueError):
            name = f" ({signal.Signals(number).name})"
        return f"ended with exit code {128 - self.code if self.code < 0 else self.code}{name}"


class UserProgram:
    """A command in a folder.

    Args:
        kind: what it is for, for messages: ``command model``.
        command: program and arguments, which no shell reads.
        paths: what stands for paths in the arguments, such as ``{requests}``; each must be in one.
        timeout: seconds that one clip may take.
        cwd: folder to run in; relative paths in ``command`` start there; None for the working folder.
        environment: what ``{python}`` in the command is the interpreter of, see `parse_environment`; None for none.

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
                f"{kind}: command is {command!r}, must be a list (no shell reads it), "
                f"such as [python, program.py, {example}]"
            )
        self.kind = kind
        self.command = [str(part) for part in command]
        for path in paths:
            if not any(path in part for part in self.command[1:]):
                raise UsageError(f"{kind}: no argument of {self.command} holds {path}, which stands for a path")
        if not 0 < timeout < math.inf:
            raise UsageError(f"{kind}: timeout is {timeout}, must be a finite number of seconds above 0")
        self.timeout = timeout
        self.cwd = Path(cwd).expanduser() if cwd is not None else Path()
        if not self.cwd.is_dir():
            raise UsageError(f"{kind}: there is no folder '{cwd}' to run in (cwd){looked_for(self.cwd)}")
        asks = any(PYTHON in part for part in self.command)
        if environment is None and asks:
            raise UsageError(
                f"{kind}: {PYTHON} is the Python of an environment; say environment: {{requirements: […]}}"
            )
        if environment is not None and not asks:
            raise UsageError(f"{kind}: nothing in {self.command} is {PYTHON}, the Python of its environment")
        self._wanted = None if environment is None else parse_environment(kind, environment, self.cwd)
        self.identity()  # which needs the environment

    def weights(self, files: Sequence[str]) -> list[Path]:
        """Return the files of weights that the program was given, relative to the folder that it runs in.

        Raises:
            UsageError: it is no list.
            MissingError: one of them is not there.
        """
        if isinstance(files, str):
            raise UsageError(f"{self.kind}: weights is '{files}', must be a list of files")
        found = [self.cwd / Path(file).expanduser() for file in files]
        for file in found:
            if not file.is_file():
                raise MissingError(f"{self.kind}: there is no file of weights {file}{looked_for(file)}")
        return found

    def identity(self) -> dict[str, Any]:
        """What identifies results besides the command: the content of its files, and its environment, where it has one.

        Raises:
            EnvironmentMissing: the environment has not been made, or was removed.
        """
        if self._wanted is None:
            return {"files": self.files()}
        kept = needed_environment(self.kind, self._wanted)
        return {"files": self.files(), "environment": identity_of_environment(self._wanted, kept)}

    def files(self) -> dict[str, str]:
        """Return SHA-256 of each file that the command names, also as ``--option=file``, by argument.

        The program itself counts if it is a script: an interpreter's version is no part of an identity.
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
            MissingError: it is not there or may not be executed.
        """
        name = self._filled(self.command[0], {})
        beside = os.sep in name
        # Absolute, since a path loses the "./" that says that it is not to be looked for on the PATH.
        found = shutil.which((self.cwd / name).absolute() if beside else name)
        if found is None:
            where = f"executable file {self.cwd / name}" if beside else f"program '{name}' on the PATH"
            raise MissingError(f"{self.kind}: there is no {where}; install it, or name another in 'command'")
        return str(Path(found).absolute())  # of the PATH, which may hold relative folders

    def run(self, paths: Mapping[str, Path], log: Path, clips: int) -> ProgramEnding:
        """Run it to its end.

        Args:
            paths: what takes the place of ``{requests}`` and the like.
            log: file for what it prints.
            clips: how many it is run on; it may take as many times ``timeout``.

        Raises:
            MissingError: as `found`.
        """
        filled = [self.found(), *(self._filled(part, paths) for part in self.command[1:])]
        limit = self.timeout * clips
        log.unlink(missing_ok=True)
        # To append is what lets the log be cut while it is written.
        with log.open("ab") as output, self._in_environment() as variables:
            process = Guarded(filled, stdout=output, stderr=subprocess.STDOUT, cwd=self.cwd, env=variables)
            try:
                return ProgramEnding(_wait(process, log, limit))
            except TimeoutError:
                return ProgramEnding(None, limit)
            finally:
                # What the command left running would go on to write into a folder that is about to be removed.
                process.stop()

    def _filled(self, part: str, paths: Mapping[str, Path]) -> str:
        """Return an argument with paths in place of what stands for them."""
        for name, path in paths.items():
            part = part.replace(name, str(path))
        if self._wanted is not None and PYTHON in part:
            part = part.replace(PYTHON, str(needed_environment(self.kind, self._wanted).interpreter))
        return part

    @contextlib.contextmanager
    def _in_environment(self) -> Iterator[dict[str, str] | None]:
        """The variables of a program with an environment, which finds no other packages; None for this process's."""
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
    """Run a program on items, and once more on each that it left without an answer by ending badly, by itself.

    An item that breaks the program costs the others nothing that way.

    Args:
        items: what it is run on.
        ask: runs it on some of them, and returns a result for each, in their order, and how the program ended, or None
            where it was not run.
        unanswered: whether a result is none.
    """
    if not items:
        return []
    results, ending = ask(items)
    if len(items) == 1 or ending is None or ending.code == 0:
        return results
    return [ask([item])[0][0] if unanswered(result) else result for item, result in zip(items, results, strict=True)]


def _wait(process: Guarded, log: Path, limit: float) -> int:
    """Wait for the end, and cut a log that grows without end."""
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
    """Move a log to where it stays when the worker ends, and return its new path."""
    handle, name = tempfile.mkstemp(prefix="tunebench-command-", suffix=".log", dir=lasting_temporary_folder())
    os.close(handle)
    return Path(shutil.move(log, name))


def last_words(log: Path) -> str:
    """Return the last line of a log, and where the rest is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    said = f"it printed '{lines[-1].strip()[:200]}' last" if lines else "it printed nothing"
    return f"{said}, see {log}" if lines else said


def _is_script(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(2) == b"#!"
