"""Warnings for rows whose prompts are not new to them: used for tuning, training or choosing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.contracts.identity import only_set
from bench.contracts.model import MusicModel
from bench.contracts.notice import Notice
from bench.contracts.prompt import PromptSuite, text_hash
from bench.contracts.tuning import Tuning
from bench.errors import UsageError

if TYPE_CHECKING:  # workers need plans, not configurations
    from bench.config.run_config import ModelConfig

_OF_SWEEP = re.compile(r"(.+)\[[^\[\]]*=[^\[\]]*\]")  # as `bench.config.sweep.suffix` labels its rows


def model_tuning(model: MusicModel, row: str) -> Tuning:
    """Return the declared tuning of a model.

    Raises:
        UsageError: it returns another type.
    """
    found = model.tuning()
    if not isinstance(found, Tuning | None):
        raise UsageError(f"model '{row}': its tuning() gives {found!r:.60}, which is not a bench.Tuning")
    return found or Tuning()


def tuning_notices(tuning: Tuning, suite: PromptSuite) -> list[Notice]:
    """Return the warnings for a model that was scored on prompts of the run, or trained on their texts.

    Args:
        tuning: declared by the model.
        suite: suite with the prompts of the run.
    """
    texts = [text_hash(prompt.text) for prompt in suite.prompts]
    scored, captions = [t for t in texts if t in tuning.scored], [t for t in texts if t in tuning.captions]
    found = []
    if scored:
        suites = sorted({tuning.scored[text] for text in scored})
        found.append(Notice("W-TUNED", {"prompts": len(scored), "of": len(texts), "suites": suites}))
    if captions:
        found.append(Notice("W-CAPTIONS", {"prompts": len(captions), "of": len(texts)}))
    return found


def sweep_notices(entry: ModelConfig, entries: Sequence[ModelConfig], suite: PromptSuite) -> list[Notice]:
    """Return the warning for a row of a sweep on test prompts: the best row is chosen on them.

    Args:
        entry: the row.
        entries: all rows of the run.
        suite: suite with the prompts of the run.
    """
    test = sum(suite.splits.get(prompt.id) == "test" for prompt in suite.prompts)
    own = _swept(entry)
    rows = sum(_swept(other) == own for other in entries)
    if own is None or rows < 2 or not test:
        return []
    return [Notice("W-SWEEP", {"settings": rows, "prompts": test, "of": len(suite.prompts), "suite": suite.ref})]


def tuning_record(tuning: Tuning) -> Mapping[str, Any]:
    """Return the record stored besides warnings: the suites, and parts without records."""
    return only_set({"suites": sorted(set(tuning.scored.values())), "unknown": list(tuning.unknown)})


def _swept(entry: ModelConfig) -> tuple[str, str] | None:
    """Return the model, and the common label of its sweep's rows; None if the row is not from a sweep."""
    found = _OF_SWEEP.fullmatch(entry.row)
    return (entry.name, found[1]) if found else None
