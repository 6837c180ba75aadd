"""Any generator in an environment of its own: we write requests, run a command, and read the audio back.

The command may live in another venv, container or language. It gets two paths, for instance in a configuration::

    - name: command
      as: mine
      params: {command: [other-venv/bin/python, generate.py, "{requests}", "{out}"]}

``{requests}`` is a file with one JSON object a line: ``id``, ``prompt``, ``genre``, ``level``, ``bpm`` and ``key``
(all four may be null), ``seed``, ``duration`` in seconds, and ``file``, the name of the audio file that is expected in
the folder ``{out}``. Another ending than ``.wav`` may be used. A whole program::

    # generate.py
    import json
    import sys
    from pathlib import Path

    import numpy as np
    import soundfile

    requests, out = sys.argv[1:]
    for line in Path(requests).read_text().splitlines():
        request = json.loads(line)
        rng = np.random.default_rng(request["seed"])
        hz = 110 * 2 ** (rng.integers(24) / 12)
        t = np.arange(round(request["duration"] * 32_000)) / 32_000
        soundfile.write(Path(out) / request["file"], 0.3 * np.sin(2 * np.pi * hz * t), 32_000)
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.contracts.audio import Audio, read_audio
from bench.contracts.model import GenerationRequest, Json, MusicModel
from bench.errors import DataError, GenerationError, MissingError, TransientError, UsageError
from bench.file_hash import hash_file
from bench.file_kind import AUDIO_ENDINGS
from bench.file_names import looked_for
from bench.process_lifetime import Guarded, lasting_temporary_folder

TRY_AGAIN = 75
"""The exit code of a command whose missing clips may be made later: EX_TEMPFAIL of sysexits.h."""

_COMPLETE = 0.99  # of the duration: what a failed command leaves shorter than this may be a file cut off


class CommandModel(MusicModel):
    """Runs a program of yours that turns a file of requests into audio files; `models.command` describes both.

    A clip whose file is missing or cannot be decoded fails with the exit code and the last line that was printed; the
    other files are used, even after a failure or a time-out. What is missing after exit code 75 (EX_TEMPFAIL: a service
    is busy) is tried again, see ``executor.retries``. Audio longer than requested is cropped. Whatever the command
    started is killed when it ends, takes too long, or tunebench itself is gone; but for macOS, where what has left for
    a session of its own stays.

    A clip's identity covers the command, the content of every file it names, and ``revision``. What lies in folders,
    and what is installed beside the program, cannot be seen from here: change ``revision`` when it changes.

    Args:
        command: program and arguments, which no shell reads; ``{requests}`` and ``{out}`` in them are replaced.
        revision: anything that tells one state of the generator from another.
        timeout: seconds that one clip may take; a call may take as many times that as it has clips. What reaches
            ``executor.timeout`` first decides, and only this one keeps the clips that were finished.
        cwd: folder to run in; relative paths in ``command`` start there.  [default: the working folder]
        logs: folder for what the command prints, a file a call.  [default: kept in the temporary folder on failure]
        batch_size: clips in one call; the more, the less often the program has to load its weights.

    Raises:
        UsageError: the command is no list, or does not mention both paths; or there is no folder ``cwd``.
    """

    sample_rate = None
    provenance_params = frozenset({"timeout", "cwd", "logs", "batch_size"})
    examples: ClassVar[Mapping[str, str]] = {"command": '[python, generate.py, "{requests}", "{out}"]'}

    def __init__(
        self,
        command: Sequence[str],
        revision: str = "",
        timeout: float = 1200.0,
        cwd: str | None = None,
        logs: str | None = None,
        batch_size: int = 16,
    ) -> None:
        if not isinstance(command, list | tuple) or not all(
            isinstance(part, str | int | float) and not isinstance(part, bool) for part in command
        ):
            raise UsageError(
                f"command model: command is {command!r}, must be a list (no shell reads it), "
                'such as [python, generate.py, "{requests}", "{out}"]'
            )
        self.command = [str(part) for part in command]
        for path in ("{requests}", "{out}"):
            if not any(path in part for part in self.command[1:]):
                raise UsageError(f"command model: no argument of {self.command} holds {path}, which stands for a path")
        if not 0 < timeout < math.inf:
            raise UsageError(f"command model: timeout is {timeout}, must be a finite number of seconds above 0")
        self.revision, self.timeout, self.batch_size = revision, timeout, batch_size
        self.cwd = Path(cwd).expanduser() if cwd is not None else Path()
        if not self.cwd.is_dir():
            raise UsageError(f"command model: there is no folder '{cwd}' to run in (cwd){looked_for(self.cwd)}")
        self.logs = Path(logs).expanduser() if logs is not None else None

    def fingerprint(self) -> Mapping[str, Json]:
        """SHA-256 of each file that the command names, also as ``--option=file``.

        The program itself counts if it is a script: an interpreter's version is no part of a clip's identity.
        """
        hashes = {}
        for place, part in enumerate(self.command):
            for name in (part, part.partition("=")[2]):
                file = self.cwd / name
                with contextlib.suppress(OSError, ValueError):
                    if name and file.is_file() and (place or _is_script(file)):
                        hashes[part] = hash_file(file)
        return {"files": hashes}

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Run the command once for all requests.

        Raises:
            MissingError: the program is not there or may not be executed.
        """
        if not requests:
            return []
        program = self._program()
        with tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True) as temporary:
            out = Path(temporary, "out")
            out.mkdir()
            lines = [_line(request, f"{number:04d}.wav") for number, request in enumerate(requests, 1)]
            listing = Path(temporary, "requests.jsonl")
            listing.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            filled = [part.replace("{requests}", str(listing)).replace("{out}", str(out)) for part in self.command]
            log = self._log(requests[0], Path(temporary))
            ending = self._run([program, *filled[1:]], log, self.timeout * len(requests))
            if self.logs is None and log.stat().st_size:
                log = _kept(log)
            results = [
                _clip(out, line["file"], request, ending, log) for line, request in zip(lines, requests, strict=True)
            ]
        if self.logs is None and all(isinstance(result, Audio) for result in results):
            log.unlink(missing_ok=True)
        return results

    def _program(self) -> str:
        name = self.command[0]
        beside = os.sep in name
        # Absolute, since a path loses the "./" that says that it is not to be looked for on the PATH.
        found = shutil.which((self.cwd / name).absolute() if beside else name)
        if found is None:
            where = f"executable file {self.cwd / name}" if beside else f"program '{name}' on the PATH"
            raise MissingError(f"command model: there is no {where}; install it, or name another in 'command'")
        return str(Path(found).absolute())  # of the PATH, which may hold relative folders

    def _log(self, first: GenerationRequest, temporary: Path) -> Path:
        if self.logs is None:
            return temporary / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{first.prompt.id}_{first.seed}.log"

    def _run(self, command: list[str], log: Path, limit: float) -> _Ending:
        with log.open("wb") as output:
            process = Guarded(command, stdout=output, stderr=subprocess.STDOUT, cwd=self.cwd)
            try:
                return _Ending(process.wait(limit).code)
            except TimeoutError:
                return _Ending(None, limit)
            finally:
                # What the command left running would go on to write into a folder that is about to be removed.
                process.stop()


