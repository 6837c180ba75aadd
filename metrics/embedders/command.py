"""Any embedder in an environment of its own: tunebench writes requests, runs a command, and reads its vectors.

It gets two paths, for instance in a configuration::

    metrics:
      - name: kad
        params:
          embedder: command
          embedder_params:
            command: [openl3-venv/bin/python, embed.py, "{requests}", "{vectors}"]
            dimension: 512

``{requests}`` is a file with one JSON object a line: ``id``, ``clip`` (the path of a WAV file of 32-bit floats), and
``duration`` in seconds. With ``front_end`` the clip is already prepared: mixed, resampled, leveled; where the front
end cuts windows, ``windows`` lists the path of a WAV file for each, and one vector for each is expected. The command
writes an ``.npz`` into the file ``{vectors}`` with an array for each id, shape (windows, dimension); an array without
windows says that the clip has no embedding.
A whole program::

    # embed.py
    import json
    import sys

    import numpy as np
    import soundfile

    vectors = {}
    for line in open(sys.argv[1]):
        request = json.loads(line)
        samples, rate = soundfile.read(request["clip"], always_2d=True)
        spectrum = np.abs(np.fft.rfft(samples.mean(axis=1), 1022))
        vectors[request["id"]] = np.log1p(spectrum)[None]
    np.savez(open(sys.argv[2], "wb"), **vectors)
"""

from __future__ import annotations

import json
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.embedder import Embedder, Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import DataError, TransientError, Undefined, UsageError, one_line
from bench.file_hash import FileChanged, hash_file
from bench.user_program import ProgramEnding, UserProgram, ask_again_one_by_one, keep_log, last_words
from metrics.embedders.front_ends import COMMAND
from metrics.embedders.preparation import blocks_of, prepare, stored

_LARGEST = 2 * 2**30  # bytes of one call's vectors, uncompressed


