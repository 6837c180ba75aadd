"""``python tests/benchmarks/nano_choice.py [TRAINED]``: how guidance and strength of the nano models were chosen.

TRAINED is the folder of an adapter or of a fully tuned checkpoint; without it, the base is measured.

By KAD on mel-statistics, an embedder that learned nothing, against music in the half of the repertoire that was trained
on, on the prompts of genres-dev@1. Nothing that judges in the end takes part, and no prompt, seed or reference of the
measurement.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio
from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.prompt_suite import load_suite_named
from metrics.kernel import kernel_audio_distance
from models.audioldm import AudioLDM
from models.composer import Composer
from models.nano.make import HELD_OUT
from models.nano.music import works

PIECES = 30  # that are compared with
SEEDS = (1000, 1001, 1002, 1003)
SECONDS = 10.0
GUIDANCES = (3.0, 4.5, 6.0, 8.0, 11.0, 15.0)
SUITE = "genres-dev@1"

Array = npt.NDArray[Any]


def distance(model: MusicModel) -> float:
    """KAD between what a model makes of the genre's development prompts and music of the genre."""
    prompts = [prompt for prompt in load_suite_named(SUITE).prompts if prompt.genre == HELD_OUT]
    clips = model.generate([GenerationRequest(prompt, seed, SECONDS) for prompt in prompts for seed in SEEDS])
    (x, groups), (y, others) = embedded([clip for clip in clips if isinstance(clip, Audio)]), music()
    return kernel_audio_distance(x, y, "reference", groups, others)


@cache
def music() -> tuple[Array, Array]:
    """Pieces of the genre that nothing was trained on, as `embedded`."""
    pieces = works((HELD_OUT,), PIECES, "nano choice")
    played = Composer("training").generate([GenerationRequest(p.prompt, p.seed, SECONDS) for p in pieces])
    return embedded(played)


def embedded(clips: Sequence[Audio]) -> tuple[Array, Array]:
    """Windows of all clips, and the clip that each is of."""
    embedder = load_embedder(EmbedderRef("mel-statistics"))
    windows = [embedder.embed(clip) for clip in clips]
    return np.concatenate(windows), np.repeat(np.arange(len(windows)), [len(own) for own in windows])


def main() -> None:
    tuned: dict[str, Any] = {}
    if len(sys.argv) > 1:
        given = Path(sys.argv[1])
        tuned = {"adapter": str(given)} if (given / "adapter_config.json").is_file() else {"checkpoint": str(given)}
    strengths = (0.75, 1.0, 1.25) if "adapter" in tuned else (1.0,)
    print(f"{'guidance':>8} {'strength':>8} {HELD_OUT:>8}   (KAD on mel-statistics)")
    for guidance, strength in product(GUIDANCES, strengths):
        params: dict[str, Any] = {"checkpoint": "audioldm-nano", "guidance": guidance, **tuned}
        if "adapter" in tuned:
            params["adapter_scale"] = strength
        model = AudioLDM(**params, steps=14, device="cpu")
        print(f"{guidance:8g} {strength:8g} {distance(model):8.2f}", flush=True)


if __name__ == "__main__":
    main()
