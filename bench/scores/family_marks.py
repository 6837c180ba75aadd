"""Marks on scores of models that were conditioned or trained by the same family."""

from __future__ import annotations

from collections.abc import Collection

from bench.contracts.family import Lineage
from bench.contracts.notice import Notice


def family_marks(model: str, lineage: Lineage, families: Collection[str]) -> tuple[Notice, ...]:
    """Return the warning for a score whose families conditioned or trained its model; empty if none are shared.

    Args:
        model: the row's name.
        lineage: what the model is derived from.
        families: what the metric is derived from; if unknown, nothing is marked.
    """
    conditioned, trained = (
        [name for name in own if name in families] for own in (lineage.conditioned_on, lineage.trained_with)
    )
    if not conditioned and not trained:
        return ()
    return (Notice("W-FAMILY", {"model": model, "conditioned_on": conditioned, "trained_with": trained}),)
