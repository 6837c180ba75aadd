"""One call of a judge's program: the requests that it gets, and its answers for each clip."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contracts.audio import write_flac
from bench.contracts.metric import DecodedClip
from bench.errors import DataError, TransientError, Undefined
from bench.user_program import ProgramEnding, UserProgram, keep_log, last_words

_LONGEST_LINE = 64 * 2**10  # bytes of an answer; a longer line is refused


@dataclass(frozen=True)
class Answer:
    """A program's answer for one clip.

    Attributes:
        lines: how many of its lines were about the clip.
        said: the object of that line.
        problem: why there is no usable answer; "" where there is one.
        may_pass: whether another try may help.
    """

    lines: int
    said: Mapping[str, Any]
    problem: str = ""
    may_pass: bool = False

    def content(self) -> Mapping[str, Any]:
        """Return the answer without the id.

        Raises:
            Undefined: the program said why the clip has no score.
            DataError, TransientError: the program gave no usable answer.
        """
        if self.problem:
            raise (TransientError if self.may_pass else DataError)(self.problem)
        reason = self.said.get("undefined")
        if isinstance(reason, str) and reason.strip():
            raise Undefined(reason)
        return {name: value for name, value in self.said.items() if name != "id"}


def ask(program: UserProgram, clips: Sequence[DecodedClip]) -> tuple[list[Answer], ProgramEnding]:
    """Run a program on clips, and return an answer for each, in their order, and how it ended.

    Raises:
        MissingError: the program is not there or may not be executed.
    """
    if not clips:
        return [], ProgramEnding(0)
    program.found()
    with tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        ids = [f"{number:04d}" for number in range(1, len(clips) + 1)]
        requests, scores, log = folder / "requests.jsonl", folder / "scores.jsonl", folder / "log"
        lines = [_request(id, clip, folder) for id, clip in zip(ids, clips, strict=True)]
        requests.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        ending = program.run({"{requests}": requests, "{scores}": scores}, log, len(clips))
        found, strays = _read(scores, set(ids), ending.code == 0)
        if all(len(found[id]) == 1 for id in ids):
            return [Answer(1, found[id][0]) for id in ids], ending
        log = keep_log(log) if log.stat().st_size else log
        return [_answer(found[id], ending, strays, log) for id in ids], ending


def _request(id: str, clip: DecodedClip, folder: Path) -> dict[str, Any]:
    path = clip.file
    if path is None:
        path = folder / f"{id}.flac"
        write_flac(path, clip.audio)
    try:
        prompt: str | None = clip.prompt.text
    except Undefined:  # audio without a prompt
        prompt = None
    return {"id": id, "clip": str(path.absolute()), "prompt": prompt, "duration": clip.audio.duration}


def _answer(found: Sequence[Mapping[str, Any]], ending: ProgramEnding, strays: str, log: Path) -> Answer:
    if len(found) == 1:
        return Answer(1, found[0])
    said = "answered more than once for it" if found else "did not answer for it"
    also = f" ({strays})" if strays and not found else ""
    problem = f"the command {ending} and {said}{also}; {last_words(log)}"
    return Answer(len(found), {}, problem, ending.may_pass and not found)


def _read(file: Path, ids: set[str], whole: bool) -> tuple[dict[str, list[Mapping[str, Any]]], str]:
    """Return the lines of answers by id, and the first line that is not an answer.

    Args:
        file: what the program wrote.
        ids: the ids in the requests.
        whole: whether the program ended well; otherwise an incomplete last line may be cut off.
    """
    found: dict[str, list[Mapping[str, Any]]] = {id: [] for id in ids}
    strays = ""
    for number, line in _lines(file, whole):
        try:
            said = _said(line, ids)
        except DataError as error:
            strays = strays or f"line {number} {error}"
            continue
        if len(found[said["id"]]) < 2:  # two of a flood are enough to refuse it
            found[said["id"]].append(said)
    return found, strays


def _said(line: str | None, ids: set[str]) -> Mapping[str, Any]:
    """Return the object of a line about one of the requested clips.

    Raises:
        DataError: the line is not such an object.
    """
    if line is None:
        raise DataError(f"is longer than {_LONGEST_LINE} bytes")
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"is not JSON: {line[:40]!r}") from None
    if not (isinstance(said, dict) and isinstance(said.get("id"), str)):
        raise DataError("is not an object with an 'id'")
    if said["id"] not in ids:
        raise DataError(f"has the id {said['id']!r:.40}, which was not asked for")
    return said


def _lines(file: Path, whole: bool) -> Iterator[tuple[int, str | None]]:
    """Yield the lines that are not empty, numbered from 1; None for one that is too long."""
    if not file.is_file():
        return
    with file.open("rb") as content:
        number = 0
        while line := content.readline(_LONGEST_LINE + 1):
            number += 1
            long = len(line) > _LONGEST_LINE
            while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
                line = content.readline(_LONGEST_LINE + 1)
            if long:
                yield number, None
            elif line.strip() and (whole or line.endswith(b"\n")):
                yield number, line.decode(errors="replace").strip()
