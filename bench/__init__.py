"""tunebench: did the tuning make the music better, and how sure are we?

The names below are the public interface for plugin authors and scripts; each is imported when first used, so that
starting the command line stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.config.run_config import RunConfig, load_config
    from bench.contracts.audio import Audio, read_audio
    from bench.contracts.embedder import Embedder, EmbedderRef
    from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Estimate, Score
    from bench.contracts.model import GenerationRequest, MusicModel
    from bench.contracts.notes import Note, Notes
    from bench.contracts.notice import Notice
    from bench.contracts.prompt import Prompt, PromptSuite
    from bench.contracts.set_metric import Difference, EmbeddingSet, Reference, SetMetric
    from bench.errors import (
        DataError,
        GenerationError,
        MissingError,
        TransientError,
        TunebenchError,
        Undefined,
        UsageError,
    )
    from bench.execution.score_audio import AudioScores, score_audio
    from bench.pipeline.run import Run, run

    __version__: str

_HOMES = {
    "Audio": "contracts.audio",
    "AudioScores": "execution.score_audio",
    "ClipMetric": "contracts.metric",
    "DataError": "errors",
    "DecodedClip": "contracts.metric",
    "Direction": "contracts.metric",
    "Difference": "contracts.set_metric",
    "Embedder": "contracts.embedder",
    "EmbedderRef": "contracts.embedder",
    "EmbeddingSet": "contracts.set_metric",
    "Estimate": "contracts.metric",
    "GenerationError": "errors",
    "GenerationRequest": "contracts.model",
    "MissingError": "errors",
    "MusicModel": "contracts.model",
    "Note": "contracts.notes",
    "Notes": "contracts.notes",
    "Notice": "contracts.notice",
    "Prompt": "contracts.prompt",
    "PromptSuite": "contracts.prompt",
    "Reference": "contracts.set_metric",
    "Run": "pipeline.run",
    "RunConfig": "config.run_config",
    "Score": "contracts.metric",
    "SetMetric": "contracts.set_metric",
    "TransientError": "errors",
    "TunebenchError": "errors",
    "Undefined": "errors",
    "UsageError": "errors",
    "load_config": "config.run_config",
    "read_audio": "contracts.audio",
    "run": "pipeline.run",
    "score_audio": "execution.score_audio",
}

__all__ = [
    "Audio",
    "AudioScores",
    "ClipMetric",
    "DataError",
    "DecodedClip",
    "Difference",
    "Direction",
    "Embedder",
    "EmbedderRef",
    "EmbeddingSet",
    "Estimate",
    "GenerationError",
    "GenerationRequest",
    "MissingError",
    "MusicModel",
    "Note",
    "Notes",
    "Notice",
    "Prompt",
    "PromptSuite",
    "Reference",
    "Run",
    "RunConfig",
    "Score",
    "SetMetric",
    "TransientError",
    "TunebenchError",
    "Undefined",
    "UsageError",
    "__version__",
    "load_config",
    "read_audio",
    "run",
    "score_audio",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tunebench")
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(f"bench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
