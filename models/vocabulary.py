"""Whether a tokenizer has the vocabulary that its encoder was trained with, and how many tokens of a text it cuts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.errors import MissingError
from bench.quiet import quiet_libraries


def check_vocabulary(tokenizer: Any, encoder: Any, where: Path) -> None:
    """Refuse a tokenizer without its vocabulary, which transformers silently replaces by the special tokens alone.

    Args:
        tokenizer: as it was loaded.
        encoder: the text encoder that reads its tokens.
        where: the tokenizer's folder, for the message.

    Raises:
        MissingError: it has less than half as many tokens as its encoder embeds, or more.
    """
    config = getattr(encoder.config, "text_config", encoder.config)
    known, embedded = len(tokenizer), config.vocab_size
    if not embedded / 2 <= known <= embedded:
        raise MissingError(
            f"{where}: the tokenizer knows {known} tokens, its encoder {embedded}; vocabulary files are missing or "
            "belong to another model: download the checkpoint again"
        )


def unread_tokens(tokenizer: Any, text: str, most: int | None = None) -> int:
    """Count the tokens of a text beyond the tokenizer's maximum length, at which the pipelines cut it.

    Args:
        tokenizer: of the text encoder.
        text: any.
        most: tokens that the pipeline reads, where that may be fewer than the tokenizer gives.
    """
    with quiet_libraries():
        tokens = tokenizer(text, truncation=False).input_ids
    longest = int(tokenizer.model_max_length)
    return max(0, len(tokens) - (longest if most is None else min(most, longest)))
