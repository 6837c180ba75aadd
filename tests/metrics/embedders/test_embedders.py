"""What all embedders share: loudness and fixed windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import Audio
from bench.contracts.embedder import EmbedderRef, load_embedder
from bench.contracts.plugins import installed
from bench.errors import MissingError, Undefined, UsageError
from metrics.embedders.loudness import TARGET, levelled
from metrics.embedders.windows import cut, network_input, shares
from metrics.networks.checkpoint import required

RATE = 48_000


def sine(frequency: float, seconds: float, amplitude: float = 1.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def test_a_sine_of_997_hz_comes_out_at_the_level_that_the_standard_states() -> None:
    # BS.1770-4: 997 Hz at 0 dB of full scale in one channel reads −3.01 LKFS; meters are allowed 0.1 dB.
    amplitude = 10 ** ((TARGET + 3.01) / 20)
    assert np.abs(levelled(sine(997, 5), RATE)).max() == pytest.approx(amplitude, rel=0.01)


def test_pauses_do_not_count() -> None:
    music = sine(997, 4)
    with_pauses = np.concatenate([music, np.zeros(10 * RATE, dtype=np.float32), music])
    # Only the few blocks across the edges of the pause are quieter.
    assert np.abs(levelled(with_pauses, RATE)).max() == pytest.approx(np.abs(levelled(music, RATE)).max(), rel=0.05)


@given(gain=st.floats(-50, 50), pause=st.floats(0, 3), seed=st.integers(0, 100))
def test_the_level_it_comes_at_does_not_matter(gain: float, pause: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # A second that lies 60 dB lower is above the gate of a loud copy and below that of a quiet one.
    samples = np.concatenate(
        [rng.standard_normal(8_000), np.zeros(round(8_000 * pause)), 1e-3 * rng.standard_normal(8_000)]
    ).astype(np.float32)
    louder = samples * np.float32(10 ** (gain / 20))
    np.testing.assert_allclose(levelled(louder, 8_000), levelled(samples, 8_000), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(RATE, dtype=np.float32), "silent"),
        (np.full(RATE, 9e-5, dtype=np.float32), "silent"),
        (np.zeros(0, dtype=np.float32), "silent"),
        (sine(440, 0.3), r"0\.30 s of audio, needs 0\.4 s"),
        (sine(440, 1, 1e7), "not audio"),
        (sine(0.01, 30), "nothing audible"),
    ],
)
def test_what_has_no_loudness_says_why(samples: np.ndarray, reason: str) -> None:
    with pytest.raises(Undefined, match=reason):
        levelled(samples, RATE)


@given(duration=st.floats(0.01, 500), window=st.floats(0.5, 20))
def test_shares_add_up_to_the_audio(duration: float, window: float) -> None:
    parts = shares(duration, window)
    assert (parts[:-1] == 1).all()
    assert 0 < parts[-1] <= 1
    assert float(parts.sum(dtype=np.float64)) * window == pytest.approx(duration, abs=0.0101 * window, rel=1e-6)


def test_a_sample_that_resampling_leaves_over_makes_no_window() -> None:
    assert shares(20 + 1 / RATE, 10).tolist() == [1, 1]
    assert shares(20.5, 10) == pytest.approx([1, 1, 0.05])


@given(length=st.integers(1, 50), frames=st.integers(0, 200), count=st.integers(1, 6))
def test_windows_are_the_audio_in_order_followed_by_zeros(length: int, frames: int, count: int) -> None:
    samples = np.arange(1, frames + 1, dtype=np.float32)
    windows = cut(samples, length, count)
    assert windows.shape == (count, length)
    used = min(frames, count * length)
    np.testing.assert_array_equal(windows.ravel()[:used], samples[:used])
    assert not windows.ravel()[used:].any()


@given(frames=st.integers(4_000, 40_000), rate=st.sampled_from([8_000, 11_025, 22_050, 44_100]))
def test_what_is_heard_is_as_long_as_the_audio(frames: int, rate: int) -> None:
    audio = Audio(sine(300, frames / rate, 0.5, rate)[:frames], rate)
    if audio.duration >= 0.41:
        assert len(network_input(audio, 16_000)) == round(audio.duration * 16_000)


def test_the_embedders_are_found_by_name_and_load_nothing_until_used() -> None:
    assert set(installed("embedder")) >= {"musicnn-msd", "musicnn-mtt", "clap", "clap-laion", "vggish", "pann"}
    for name in ("clap", "clap-laion", "vggish", "pann"):
        load_embedder(EmbedderRef(name, {"checkpoint": "/no/such/file"}))
    with pytest.raises(UsageError, match="'checkpoint'"):
        load_embedder(EmbedderRef("clap"))


def test_what_is_not_installed_is_named_with_its_command() -> None:
    with pytest.raises(MissingError, match=r"no_such_network .*pip install 'tunebench\[laion\]'"):
        required("no_such_network", "laion")


@pytest.mark.parametrize("name", ["musicnn-msd", "musicnn-mtt", "vggish", "pann"])
def test_embedders_without_a_text_side_say_so(name: str) -> None:
    with pytest.raises(UsageError, match=f"(?i){name.replace('-', '')}"):
        load_embedder(EmbedderRef(name)).embed_text(["slow jazz"])
