"""A text encoder learns to tell descriptions apart by what they describe, whatever the words."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from models.training.parts.loop import LoopSettings, Losses, Step

BATCH = 48
TEMPERATURE = 0.1
MAX_TOKENS = 77

SETTINGS = LoopSettings("text encoder", steps=2200, lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-2, warmup=100)


class Described(NamedTuple):
    """Two descriptions of one thing, and what it is.

    Attributes:
        texts: two ways to say it.
        classes: for each property, the number of its value; -1 where it counts for nothing.
        amounts: for each property that is a number, its value, of unit order; NaN where the texts do not say it.
    """

    texts: tuple[str, str]
    classes: Mapping[str, int]
    amounts: Mapping[str, float]


class TextTraining(torch.nn.Module):
    """A text encoder, and linear readers of its embedding that are thrown away afterwards.

    Args:
        encoder: gives ``text_embeds``.
        classes: for each property, how many values it has.
        amounts: properties that are numbers.
    """

    def __init__(self, encoder: Any, classes: Mapping[str, int], amounts: Sequence[str]) -> None:
        super().__init__()
        width = int(encoder.config.projection_dim)
        self.encoder = encoder
        self.classes = torch.nn.ModuleDict({name: torch.nn.Linear(width, count) for name, count in classes.items()})
        self.amounts = torch.nn.ModuleDict({name: torch.nn.Linear(width, 1) for name in amounts})

    def embed(self, tokens: Any) -> torch.Tensor:
        """Return embeddings of unit length, shape (texts, width)."""
        return torch.nn.functional.normalize(self.encoder(**tokens).text_embeds, dim=-1)


def text_step(tokenizer: Any, draw: Callable[[np.random.Generator], Described]) -> Step:
    """Return the step that computes a text encoder's losses on things that are described twice; it trains a
    `TextTraining`.

    ``contrast``: of all texts in the batch, the other one of the same thing is to be the nearest (Oord, Li and Vinyals,
    "Representation Learning with Contrastive Predictive Coding", 2018, both ways as in CLIP). ``classes``, ``amounts``:
    what a linear reader gets wrong; these keep apart what differs by a number, such as tempi.

    Args:
        tokenizer: of the encoder.
        draw: gives what is described.
    """

    def step(network: torch.nn.Module, chance: np.random.Generator, _: float) -> Losses:
        assert isinstance(network, TextTraining)
        things = [draw(chance) for _ in range(BATCH)]
        texts = [thing.texts[0] for thing in things] + [thing.texts[1] for thing in things]
        tokens = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        embedding = network.embed(tokens)
        one, other = embedding[:BATCH], embedding[BATCH:]
        alike = one @ other.T / TEMPERATURE
        itself = torch.arange(BATCH)
        contrast = (_entropy(alike, itself) + _entropy(alike.T, itself)) / 2
        scaled = embedding * embedding.shape[-1] ** 0.5
        classes = torch.stack(
            [
                _entropy(reader(scaled), torch.tensor([thing.classes[name] for thing in things] * 2))
                for name, reader in network.classes.items()
            ]
        )
        amounts = torch.stack(
            [
                _distance(reader(scaled)[:, 0], torch.tensor([thing.amounts[name] for thing in things] * 2))
                for name, reader in network.amounts.items()
            ]
        )
        return {"contrast": contrast, "classes": classes.mean(), "amounts": 10 * amounts.mean()}

    return step


def _entropy(answers: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(answers, wanted, ignore_index=-1)


def _distance(answers: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute distance over what is known; 0 where nothing is."""
    known = torch.isfinite(wanted)
    if not known.any():
        return answers.sum() * 0
    return (answers[known] - wanted[known].to(answers.dtype)).abs().mean()


def train_tokenizer(texts: Sequence[str], pieces: int, folder: Path) -> Any:
    """Train a RoBERTa tokenizer, whose byte-level pieces are learned from texts; digits stay single.

    Args:
        texts: what it is to read well; it reads any text.
        pieces: at most so many, at least 263.
        folder: where the tokenizer is saved.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import RobertaTokenizer

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=pieces,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    content = json.loads(learner.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in content["merges"]]
    tokenizer = RobertaTokenizer(vocab=content["vocab"], merges=merges, model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    return tokenizer
