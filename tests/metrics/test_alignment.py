from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import Audio, DecodedClip, Prompt
from bench.contracts.embedder import Embedder, EmbedderRef, Vectors
from bench.errors import DataError, Undefined, UsageError
from metrics.alignment import ClapScore, clap_score

DIRECTIONS = arrays(np.float64, (4, 3), elements=st.floats(-10, 10)).filter(lambda a: np.linalg.norm(a.sum(0)) > 0.1)


class Levels(Embedder):
    """Embeds each second as (its mean, 1) and a text as (how many words it has, 1); counts what it was asked."""

    dimension = 2

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, audio: Audio) -> Vectors:
        if not audio.peak:
            raise Undefined("silent")
        seconds = [audio.samples[0, i : i + audio.rate].mean() for i in range(0, audio.frames, audio.rate)]
        return np.array([(mean, 1) for mean in seconds], dtype=np.float32)

    def weights(self, audio: Audio) -> Vectors:
        starts = np.arange(0, audio.frames, audio.rate)
        return (np.minimum(audio.frames - starts, audio.rate) / audio.rate).astype(np.float32)

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return np.array([(len(text.split()), 1) for text in texts], dtype=np.float32)


def clip(samples: np.ndarray, text: str, embedder: Embedder) -> DecodedClip:
    def only(_: EmbedderRef) -> Embedder:
        return embedder

    return DecodedClip(Audio(samples.astype(np.float32), 100), Prompt("p", text, "jazz"), embedders=only)


def test_windows_count_by_how_much_of_them_is_audio() -> None:
    samples = np.concatenate([np.full(100, 3.0), np.full(100, 1.0), np.full(50, -2.0)])
    score = ClapScore("any").score(clip(samples, "two words", Levels()))
    mean = np.array([(3 + 1 - 0.5 * 2) / 2.5, 1])
    assert score.value == pytest.approx(mean @ [2, 1] / np.linalg.norm(mean) / np.sqrt(5), abs=1e-6)
    assert score.details == {"windows": 3}


def test_a_prompt_is_read_once_for_all_its_clips() -> None:
    embedder, metric = Levels(), ClapScore("any")
    for level in (0.1, 0.2, 0.3):
        metric.score(clip(np.full(100, level), "one", embedder))
    metric.score(clip(np.full(100, 0.5), "two words", embedder))
    assert embedder.texts == ["one", "two words"]


def test_the_checkpoint_reaches_the_embedder() -> None:
    (ref,) = ClapScore("laion/larger_clap_music", embedder_params={"revision": "main"}).embedders
    assert ref == EmbedderRef("clap", {"checkpoint": "laion/larger_clap_music", "revision": "main"})
    (ref,) = ClapScore("music.pt", embedder="clap-laion").embedders
    assert ref == EmbedderRef("clap-laion", {"checkpoint": "music.pt"})


def test_what_cannot_be_scored_says_why() -> None:
    with pytest.raises(Undefined, match="silent"):
        ClapScore("any").score(clip(np.zeros(100), "one", Levels()))
    with pytest.raises(UsageError, match=r"'percent'.*cosine.*unit"):
        ClapScore("any", presentation="percent")  # type: ignore[arg-type]


@given(windows=DIRECTIONS, text=DIRECTIONS, scale=st.floats(0.01, 100), seed=st.integers(0, 9))
def test_only_directions_count_and_not_the_order_of_windows(
    windows: np.ndarray, text: np.ndarray, scale: float, seed: int
) -> None:
    words, weights = text.sum(axis=0), np.array([1, 1, 1, 0.5])
    if np.linalg.norm(weights @ windows) < 0.1:
        return
    value = clap_score(windows, weights, words)
    assert -1 <= value <= 1
    order = np.random.default_rng(seed).permutation(4)
    assert clap_score(scale * windows[order], weights[order], 3 * words) == pytest.approx(value, abs=1e-9)
    assert clap_score(windows, weights, -words) == pytest.approx(-value, abs=1e-9)
    assert clap_score(windows, weights, words, "unit") == pytest.approx((value + 1) / 2, abs=1e-12)


def test_a_difference_as_published_on_the_unit_scale_is_twice_as_large_as_a_cosine() -> None:
    windows = [[1.0, 0.0]]
    low, high = ([np.cos(a), np.sin(a)] for a in (1.3, 1.1))
    unit = clap_score(windows, [1], high, "unit") - clap_score(windows, [1], low, "unit")
    assert clap_score(windows, [1], high) - clap_score(windows, [1], low) == pytest.approx(2 * unit)


@pytest.mark.parametrize(
    ("windows", "weights", "text"),
    [
        ([[1, 0], [-1, 0]], [1, 1], [1, 0]),
        ([[1, 0]], [1], [0, 0]),
        ([[np.nan, 0]], [1], [1, 0]),
        ([[1, 0]], [1, 1], [1, 0]),
        ([[1, 0]], [1], [1, 0, 0]),
        (np.zeros((0, 2)), [], [1, 0]),
    ],
)
def test_no_number_without_directions(windows: Any, weights: Any, text: Any) -> None:
    with pytest.raises(DataError):
        clap_score(windows, weights, text)
