"""Tokenizers with small vocabularies, which were trained once on the prompts of the genre suite and are stored.

They are not trained again: a unigram model's pieces differ from run to run. Both vocabularies cover ASCII.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import GemmaTokenizer, Qwen2Tokenizer, RobertaTokenizer, T5Tokenizer


def t5_tokenizer(max_length: int = 128) -> Any:
    """Build a T5 tokenizer with 400 unigram pieces."""
    pieces = [(piece, score) for piece, score in _read("unigram.json")]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=max_length)


def roberta_tokenizer(max_length: int = 77) -> Any:
    """Build a RoBERTa tokenizer with 511 byte-level pieces."""
    content = _read("bpe.json")
    merges = [tuple(pair) for pair in content["merges"]]
    return RobertaTokenizer(vocab=content["vocab"], merges=merges, model_max_length=max_length)


def gemma_tokenizer(max_length: int = 256) -> Any:
    """Build a Gemma tokenizer with the pieces of `roberta_tokenizer`, with ``▁`` for a space, and all bytes."""
    merges = [(a.replace("Ġ", "▁"), b.replace("Ġ", "▁")) for a, b in _read("bpe.json")["merges"]]
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    letters = ["▁", *(chr(code) for code in range(33, 127))]
    pieces = dict.fromkeys([*special, *bytes_, *letters, *(a + b for a, b in merges)])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return GemmaTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_length)


def qwen_tokenizer(max_length: int = 32768) -> Any:
    """Build a Qwen tokenizer with the byte-level pieces of `roberta_tokenizer`, and a token for each byte."""
    content = _read("bpe.json")
    vocab = dict(content["vocab"])
    for sign in sorted(ByteLevel.alphabet()):
        vocab.setdefault(sign, len(vocab))
    vocab["<|endoftext|>"] = len(vocab)
    merges = [tuple(pair) for pair in content["merges"]]
    return Qwen2Tokenizer(vocab=vocab, merges=merges, model_max_length=max_length)


def _read(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
