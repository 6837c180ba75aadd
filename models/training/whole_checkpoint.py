"""Checkpoints of transformers, which hold all parts of a model in one: MusicGen's, of which the decoder is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.network_weights import load_network
from bench.quiet import quiet_libraries

PART = "decoder"


def is_whole(folder: Path) -> bool:
    """Return whether a checkpoint is one of transformers, and not a pipeline's folder."""
    return not (folder / "model_index.json").is_file()


def tuned_part(folder: Path) -> Any:
    """Load the decoder of a checkpoint, in float32.

    Raises:
        DataError: the checkpoint is damaged, as `bench.network_weights.load_network`.
    """
    return getattr(_opened(folder), PART)


def save_whole(network: Any, base: Path, folder: Path) -> None:
    """Write a checkpoint's weights with this decoder in place of its own, in the precision of each.

    Args:
        network: the decoder, without adapters.
        base: the checkpoint that it is a tuning of.
        folder: the folder to write into.
    """
    model = _opened(base)
    setattr(model, PART, network)
    with quiet_libraries():
        model.save_pretrained(folder, safe_serialization=True)


def _opened(folder: Path) -> Any:
    from transformers import MusicgenForConditionalGeneration

    return load_network(MusicgenForConditionalGeneration, folder).float()
