"""What was chosen after a training, such as the strength of an adapter, and by which prompts: a line in its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.contracts.prompt import PromptSuite
from bench.paths import StrPath
from models.card import ScoredOn, read_card
from models.training.weights import write_card


def record_choice(adapter: StrPath, suite: PromptSuite, what: str) -> None:
    """Write into a card that a step, a strength, guidance or anything else was chosen by scores on these prompts.

    A run that asks for one of them from the model marks all its rows (``W-TUNED``). Earlier entries stay.

    Args:
        adapter: the folder of an adapter or checkpoint that was trained here, or its ``card.json``.
        suite: with the prompts that were scored.
        what: how it was chosen, such as ``chosen by sweep``.

    Raises:
        UsageError: there is no card.
        DataError: the card is damaged.
        OSError: it cannot be written.
    """
    path = Path(adapter).expanduser()
    folder = path if path.is_dir() else path.parent
    card, scored = read_card(path), ScoredOn.of(suite, suite.prompts, what)
    if scored not in (before := card.scored_on or []):
        write_card(folder, replace(card, scored_on=[*before, scored]))
