"""The task of making a batch of clips."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from bench.contracts.audio import Audio
from bench.contracts.model import GenerationRequest, MusicModel
from bench.environment import environment
from bench.errors import DataError, MissingError, Unstorable, may_pass, one_line
from bench.execution.executors.worker_state import WorkerState
from bench.file_hash import FileChanged, hashed_files
from bench.planning.plan import PlannedClip, PlannedModel
from bench.storage.clip_file import write_clip
from bench.storage.read_clips import RETURNED, UNREAD
from bench.storage.task_results import ClipFailed, ClipMade


@dataclass(frozen=True)
class GenerateTask:
    """Make one batch of clips.

    Only the clips in ``wanted`` are written; the others keep the batch as planned.
    """

    model: PlannedModel
    clips: tuple[PlannedClip, ...]
    wanted: frozenset[str]
    folder: Path
    tries: int = 1
    doing: ClassVar[str] = "generating"

    @property
    def size(self) -> int:
        return len(self.clips)

    @property
    def subject(self) -> str:
        """What is generated, for a crash report."""
        clips = (f"{clip.prompt.id} seed {clip.request.seed}" for clip in self.clips)
        return f"{self.model.label}, {', '.join(clips)}"

    @property
    def max_workers(self) -> int | None:
        return self.model.max_workers

    @property
    def causes(self) -> tuple[str, ...]:
        """Possible causes of a crash."""
        return (self.model.label,)

    @property
    def absent(self) -> list[PlannedClip]:
        """The clips to write."""
        return [clip for clip in self.clips if clip.id in self.wanted]

    def pieces(self) -> list[GenerateTask]:
        """Return one task per clip, to find the one that kills its worker; empty if it has one clip."""
        if len(self.clips) == 1:
            return []
        return [replace(self, clips=(clip,), wanted=frozenset({clip.id})) for clip in self.absent]

    def without(self, causes: Collection[str]) -> GenerateTask | None:
        """Return the task without these causes, or None if nothing is left."""
        return None if self.model.label in causes else self

    def lost(self, error: str) -> list[ClipMade | ClipFailed]:
        """Return the results if nothing could be generated."""
        return [ClipFailed(clip.id, error, self.tries) for clip in self.absent]

    def again(self) -> GenerateTask:
        """Return the task for another try."""
        return replace(self, tries=self.tries + 1)

    def unsettled(self, made: list[ClipMade | ClipFailed]) -> tuple[list[ClipMade | ClipFailed], list[GenerateTask]]:
        """Return final results, and tasks of single clips worth another try."""
        passing = {result.clip for result in made if isinstance(result, ClipFailed) and result.may_pass}
        pieces = [
            replace(self, clips=(clip,), wanted=frozenset({clip.id}), tries=self.tries + 1)
            for clip in self.clips
            if clip.id in passing
        ]
        return [result for result in made if result.clip not in passing], pieces

    def execute(self, state: WorkerState) -> list[ClipMade | ClipFailed]:
        """Generate and store the clips; one that fails is a `ClipFailed`.

        Raises:
            MissingError: the model cannot run here.
            Unstorable: the disk is full or read-only.
        """
        requests = [clip.request for clip in self.clips]
        try:
            model = state.use(self.model)
            started = time.perf_counter()
            produced = _generate(model, requests)
            seconds = (time.perf_counter() - started) / len(requests)
            state.check_used(self.model)
        except FileChanged as error:
            return self.lost(one_line(error))
        return [
            self._store(model, clip, _as_planned(model, clip, audio), seconds)
            for clip, audio in zip(self.clips, produced, strict=True)
            if clip.id in self.wanted
        ]

    def _store(
        self, model: MusicModel, clip: PlannedClip, audio: Audio | Exception, seconds: float
    ) -> ClipMade | ClipFailed:
        try:
            if isinstance(audio, Exception):
                raise audio
            return self._written(clip, audio, seconds, _unread(model, clip))
        except Unstorable:
            raise
        except Exception as error:
            return ClipFailed(clip.id, one_line(error), self.tries, may_pass(error))

    def _written(self, clip: PlannedClip, audio: Audio, seconds: float, unread: int) -> ClipMade:
        path = self.folder / clip.path
        returned, audio = audio, audio.cropped(clip.request.duration)
        if not returned.frames:
            raise DataError("the model returned audio without frames")
        if not audio.frames:
            raise DataError(
                f"{clip.request.duration:g} s at {audio.rate} Hz is less than one frame; ask for longer clips"
            )
        try:
            label = write_clip(path, clip.id, audio)
        except OSError as error:
            raise Unstorable(
                f"cannot write {path}: {error.strerror}; earlier clips are safe: free disk space or fix "
                "permissions, then run the same command again"
            ) from error
        return ClipMade(
            clip.id,
            label.content,
            audio.rate,
            audio.channels,
            audio.frames,
            label.peak,
            label.gain,
            seconds,
            label.notes,
            {
                **environment(),
                "batch": len(self.clips),
                "tries": self.tries,
                **({RETURNED: returned.duration} if returned.frames > audio.frames else {}),
                **({UNREAD: unread} if unread else {}),
                "params": {k: str(v) for k, v in self.model.provenance.items()},
            },
        )


def _unread(model: MusicModel, clip: PlannedClip) -> int:
    tokens = model.unread_tokens(clip.request.prompt)
    if not isinstance(tokens, int) or tokens < 0:
        raise DataError(f"the model's unread_tokens() gave {tokens!r:.40}, which is not a number of tokens")
    return tokens


def _as_planned(model: MusicModel, clip: PlannedClip, audio: Audio | Exception) -> Audio | Exception:
    """Return the clip, or an error if its file differs from the plan."""
    if isinstance(audio, Exception):
        return audio
    try:
        with hashed_files() as files:
            same = dict(model.request_fingerprint(clip.request)) == clip.extra
    except Exception as error:  # a plugin's method
        return error
    what = ", ".join(map(str, files)) or f"the source of seed {clip.request.seed} of prompt '{clip.prompt.id}'"
    return audio if same else FileChanged(f"{what} changed since planning; run the same command again")


def _generate(model: MusicModel, requests: Sequence[GenerationRequest]) -> list[Audio | Exception]:
    """Return a result per request; if a batch raises, each request is tried alone, so that one fails alone."""
    try:
        results = list(model.generate(requests))
        if len(results) != len(requests):
            raise DataError(f"the model returned {len(results)} clips for {len(requests)} requests")
        return [
            result
            if isinstance(result, Audio | Exception)
            else TypeError(f"not bench.Audio but {type(result).__name__}")
            for result in results
        ]
    except (MissingError, Unstorable):
        raise
    except Exception as error:
        if len(requests) == 1:
            return [error]
        return [result for request in requests for result in _generate(model, [request])]