@dataclass(frozen=True)
class _Ending:
    """How a command ended: as `Guarded.wait` says, or with None when it was stopped after ``limit`` seconds."""

    code: int | None
    limit: float = 0.0

    @property
    def error(self) -> type[GenerationError]:
        """What its missing clips fail with: it may do better next time if it says so, or if the system killed it."""
        return TransientError if self.code in (TRY_AGAIN, -signal.SIGKILL) else GenerationError

    def __str__(self) -> str:
        if self.code is None:
            return f"took longer than {self.limit:g} s (timeout × clips) and was stopped"
        number = -self.code if self.code < 0 else self.code - 128  # as shells tell of a signal
        name = ""
        with contextlib.suppress(ValueError):
            name = f" ({signal.Signals(number).name})"
        return f"ended with exit code {128 - self.code if self.code < 0 else self.code}{name}"


def _line(request: GenerationRequest, file: str) -> dict[str, Json]:
    prompt = request.prompt
    return {
        "id": prompt.id,
        "prompt": prompt.text,
        "genre": prompt.genre,
        "level": prompt.level,
        "bpm": prompt.bpm,
        "key": prompt.key,
        "seed": request.seed,
        "duration": request.duration,
        "file": file,
    }


def _clip(out: Path, name: str, request: GenerationRequest, ending: _Ending, log: Path) -> Audio | GenerationError:
    made = [file for end in AUDIO_ENDINGS if (file := (out / name).with_suffix(end)).is_file()]
    try:
        if not made:
            raise DataError(f"made no file {name}")
        audio = read_audio(made[0], request.duration)
        if ending.code != 0 and audio.duration < _COMPLETE * request.duration:
            raise DataError(f"left {made[0].name} with {audio.duration:.3g} s of {request.duration:g} s")
        return audio
    except (DataError, MissingError) as error:
        problem = str(error).replace(f"{out}{os.sep}", "")
        return ending.error(f"the command {ending}: {problem}; {_last_words(log)}")


def _kept(log: Path) -> Path:
    """Move a log to where it stays when the worker ends, and return its new path."""
    handle, name = tempfile.mkstemp(prefix="tunebench-command-", suffix=".log", dir=lasting_temporary_folder())
    os.close(handle)
    return Path(shutil.move(log, name))


def _last_words(log: Path) -> str:
    """The last line of a log, and where the rest is."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 10_000))
        lines = file.read().decode(errors="replace").strip().splitlines()
    said = f"it printed '{lines[-1].strip()[:200]}' last" if lines else "it printed nothing"
    return f"{said}, see {log}" if lines else said


def _is_script(file: Path) -> bool:
    with file.open("rb") as content:
        return content.read(2) == b"#!"
