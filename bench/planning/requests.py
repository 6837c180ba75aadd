"""The clips of a row of the leaderboard: every prompt with every seed, or those that a model has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.prompt import Prompt
from bench.errors import TunebenchError, UsageError


def available_seeds(model: MusicModel, prompts: Sequence[Prompt], row: str) -> Mapping[str, Collection[int]] | None:
    """Return the checked result of `bench.MusicModel.available`: seeds by prompt id, or None for any clip.

    Args:
        model: an instance.
        prompts: prompts of the suite.
        row: label of the model for errors.

    Raises:
        UsageError: the method raises, or does not return integers from 0 to 2⁶³ − 1 by prompt id.
        DataError: raised by the method, such as for a manifest with a mistake.
    """
    try:
        found = model.available(prompts)
        seeds = None if found is None else {id: sorted(set(own)) for id, own in dict(found).items()}
    except TunebenchError:
        raise
    except Exception as error:
        raise UsageError(f"model '{row}': its available() fails with {type(error).__name__}: {error}") from error
    ids = {prompt.id for prompt in prompts}
    for id, own in (seeds or {}).items():
        if id not in ids:
            raise UsageError(f"model '{row}': its available() names {id!r:.80}, which is not a prompt of the suite")
        for seed in own:
            if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
                raise UsageError(f"model '{row}': its available() gives {seed!r:.80} as a seed of '{id}'")
    return seeds


def plan_requests(
    prompts: Sequence[Prompt],
    seeds: Sequence[int] | Literal["auto"],
    available: Mapping[str, Collection[int]] | None,
    duration: float,
) -> list[GenerationRequest]:
    """Return the requests of one row, by prompt and then by seed.

    Args:
        prompts: prompts of the suite.
        seeds: seeds for every prompt. ``auto`` uses the available clips; a prompt without any is requested
            with seed 0, so that it counts as one missing clip. A model that makes any clip gets seed 0.
        available: result of `available_seeds`.
        duration: length of each clip in seconds.
    """

    def asked(prompt: Prompt) -> Collection[int]:
        if not isinstance(seeds, str):
            return seeds
        return (available or {}).get(prompt.id) or (0,)

    return [GenerationRequest(prompt, seed, duration) for prompt in prompts for seed in asked(prompt)]
