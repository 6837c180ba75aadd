"""Making clips: the task that a worker is given for each batch of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from bench.contracts.audio import Audio
from bench.contracts.model import GenerationRequest, MusicModel
from bench.environment import environment
from bench.errors import DataError, MissingError, Unstorable, one_line
from bench.execution.executors.worker_state import WorkerState
from bench.planning.plan import PlannedClip, PlannedModel
from bench.storage.clip_file import write_clip
from bench.storage.task_results import ClipFailed, ClipMade


@dataclass(frozen=True)
class GenerateTask:
    """Make one batch of clips.

    Only the clips in ``wanted`` are written; the others keep the batch what it was planned to be.
    """

    model: PlannedModel
    clips: tuple[PlannedClip, ...]
    wanted: frozenset[str]
    folder: Path
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
        """What may be at fault where it dies."""
        return (self.model.label,)

    @property
    def absent(self) -> list[PlannedClip]:
        """The clips to be written."""
        return [clip for clip in self.clips if clip.id in self.wanted]

    def pieces(self) -> list[GenerateTask]:
        """The same work a clip at a time, to find the one that kills its worker; none if it is of one clip."""
        if len(self.clips) == 1:
            return []
        return [replace(self, clips=(clip,), wanted=frozenset({clip.id})) for clip in self.absent]

    def without(self, causes: Collection[str]) -> GenerateTask | None:
        """What is left of it where those are not to be touched."""
        return None if self.model.label in causes else self

    def lost(self, error: str) -> list[ClipMade | ClipFailed]:
        """The results when nothing could be generated."""
        return [ClipFailed(clip.id, error) for clip in self.absent]

    def execute(self, state: WorkerState) -> list[ClipMade | ClipFailed]:
        """Generate and store the clips; one that fails is a `ClipFailed`.

        Raises:
            MissingError: the model cannot run here at all.
            Unstorable: the disk is full or read-only.
        """
        model = state.use(self.model)
        requests = [clip.request for clip in self.clips]
        started = time.perf_counter()
        produced = _generate(model, requests)
        seconds = (time.perf_counter() - started) / len(requests)
        return [
            self._store(clip, audio, seconds)
            for clip, audio in zip(self.clips, produced, strict=True)
            if clip.id in self.wanted
        ]

    def _store(self, clip: PlannedClip, audio: Audio | Exception, seconds: float) -> ClipMade | ClipFailed:
        if isinstance(audio, Exception):
            return ClipFailed(clip.id, one_line(audio))
        if not audio.frames:
            return ClipFailed(clip.id, "the model returned audio without frames")
        path = self.folder / clip.path
        audio = audio.cropped(clip.request.duration)
        try:
            label = write_clip(path, clip.id, audio)
        except OSError as error:
            raise Unstorable(
                f"cannot write {path}: {error.strerror}; the clips made before are safe: free disk space or fix "
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
                "params": {k: str(v) for k, v in self.model.provenance.items()},
            },
        )


def _generate(model: MusicModel, requests: Sequence[GenerationRequest]) -> list[Audio | Exception]:
    """One result for each request; when a batch raises, each request is tried alone, so that one costs only itself."""
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
