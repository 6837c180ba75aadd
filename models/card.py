"""The card of a training's result: its base, its data, its method, and its losses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.contracts.identity import prompt_identity
from bench.contracts.prompt import Prompt, PromptSuite, text_hash
from bench.errors import DataError, UsageError
from bench.hashing import fingerprint
from bench.regular_file import read_bytes
from models.base_checkpoint import CARD

FORMAT = 1


@dataclass(frozen=True)
class TrainedOn:
    """The data of a training.

    Attributes:
        name, format: as the configuration and `models.training.dataset.Dataset` have it.
        fingerprint: of sounds, captions and recordings, wherever the files are.
        train, held_out: `bench.contracts.audio.content_hash` of each whole file, sorted, without duplicates.
        train_recordings, held_out_recordings: number of recordings that these come from.
        skipped: files that could not be used.
        about: what else the dataset says about itself, such as its license.
        captions: `bench.contracts.prompt.text_hash` of each caption that was trained on, sorted, without duplicates;
            None where they were not recorded.
    """

    name: str
    format: str
    fingerprint: str
    train: list[str]
    held_out: list[str]
    train_recordings: int
    held_out_recordings: int
    skipped: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    captions: list[str] | None = None


@dataclass(frozen=True)
class ScoredOn:
    """Prompts that a model was scored on while it was tuned, or while one of its settings was chosen.

    Attributes:
        suite: name and version, such as ``quick-dev@1``.
        suite_hash: hash of everything that the suite asks for.
        split: what these prompts are for: ``development`` or ``test``; empty where it is not declared, or both.
        what: the occasion: ``clips while training``, or the run that something was chosen by.
        prompts: by their ids, `bench.contracts.prompt.text_hash` of their texts.
    """

    suite: str
    suite_hash: str
    split: str
    what: str
    prompts: dict[str, str]

    @classmethod
    def of(cls, suite: PromptSuite, prompts: Sequence[Prompt], what: str) -> ScoredOn:
        """Describe some prompts of a suite.

        Args:
            suite: all of it.
            prompts: those that were scored on.
            what: the occasion, as the attribute.
        """
        declared = {suite.splits.get(prompt.id, "") for prompt in prompts}
        return cls(
            suite.ref,
            fingerprint({prompt.id: prompt_identity(prompt) for prompt in suite.prompts}),
            declared.pop() if len(declared) == 1 else "",
            what,
            {prompt.id: text_hash(prompt.text) for prompt in prompts},
        )


@dataclass(frozen=True)
class Losses:
    """Mean squared errors of what the network predicts.

    Attributes:
        train_last: mean over the last optimizer step.
        validation: (step, mean, loss at each diffusion time), in the order of the steps.
        best_step: where the validation loss was lowest; None without validation.
        base: the validation loss at step 0, which is that of the base itself; None without validation.
    """

    train_last: float | None = None
    validation: list[tuple[int, float, dict[str, float]]] = field(default_factory=list)
    best_step: int | None = None
    base: float | None = None

    @property
    def best(self) -> float | None:
        """The validation loss of ``best_step``."""
        return next((loss for step, loss, _ in self.validation if step == self.best_step), None)


@dataclass(frozen=True)
class Card:
    """The result of a training.

    Attributes:
        tunebench: version of tunebench.
        base: ``kind``, ``checkpoint`` as it was named, and ``repo`` and ``revision``, or ``weights``, the hash of a
            local folder's weights.
        objective: what the network predicts.
        method: ``lora`` or ``full``.
        rank, alpha, targets, init, dropout, dora: of the adapter, as `models.training.config.LoraConfig` has them;
            None, or empty, for ``full``.
        step: the step that the weights are from; the last one, or the best of the validation.
        steps, epochs: how many were trained.
        batch, accumulation: examples of one pass over all processes, and passes of one optimizer step.
        peak_memory_bytes, peak_memory_of: most memory in use, and where: ``cuda`` or ``process``.
        trainable, parameters: weights that are trained, and all weights of the network with its adapter.
        machine: device, processor and versions of the libraries.
        trained_with: families (`bench.contracts.family`) that it was trained or chosen by in addition to its data, such
            as a reward model; a training by tunebench has none, another trainer or a reader adds it.
        merged: for an adapter that was merged into its base: its ``scale`` and the hashes of its files.
        scored_on: prompts that it was scored on while it was trained or chosen; None where they were not recorded.
    """

    base: dict[str, str]
    objective: str
    method: str
    steps: int
    epochs: float
    batch: int
    accumulation: int
    precision: str
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    seed: int
    data: TrainedOn
    losses: Losses
    epochs_per_hour: float | None
    seconds: float
    peak_memory_bytes: int | None
    peak_memory_of: str | None
    trainable: int
    parameters: int
    machine: dict[str, Any]
    rank: int | None = None
    alpha: float | None = None
    targets: list[str] | str = field(default_factory=list)
    init: str | None = None
    dropout: float | None = None
    dora: bool | None = None
    step: int | None = None
    crop: float | None = None
    clip_norm: float | None = None
    guidance_dropout: float | None = None
    condition: str | None = None
    ema: float | None = None
    tunebench: str = field(default_factory=lambda: version("tunebench"))
    merged: dict[str, Any] | None = None
    scored_on: list[ScoredOn] | None = None
    trained_with: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def trainable_share(self) -> float:
        """Share of all weights that are trained."""
        return self.trainable / self.parameters if self.parameters else 0.0

    def as_json(self) -> str:
        """Return the card as ``card.json`` holds it.

        Raises:
            ValueError: a number that is not finite.
        """
        content = {"format": self.format, "tunebench": self.tunebench, **asdict(self)}
        content["trainable_share"] = self.trainable_share
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def with_tuning_of(card: Card, base: Card | None) -> Card:
    """Return a card that also has the prompts its base was scored on and the captions it was trained on, from its card.

    What one of the two did not record is unknown for both.

    Args:
        card: of the new weights.
        base: of the weights that they began with; None leaves the card as it is.
    """
    if base is None:
        return card
    scored = None if None in (card.scored_on, base.scored_on) else [*(base.scored_on or ()), *(card.scored_on or ())]
    texts = card.data.captions, base.data.captions
    captions = None if None in texts else sorted({text for own in texts for text in own or ()})
    return replace(card, scored_on=scored, data=replace(card.data, captions=captions))


def read_card(path: Path) -> Card:
    """Read the card of an adapter or checkpoint, given as its folder or as the file itself.

    Raises:
        UsageError: there is none.
        DataError: it is damaged, or it is of a later format.
    """
    from pydantic import TypeAdapter, ValidationError

    file = path / CARD if path.is_dir() else path
    try:
        content = json.loads(read_bytes(file))
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file; the folder that a training wrote holds one") from None
    except (ValueError, RecursionError, OSError) as error:
        raise DataError(f"{file}: cannot be read as a card ({getattr(error, 'strerror', None) or error})") from None
    if isinstance(content, dict) and content.get("format") not in (None, FORMAT):
        raise DataError(
            f"{file}: a card of format {content['format']!r:.20}, this version reads {FORMAT}; use the tunebench "
            "version that wrote it"
        )
    try:
        return TypeAdapter(Card).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the card"
        raise DataError(f"{file}: {place}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