class CommandEmbedder(Embedder):
    """Runs a program of yours that turns audio into vectors; `metrics.embedders.command` describes both.

    Several clips are embedded in one call. A clip without an array of the right shape in finite numbers fails with the
    reason, the others count. If a call of several clips fails, those without an array are embedded again one by one.
    Processes are ended as those of the `command` metric.

    Args:
        command: program and arguments, which no shell reads; ``{requests}`` and ``{vectors}`` in them are replaced.
        dimension: length of a vector.
        weights: files whose content decides the vectors.
        revision: any text that distinguishes one state of the embedder from another.
        timeout: seconds that one clip may take; a call may take as many times that as it has clips.
        cwd: folder to run in; relative paths in ``command`` start there.  [default: the working folder]
        batch_size: clips in one call.
        environment: ``{python: …, requirements: …}``, whose interpreter ``{python}`` in the command stands for; made by
            'tunebench environment make'. Requirements are a list of what pip takes, or a file of them.
        front_end: how audio is prepared for the program, which otherwise gets it as it is: by a published tool,
            ``stable-audio-metrics-openl3`` or ``stable-audio-metrics-passt``; or settings.

    Raises:
        UsageError: the command is not a list or does not mention both paths; a number is invalid; or there is no
            folder.
        MissingError: a file of weights is not there, or the environment has not been made.
    """

    provenance_params = frozenset({"timeout", "cwd", "batch_size", "weights", "environment"})
    examples: ClassVar[Mapping[str, str]] = {
        "command": '[python, embed.py, "{requests}", "{vectors}"]',
        "dimension": "512",
    }

    def __init__(
        self,
        command: Sequence[str],
        dimension: int,
        weights: Sequence[str] = (),
        revision: str = "",
        timeout: float = 300.0,
        cwd: str | None = None,
        batch_size: int = 16,
        environment: Mapping[str, Any] | None = None,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.front_end = front_end
        self._program = UserProgram("command embedder", command, ("{requests}", "{vectors}"), timeout, cwd, environment)
        for name, number in (("dimension", dimension), ("batch_size", batch_size)):
            if not isinstance(number, int) or isinstance(number, bool) or number < 1:
                raise UsageError(f"command embedder: {name} is {number!r}, must be a whole number of 1 or more")
        self.dimension, self.revision, self.clips_per_call = dimension, revision, batch_size
        self._weights = self._program.weights(weights)
        self._last: tuple[Audio, int] | None = None
        self._identity = self.fingerprint()

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return COMMAND

    def fingerprint(self) -> Mapping[str, Any]:
        """Return what `UserProgram.identity` covers, and the SHA-256 of the weights in their order."""
        return {**self._program.identity(), "weights": [hash_file(file, lasting=True) for file in self._weights]}

    def embed(self, audio: Audio) -> Vectors:
        """Embed one clip, in a call of its own."""
        (found,) = self.embed_together([audio])
        if isinstance(found, Exception):
            raise found
        self._last = audio, len(found)
        return found

    def embed_together(self, audio: Sequence[Audio]) -> list[Vectors | Exception]:
        """Embed clips in one call; if it fails, embed those without an array one by one.

        Raises:
            MissingError: the program is not there or may not be executed.
            FileChanged: a file that the command names, the weights or the environment is not what was planned.
        """
        found = ask_again_one_by_one(audio, self._call, _is_unanswered)
        if self.fingerprint() != self._identity:
            raise FileChanged("a file of the command embedder changed while it was used; run the same command again")
        return found

    def weights(self, audio: Audio) -> Vectors:
        """Weight all windows equally, as nothing is known about them."""
        if self._last is None or self._last[0] is not audio:
            self.embed(audio)
        assert self._last is not None
        return np.ones(self._last[1], dtype=np.float32)

    def _call(self, audio: Sequence[Audio]) -> tuple[list[Vectors | Exception], ProgramEnding | None]:
        """Return the result for each clip, and how the program ended, where it was run."""
        self._program.found()
        with tempfile.TemporaryDirectory(prefix="tunebench-", ignore_cleanup_errors=True) as temporary:
            folder = Path(temporary)
            requests, vectors, log = folder / "requests.jsonl", folder / "vectors.npz", folder / "log"
            asked = [self._request(folder / f"{number:04d}.wav", one) for number, one in enumerate(audio, 1)]
            lines = [request for request in asked if not isinstance(request, Exception)]
            if not lines:
                return [request for request in asked if isinstance(request, Exception)], None
            requests.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
            ending = self._program.run({"{requests}": requests, "{vectors}": vectors}, log, len(lines))
            found = [
                request if isinstance(request, Exception) else self._vectors(vectors, request) for request in asked
            ]
            if any(isinstance(one, DataError) for one in found):
                kept = keep_log(log) if log.stat().st_size else log
                words, kind = last_words(kept), TransientError if ending.may_pass else DataError
                found = [
                    kind(f"the command {ending}: {one}; {words}") if isinstance(one, DataError) else one
                    for one in found
                ]
        return found, ending

    def _request(self, clip: Path, audio: Audio) -> dict[str, Any] | Undefined:
        """Write a clip and its windows, and return the program's request; or why the clip has no embedding."""
        import soundfile

        def write(path: Path, samples: Any, rate: int) -> str:
            soundfile.write(path, samples.T, rate, subtype="FLOAT")  # the exact samples, which FLAC would round
            return str(path)

        front_end = self.published_front_end
        if front_end is None:
            return {"id": clip.stem, "clip": write(clip, audio.samples, audio.rate), "duration": audio.duration}
        rate = front_end.rate or audio.rate
        try:
            samples = prepare(audio, rate, front_end)
            blocks = [] if front_end.window is None else blocks_of(audio, rate, front_end)
        except Undefined as error:
            return error
        request = {"id": clip.stem, "clip": write(clip, samples, rate), "duration": samples.shape[-1] / rate}
        windows = [window for block in blocks for window in block]
        files = [write(clip.with_name(f"{clip.stem}-{i:04d}.wav"), one, rate) for i, one in enumerate(windows, 1)]
        return {**request, "windows": files} if files else request

    def _vectors(self, file: Path, request: Mapping[str, Any]) -> Vectors | Exception:
        """Return the array of one clip, or what is wrong with it."""
        id, windows, front_end = request["id"], request.get("windows"), self.published_front_end
        try:
            with zipfile.ZipFile(file) as packed:
                if sum(entry.file_size for entry in packed.infolist()) > _LARGEST:
                    return DataError(f"its vectors are more than {_LARGEST >> 30} GB")
            with np.load(file, allow_pickle=False) as arrays:
                if id not in arrays.files:
                    return DataError("gave no vectors for it")
                found = np.asarray(arrays[id])
        except (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            return DataError(
                f"wrote no .npz that can be read ({one_line(error)})" if file.exists() else "wrote no vectors"
            )
        if found.ndim != 2 or found.shape[1] != self.dimension or found.dtype.kind not in "fiu":
            return DataError(f"gave an array of {found.dtype} and shape {found.shape}, not (windows, {self.dimension})")
        if not len(found):
            return Undefined("the command found nothing to embed")
        if windows and len(found) != len(windows):
            return DataError(f"gave {len(found)} vectors for its {len(windows)} windows")
        with np.errstate(over="ignore"):  # what overflows float32 becomes infinite, and is refused
            vectors = np.ascontiguousarray(found, dtype=np.float32)
        if front_end:
            vectors = stored(vectors, front_end)
        return vectors if np.isfinite(vectors).all() else DataError("gave vectors that are not finite")


def _is_unanswered(vectors: Vectors | Exception) -> bool:
    return isinstance(vectors, DataError | TransientError)
