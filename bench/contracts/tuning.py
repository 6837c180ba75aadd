"""Prompts that a model has seen before a run: those it was scored on while tuned or chosen, and captions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tuning:
    """Known texts that a model was tuned with; a text is identified by `bench.contracts.prompt.text_hash`.

    Attributes:
        scored: by text, the suite it comes from, such as ``genres@1``: prompts that the model was scored on while it
            was trained, or while its checkpoint, guidance or strength was chosen.
        captions: texts that it was trained on.
        unknown: names of parts, such as adapters, without such records.
    """

    scored: Mapping[str, str] = field(default_factory=dict)
    captions: Collection[str] = frozenset()
    unknown: tuple[str, ...] = ()
