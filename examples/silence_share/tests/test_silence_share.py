"""Closed forms: half a clip of silence is 50 %."""

import numpy as np
import pytest
from silence_share import SilenceShare

from bench import Audio, DecodedClip, Prompt


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_it_is_the_share_that_is_silent(share: float) -> None:
    samples = np.full(16_000, 0.5, dtype=np.float32)
    samples[: round(share * 16_000)] = 0
    clip = DecodedClip(Audio(samples[None], 16_000), Prompt("p", "jazz"))
    assert SilenceShare().score(clip).value == pytest.approx(100 * share)
