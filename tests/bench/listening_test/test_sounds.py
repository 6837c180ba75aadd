"""What is given to listeners: alike in all but the music."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from pyloudnorm import Meter

from bench.contracts.audio import Audio
from bench.listening_test.check_sounds import beeps, headphone_order, headphone_tones
from bench.listening_test.sounds import RATE, as_mp3, prepared, spoiled


def noise(seconds: float, rate: int, channels: int = 1, level: float = 0.1, seed: int = 0) -> Audio:
    shape = channels, round(seconds * rate)
    return Audio((level * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32), rate)


def tone(seconds: float, rate: int, hertz: float = 440, level: float = 0.5) -> Audio:
    return Audio((level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate)


CLIPS = {"a": tone(3, 16_000), "b": noise(2.5, 44_100, 2), "c": noise(3, 48_000, 1, 0.001, 1)}


def test_all_have_one_rate_length_loudness_and_size() -> None:
    found = prepared(CLIPS, 10, matched=False)
    assert {(sound.rate, sound.channels, sound.frames) for sound in found.values()} == {(RATE, 2, 3 * RATE)}
    levels = {name: Meter(RATE).integrated_loudness(sound.samples.T) for name, sound in found.items()}
    assert max(levels.values()) - min(levels.values()) < 0.5 and max(s.peak for s in found.values()) <= 1
    files = {name: as_mp3(sound) for name, sound in found.items()}
    assert len({len(content) for content in files.values()}) == 1
    assert len({content[:4] for content in files.values()}) == 1 and not any(b"ID3" in c[:3] for c in files.values())


def test_mp3_holds_the_sound() -> None:
    sound = prepared(CLIPS, 10, matched=False)["a"]
    samples, rate = soundfile.read(io.BytesIO(as_mp3(sound)), dtype="float32")
    spectrum = np.abs(np.fft.rfft(samples[RATE : 2 * RATE, 0]))
    assert rate == RATE and abs(len(samples) - sound.frames) < 3000 and int(spectrum.argmax()) == 440


def test_sounds_are_cut_and_faded() -> None:
    found = prepared(CLIPS, 2, matched=False)["b"]
    assert found.duration == 2
    ends = np.abs(found.samples)
    assert ends[:, 0].max() == 0 and ends[:, -1].max() < 1e-3 * ends.max()


def test_matched_sounds_end_together_and_have_one_bandwidth() -> None:
    found = prepared(CLIPS, 10, matched=True)
    assert {sound.frames for sound in found.values()} == {round(2.5 * RATE)}
    for sound in found.values():
        power = np.abs(np.fft.rfft(sound.samples[0])) ** 2
        hertz = np.fft.rfftfreq(sound.frames, 1 / RATE)
        assert power[hertz > 8300].sum() < 1e-5 * power.sum()


def test_unmatched_sounds_keep_their_bandwidth() -> None:
    sound = prepared(CLIPS, 10, matched=False)["b"]
    power = np.abs(np.fft.rfft(sound.samples[0])) ** 2
    assert power[np.fft.rfftfreq(sound.frames, 1 / RATE) > 12_000].sum() > 0.2 * power.sum()


def test_a_spoiled_copy_is_as_long_and_ends_at_the_anchor() -> None:
    clip = tone(3, 32_000)
    found = spoiled(clip, 4)
    assert found.rate == clip.rate and found.samples.shape == clip.samples.shape
    power = np.abs(np.fft.rfft(found.samples[0])) ** 2
    hertz = np.fft.rfftfreq(found.frames, 1 / found.rate)
    assert power[hertz > 3700].sum() < 1e-4 * power.sum()
    in_tone = power[np.abs(hertz - 440) < 20].sum() / power.sum()
    assert 0.5 < in_tone < 0.95  # the rest is noise and the edges of the pieces
    assert np.array_equal(spoiled(clip, 4).samples, found.samples) and not np.array_equal(
        spoiled(clip, 5).samples, found.samples
    )


@pytest.mark.parametrize("count", [2, 3, 5])
def test_beeps_can_be_counted(count: int) -> None:
    loud = np.abs(beeps(count).samples[0]) > 0.02
    edges = np.flatnonzero(np.diff(loud.astype(int)) == 1)
    assert (np.diff(edges) > 0.2 * RATE).sum() + 1 == count


@pytest.mark.parametrize("quietest", [0, 1, 2])
def test_on_loudspeakers_another_tone_seems_the_quietest(quietest: int) -> None:
    sound = headphone_tones(quietest).samples
    parts = [sound[:, round(1.5 * place * RATE) :][:, round(0.2 * RATE) : round(0.8 * RATE)] for place in range(3)]
    at_the_ears = [float(np.sqrt((part**2).mean())) for part in parts]
    in_the_room = [float(np.sqrt((part.mean(axis=0) ** 2).mean())) for part in parts]
    assert at_the_ears.index(min(at_the_ears)) == quietest
    assert min(at_the_ears) / max(at_the_ears) == pytest.approx(10 ** (-6 / 20), rel=1e-3)
    assert in_the_room.index(min(in_the_room)) == (quietest + 1) % 3 and min(in_the_room) < 1e-6


def test_each_place_is_the_quietest_twice() -> None:
    assert sorted(headphone_order(3)) == [0, 0, 1, 1, 2, 2] and headphone_order(3) == headphone_order(3)
