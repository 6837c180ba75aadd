"""Designs of listening surveys in which not every listener hears every model on every prompt."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Design = Literal["complete", "most", "third", "latin square", "between listeners"]
DESIGNS: tuple[Design, ...] = get_args(Design)

_FILLED = {"most": 0.8, "third": 1 / 3}


def heard(design: Design, rng: np.random.Generator, models: int, listeners: int, prompts: int) -> Mask:
    """Draw which cells of a survey hold a rating.

    "complete": every listener rates every model on every prompt. "most" and "third": each rating is there with
    probability .8 or 1/3, whatever the others are. "latin square": every listener hears every prompt from one model,
    the models by turns along listeners and prompts. "between listeners": every listener hears one model on all prompts,
    the models by turns.

    Args:
        design: its name.
        rng: draws the random ones.
        models, listeners, prompts: how many.

    Returns:
        Shape (models, listeners, prompts).

    Raises:
        ValueError: there is no such design.
    """
    shape = (models, listeners, prompts)
    if design == "complete":
        return np.ones(shape, dtype=bool)
    if design in _FILLED:
        return rng.random(shape) < _FILLED[design]
    turns = np.arange(listeners)[:, None] + np.zeros(prompts, dtype=np.intp)
    if design == "latin square":
        turns = turns + np.arange(prompts)
    elif design != "between listeners":
        raise ValueError(f"unknown design '{design}'; known: {', '.join(DESIGNS)}")
    mask: Mask = turns % models == np.arange(models)[:, None, None]
    return mask
