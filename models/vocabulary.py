"""Whether a tokenizer has the vocabulary that its encoder was trained with, and how much of a text it leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import MissingError
from bench.quiet import quiet_libraries


def check_vocabulary(tokenizer: Any, encoder: Any, where: Path) -> None:
    """Refuse a tokenizer without its vocabulary, which transformers silently replaces by the special tokens alone.

    Raises:
        MissingError: it knows less than half as many tokens as its encoder embeds, or more.
    """
    config = getattr(encoder.config, "text_config", encoder.config)
    known, embedded = len(tokenizer), config.vocab_size
    if not embedded / 2 <= known <= embedded:
        raise MissingError(
            f"{where}: the tokenizer knows {known} tokens, its encoder {embedded}; vocabulary files are missing or "
            "belong to another model: download the checkpoint again"
        )


def unread_tokens(tokenizer: Any, text: str) -> int:
    """How many tokens of a text are beyond the tokenizer's greatest length, at which the pipelines cut it."""
    with quiet_libraries():
        tokens = tokenizer(text, truncation=False).input_ids
    return max(0, len(tokens) - int(tokenizer.model_max_length))
