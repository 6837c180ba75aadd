"""Chromaprint's compressed form, and what a fingerprint does not depend on."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import Audio, DataError
from bench.contracts.sound_fingerprint import STEP, decoded, sound_fingerprint, sound_fingerprints


def packed(values: list[int], width: int) -> list[int]:
    """Numbers of a few bits each, the first in the lowest bits, as bytes."""
    total = sum(value << (width * place) for place, value in enumerate(values))
    return [total >> (8 * place) & 255 for place in range(-(-width * len(values) // 8))]


def compressed(numbers: list[int]) -> str:
    """The format as chromaprint describes it, written bit by bit."""
    threes, fives, before = [], [], 0
    for number in numbers:
        last = 0
        for place in range(1, 33):
            if (number ^ before) >> (place - 1) & 1:
                threes.append(min(place - last, 7))
                fives += [place - last - 7] if place - last >= 7 else []
                last = place
        threes.append(0)
        before = number
    raw = bytes([1, *len(numbers).to_bytes(3, "big"), *packed(threes, 3), *packed(fives, 5)])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [  # those of chromaprint's own tests
        ([0, 0, 0, 1, 1], [1]),
        ([0, 0, 0, 1, 73, 0], [7]),
        ([0, 0, 0, 1, 7, 0], [1 << 6]),
        ([0, 0, 0, 1, 7, 2], [1 << 8]),
        ([0, 0, 0, 2, 65, 0], [1, 0]),
        ([0, 0, 0, 2, 1, 0], [1, 1]),
    ],
)
def test_published_examples(raw: list[int], numbers: list[int]) -> None:
    assert decoded(base64.urlsafe_b64encode(bytes(raw)).decode()).tolist() == numbers


@given(st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_numbers_come_out_as_they_went_in(numbers: list[int]) -> None:
    assert decoded(compressed(numbers)).tolist() == numbers


@pytest.mark.parametrize("text", ["", "AQ", "AQAABQ", "AQAAAf__", "é", compressed([1 << 31] * 9)[:-8]])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        decoded(text)


def tune(seconds: float, rate: int = 22_050) -> Audio:
    rng = np.random.default_rng(1)
    time = np.arange(round(seconds * rate)) / rate
    pitch = 220 * 2 ** (rng.integers(0, 24, 200)[(time / 0.4).astype(int)] / 12)
    wave = sum(np.sin(2 * np.pi * np.cumsum(pitch * h) / rate) / h for h in (1, 2, 3))
    return Audio((0.2 * wave).astype(np.float32), rate)


def test_level_changes_nothing_and_length_is_as_said() -> None:
    audio = tune(12)
    prints = sound_fingerprint(audio)
    assert len(prints) == pytest.approx(12 / STEP - 20, abs=4)
    assert sound_fingerprint(Audio(audio.samples * 1e-3, audio.rate)).tolist() == prints.tolist()
    one, later = sound_fingerprints(audio)
    assert one.tolist() == prints.tolist() != later.tolist()


def test_silence_and_moments_have_none() -> None:
    assert len(sound_fingerprint(Audio(np.zeros(22_050 * 5, np.float32), 22_050))) == 0
    assert len(sound_fingerprint(tune(0.5))) == 0
