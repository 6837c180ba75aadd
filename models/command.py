"""Any generator in an environment of its own: tunebench writes requests, runs a command, and reads the audio back.

The command may live in another venv, container or language. It gets two paths, for instance in a configuration::

    - name: command
      as: mine
      params: {command: [other-venv/bin/python, generate.py, "{requests}", "{out}"]}

``{requests}`` is a file with one JSON object a line: ``id``, ``prompt``, ``genre``, ``level``, ``bpm``,
``key`` and ``lyrics`` (all five may be null), ``seed``, ``duration`` in seconds, and ``file``, the name of the audio
file that is expected in the folder ``{out}``. Another ending than ``.wav`` may be used. A whole program::

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

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from bench.contracts.audio import Audio, read_audio
from bench.contracts.model import GenerationRequest, Json, MusicModel
from bench.errors import DataError, GenerationError, MissingError, TransientError
from bench.file_kind import AUDIO_ENDINGS
from bench.user_program import ProgramEnding, UserProgram, keep_log, last_words

_COMPLETE = 0.99  # of the duration: a shorter file of a failed command may be cut off


class CommandModel(MusicModel):
    """Runs a program of yours that turns a file of requests into audio files; `models.command` describes both.

    A clip whose file is missing or cannot be decoded fails with the exit code and the last line that was printed; the
    other files are used, even after a failure or a time-out. What is missing after exit code 75 (EX_TEMPFAIL: a service
    is busy) is tried again, see ``executor.retries``. Audio longer than requested is cropped. Whatever the command
    started is killed when it ends, takes too long, or tunebench itself has ended; except that on macOS processes in a
    session of their own stay.

    A clip's identity covers the command, the content of every file it names, ``revision``, and with ``environment``
    what is installed there. What is in folders, and what is installed in any other environment, is unknown to
    tunebench: change ``revision`` when it changes.

    Args:
        command: program and arguments, which no shell reads; ``{requests}`` and ``{out}`` in them are replaced.
        revision: any text that distinguishes one state of the generator from another.
        timeout: seconds that one clip may take; a call may take as many times that as it has clips. What reaches
            ``executor.timeout`` first decides, and only this one keeps the clips that were finished.
        cwd: folder to run in; relative paths in ``command`` start there.  [default: the working folder]
        logs: folder for what the command prints, a file a call.  [default: kept in the temporary folder on failure]
        batch_size: clips in one call; the larger, the less often the program has to load its weights.
        environment: ``{python: …, requirements: …}``, whose interpreter ``{python}`` in the command stands for; made by
            'tunebench environment make'. Requirements are a list of what pip takes, or a file of them.

    Raises:
        UsageError: the command is not a list or does not mention both paths; or there is no folder ``cwd``.
        MissingError: the environment has not been made.
    """

    sample_rate = None
    provenance_params = frozenset({"timeout", "cwd", "logs", "batch_size", "environment"})
    examples: ClassVar[Mapping[str, str]] = {"command": '[python, generate.py, "{requests}", "{out}"]'}

    def __init__(
        self,
        command: Sequence[str],
        revision: str = "",
        timeout: float = 1200.0,
        cwd: str | None = None,
        logs: str | None = None,
        batch_size: int = 16,
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        self._program = UserProgram("command model", command, ("{requests}", "{out}"), timeout, cwd, environment)
        self.command, self.cwd = self._program.command, self._program.cwd
        self.revision, self.timeout, self.batch_size = revision, timeout, batch_size
        self.logs = Path(logs).expanduser() if logs is not None else None

    def fingerprint(self) -> Mapping[str, Json]:
        """Return what `UserProgram.identity` covers: the files that the command names, and its environment."""
        return self._program.identity()

    def generate(self, requests: Sequence[GenerationRequest]) -> list[Audio | GenerationError]:
        """Run the command once for all requests.

        Raises:
            MissingError: the program is not there or may not be executed.
        """
        if not requests:
            return []
        self._program.found()
        with tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True) as temporary:
            out = Path(temporary, "out")
            out.mkdir()
            lines = [_line(request, f"{number:04d}.wav") for number, request in enumerate(requests, 1)]
            listing = Path(temporary, "requests.jsonl")
            listing.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            log = self._log(requests[0], Path(temporary))
            ending = self._program.run({"{requests}": listing, "{out}": out}, log, len(requests))
            if self.logs is None and log.stat().st_size:
                log = keep_log(log)
            results = [
                _clip(out, line["file"], request, ending, log) for line, request in zip(lines, requests, strict=True)
            ]
        if self.logs is None and all(isinstance(result, Audio) for result in results):
            log.unlink(missing_ok=True)
        return results

    def _log(self, first: GenerationRequest, temporary: Path) -> Path:
        if self.logs is None:
            return temporary / "log"
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{first.prompt.id}_{first.seed}.log"


def _line(request: GenerationRequest, file: str) -> dict[str, Json]:
    prompt = request.prompt
    return {
        "id": prompt.id,
        "prompt": prompt.text,
        "genre": prompt.genre,
        "level": prompt.level,
        "bpm": prompt.bpm,
        "key": prompt.key,
        "lyrics": prompt.lyrics,
        "seed": request.seed,
        "duration": request.duration,
        "file": file,
    }


def _clip(
    out: Path, name: str, request: GenerationRequest, ending: ProgramEnding, log: Path
) -> Audio | GenerationError:
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
        kind = TransientError if ending.may_pass else GenerationError
        return kind(f"the command {ending}: {problem}; {last_words(log)}")
