"""Tokenizers of text encoders, checked: a missing one loads without an error and reads all texts as the same."""

from __future__ import annotations

from typing import Any

from bench.errors import MissingError
from metrics.networks.checkpoint import required

MAX_TOKENS = 77
"""Text length in tokens that CLAP was trained with; the rest of a text is not read."""


def load_tokenizer(place: str, vocabulary: int, local_only: bool, kind: str = "RobertaTokenizer") -> Any:
    """Load the tokenizer in a folder or of a hub id.

    Args:
        place: the folder, or the hub id.
        vocabulary: entries that the text encoder was trained with.
        local_only: never ask the network.
        kind: its class in transformers.

    Raises:
        MissingError: it is not there, or has another vocabulary.
    """
    transformers = required("transformers", "diffusion")
    mend = "give a folder that holds its tokenizer.json, or vocab.json and merges.txt"
    try:
        tokenizer = getattr(transformers, kind).from_pretrained(place, local_files_only=local_only)
    except (OSError, ValueError, TypeError) as error:
        raise MissingError(f"there is no tokenizer in {place}; {mend}") from error
    # Without its files and without network, transformers 5 returns a tokenizer of the five special tokens.
    if len(tokenizer) != vocabulary:
        raise MissingError(
            f"the tokenizer in {place} has {len(tokenizer):,} entries, the text encoder {vocabulary:,}; {mend}"
        )
    return tokenizer


def tokenize(tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    """Compute ``input_ids`` and ``attention_mask`` of texts, PyTorch tensors of shape (texts, 77)."""
    return dict(tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt"))
