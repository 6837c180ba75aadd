"""Any judge in an environment of its own: tunebench writes requests, runs a command, and reads its scores.

The command may live in another venv, container or language. It gets two paths, for instance in a configuration::

    metrics:
      - name: command
        as: aesthetics
        params:
          command: [judge-venv/bin/python, judge.py, "{requests}", "{scores}"]
          key: PQ
          scale: {version: 1, direction: higher, range: [1, 10]}
          weights: [judge-venv/checkpoint.pt]

``{requests}`` is a file with one JSON object a line: ``id``, ``clip`` (the path of a FLAC or WAV file), ``prompt`` (the
text; null where there is none), and ``duration`` in seconds. Into the file ``{scores}`` the command writes one JSON
object a line, in any order: the ``id``, and a number for each of its keys; or the ``id`` and ``undefined``, the reason
why the clip has no score. A whole program::

    # judge.py
    import json
    import sys

    import numpy as np
    import soundfile

    requests, scores = sys.argv[1:]
    with open(scores, "w") as out:
        for line in open(requests):
            request = json.loads(line)
            samples, rate = soundfile.read(request["clip"])
            loudest = float(np.abs(samples).max())
            print(json.dumps({"id": request["id"], "peak": loudest}), file=out, flush=True)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bench.contracts.metric import ClipMetric, DecodedClip, Score
from bench.errors import DataError, TransientError, Undefined, UsageError
from bench.file_hash import FileChanged, hash_file
from bench.user_program import UserProgram, ask_again_one_by_one
from metrics.program_answers import Answer, ask

_SCALE = {"version", "unit", "direction", "range"}


class CommandMetric(ClipMetric):
    """What a program of yours says about a clip; `metrics.command` describes the files that it reads and writes.

    Several clips are judged in one call. A clip fails with the reason if the program says nothing about it, gives two
    different answers, or gives a number that is not finite or not within the range; the other answers count, also after
    a failure or a time-out. If a call of several clips fails, those without an answer are judged again one by one, so
    that a clip that crashes the program costs only itself. What is missing after exit code 75 (EX_TEMPFAIL) is tried
    again, see ``executor.retries``. Whatever the program started is killed when it ends, takes too long, or tunebench
    itself has ended; this is not a sandbox.

    Columns of one program that differ in ``key`` alone share its calls. A score's identity covers the command, the
    content of every file that it names, the weights' content, the scale and ``revision``, and with ``environment`` what
    is installed there. What is installed in any other cannot be seen from here: raise ``version`` when it changes.

    Args:
        command: program and arguments, which no shell reads; ``{requests}`` and ``{scores}`` in them are replaced.
        key: the key of this column's number in an answer.
        scale: what the numbers are: ``version`` (a whole number), ``unit``, ``direction`` (``higher``, ``lower`` or
            ``none``) and ``range``, the lowest and the highest possible value.
        weights: files whose content decides the scores.
        revision: any text that distinguishes one state of the judge from another.
        timeout: seconds that one clip may take; a call may take as many times that as it has clips.
        cwd: folder to run in; relative paths in ``command`` start there.  [default: the working folder]
        batch_size: clips in one call; the larger, the less often the program has to load its weights.
        environment: ``{python: …, requirements: …}``, whose interpreter ``{python}`` in the command stands for; made by
            'tunebench environment make'. Requirements are a list of what pip takes, or a file of them.

    Raises:
        UsageError: the command is not a list or does not mention both paths; the scale says something impossible; or
            there is no such folder.
        MissingError: a file of weights is not there, or the environment has not been made.
    """

    cannot_tell = "what its program does not measure, which its authors must say"
    named = True
    provenance_params = frozenset({"timeout", "cwd", "batch_size", "weights", "environment"})
    examples: ClassVar[Mapping[str, str]] = {"command": '[python, judge.py, "{requests}", "{scores}"]'}

    def __init__(
        self,
        command: Sequence[str],
        key: str = "value",
        scale: Mapping[str, Any] | None = None,
        weights: Sequence[str] = (),
        revision: str = "",
        timeout: float = 300.0,
        cwd: str | None = None,
        batch_size: int = 16,
        environment: Mapping[str, Any] | None = None,
    ) -> None:
        self._program = UserProgram("command metric", command, ("{requests}", "{scores}"), timeout, cwd, environment)
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
            raise UsageError(f"command metric: batch_size is {batch_size!r}, must be a whole number of 1 or more")
        if not isinstance(key, str) or key in ("", "id", "undefined"):
            raise UsageError(f"command metric: key is {key!r}, must name a number in an answer")
        self.key, self.revision, self.clips_per_call = key, revision, batch_size
        self._weights = self._program.weights(weights)
        # What the configuration says about this column replaces what the class says about all of them.
        vars(self).update(_declared(dict(scale or {})))
        self._identity = self.fingerprint()

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what `UserProgram.identity` covers, and the SHA-256 of the weights in their order."""
        return {**self._program.identity(), "weights": [hash_file(file, lasting=True) for file in self._weights]}

    def score(self, clip: DecodedClip) -> Score:
        """Judge one clip, in a call of its own."""
        (found,) = self.score_together([clip])
        if isinstance(found, Exception):
            raise found
        return found

    def score_together(self, clips: Sequence[DecodedClip]) -> list[Score | Exception]:
        """Judge clips in one call; if it fails, judge those without an answer one by one.

        Raises:
            MissingError: the program is not there or may not be executed.
            FileChanged: a file that the command names, the weights or the environment is not what was planned.
        """
        held = [clip.share(self._share_name, dict[str, Answer]) for clip in clips]
        unasked = [(clip, own) for clip, own in zip(clips, held, strict=True) if not own]
        answers = ask_again_one_by_one(
            [clip for clip, _ in unasked], lambda some: ask(self._program, some), lambda answer: answer.lines == 0
        )
        for (_, own), answer in zip(unasked, answers, strict=True):
            own["answer"] = answer
        if self.fingerprint() != self._identity:
            raise FileChanged("a file of the command metric changed while it was used; run the same command again")
        return [self._score(own["answer"]) for own in held]

    @property
    def _share_name(self) -> str:
        return f"command:{self._program.command}:{self._program.cwd.resolve()}:{self._identity}"

    def _score(self, answer: Answer) -> Score | Exception:
        try:
            return Score.of(self._number(answer.content()))
        except Undefined as none:
            return Score.undefined(str(none))
        except (DataError, TransientError) as error:
            return error

    def _number(self, content: Mapping[str, Any]) -> float:
        if self.key not in content:
            raise DataError(
                f"the answer has no '{self.key}'; it has {', '.join(map(repr, content)) or 'nothing'}"[:200]
            )
        value = content[self.key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"the answer's '{self.key}' is {value!r:.60}, must be a number")
        if not abs(value) < 1e100:
            raise DataError(f"the answer's '{self.key}' is {value!r:.60}, must be finite; or write 'undefined' and why")
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            low, high = self.bounds
            raise DataError(f"the answer's '{self.key}' is {value:g}, outside the range of {low:g} to {high:g}")
        return float(value)


def _declared(scale: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a metric from its ``scale``."""
    if unknown := sorted(scale.keys() - _SCALE):
        raise UsageError(f"command metric: scale has '{unknown[0]}', it takes version, unit, direction and range")
    bounds = scale.pop("range", None)
    if bounds is None:
        return scale
    numbers = isinstance(bounds, list | tuple) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < 1e100 for number in bounds
    )
    if not numbers or len(bounds) != 2 or not bounds[0] < bounds[1]:
        raise UsageError(f"command metric: scale.range is {bounds!r}, must be [lowest, highest]")
    return {**scale, "bounds": (float(bounds[0]), float(bounds[1]))}
