"""tunebench: did the tuning make the music better, and how sure are we?

The names below are the public interface for plugin authors and scripts; each is imported when first used, so that
starting the command line stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.audio import Audio, read_audio
    from bench.config import RunConfig, load_config
    from bench.embedder import Embedder, EmbedderRef
    from bench.errors import DataError, GenerationError, MissingError, TunebenchError, Undefined, UsageError
    from bench.metric import ClipMetric, DecodedClip, Direction, Estimate, Score
    from bench.model import GenerationRequest, MusicModel
    from bench.notes import Note, Notes
    from bench.notice import Notice
    from bench.prompt import Prompt, PromptSuite
    from bench.runner import Run, run
    from bench.set_metric import Difference, EmbeddingSet, Reference, SetMetric

_HOMES = {
    "Audio": "audio",
    "ClipMetric": "metric",
    "DataError": "errors",
    "DecodedClip": "metric",
    "Direction": "metric",
    "Difference": "set_metric",
    "Embedder": "embedder",
    "EmbedderRef": "embedder",
    "EmbeddingSet": "set_metric",
    "Estimate": "metric",
    "GenerationError": "errors",
    "GenerationRequest": "model",
    "MissingError": "errors",
    "MusicModel": "model",
    "Note": "notes",
    "Notes": "notes",
    "Notice": "notice",
    "Prompt": "prompt",
    "PromptSuite": "prompt",
    "Reference": "set_metric",
    "Run": "runner",
    "RunConfig": "config",
    "Score": "metric",
    "SetMetric": "set_metric",
    "TunebenchError": "errors",
    "Undefined": "errors",
    "UsageError": "errors",
    "load_config": "config",
    "read_audio": "audio",
    "run": "runner",
}

__all__ = [
    "Audio",
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
    "TunebenchError",
    "Undefined",
    "UsageError",
    "load_config",
    "read_audio",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute {name!r}")
    return getattr(import_module(f"bench.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
