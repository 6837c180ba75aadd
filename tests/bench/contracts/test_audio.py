"""Reading and writing sound: what comes back is what went in, and bad files say what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from bench import Audio, DataError, Note, Notes, read_audio
from bench.contracts.audio import as_stored, content_hash, write_flac


def _noise(channels: int = 2, frames: int = 1000, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_flac_keeps_24_bits(tmp_path: Path, rate: int, channels: int) -> None:
    audio = Audio(_noise(channels), rate)
    gain = write_flac(tmp_path / "a.flac", audio)
    back = read_audio(tmp_path / "a.flac")
    assert gain == 1
    assert (back.rate, back.channels, back.frames) == (rate, channels, 1000)
    assert np.abs(back.samples - audio.samples).max() <= 2**-23
    assert soundfile.info(tmp_path / "a.flac").subtype == "PCM_24"


def test_audio_louder_than_full_scale_is_scaled_and_the_gain_returned(tmp_path: Path) -> None:
    audio = Audio(np.float32(4) * _noise(), 8000)
    gain = write_flac(tmp_path / "a.flac", audio)
    assert gain == pytest.approx(1 / audio.peak)
    back = read_audio(tmp_path / "a.flac")
    assert np.abs(back.samples - audio.samples * gain).max() <= 2**-22


def test_writing_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_flac(tmp_path / "deep" / "a.flac", Audio(_noise(), 8000))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.flac"]


@given(st.integers(0, 2**32 - 1), st.sampled_from([8000, 44_100]))
def test_content_hash_names_the_sound(seed: int, rate: int) -> None:
    samples = _noise(frames=50, seed=seed)
    same = content_hash(Audio(samples.copy(), rate))
    assert content_hash(Audio(samples, rate)) == same
    assert content_hash(Audio(samples, rate + 1)) != same
    assert content_hash(Audio(samples[:, ::-1], rate)) != same
    assert content_hash(Audio(samples[:1], rate)) != same


def test_mono_is_the_mean_of_the_channels_and_resampling_keeps_a_tone() -> None:
    t = np.arange(44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)
    audio = Audio(np.stack([tone, np.zeros_like(tone)]), 44_100)
    assert np.allclose(audio.mono(), tone / 2)
    low = audio.mono(16_000)
    assert len(low) == 16_000
    spectrum = np.abs(np.fft.rfft(low * np.hanning(len(low))))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def _correlation(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_channels_that_cancel_each_other_are_still_heard() -> None:
    left = _noise(1, 8000)[0]
    noise = np.float32(1e-3) * _noise(1, 8000, seed=1)[0]  # what a lossy codec leaves of the difference
    for right in (-left, noise - left, np.float32(-0.97) * left):
        mono = Audio(np.stack([left, right]), 8000).mono()
        assert np.array_equal(mono, left)
    quiet = Audio(np.stack([np.float32(0.9) * left, -left, np.zeros_like(left)]), 8000)
    assert np.array_equal(quiet.mono(), -left)
    assert _correlation(Audio(np.stack([left, -left]), 8000).mono(4000), Audio(left, 8000).mono(4000)) > 0.999


@given(st.floats(-0.9, 1.0), st.integers(0, 100))
def test_other_channels_are_mixed_as_their_mean(share: float, seed: int) -> None:
    samples = np.stack([_noise(1, 500, seed)[0], _noise(1, 500, seed + 1)[0]])
    samples[1] = share * samples[0] + 0.3 * samples[1]
    assert np.allclose(Audio(samples, 8000).mono(), samples.mean(axis=0), atol=1e-7)


def test_cropping_keeps_the_notes_that_are_heard() -> None:
    notes = Notes((Note(0.0, 1.0, 60), Note(1.5, 1.0, 62)))
    cropped = Audio(_noise(frames=16_000), 8000, notes).cropped(1.0)
    assert cropped.frames == 8000
    assert cropped.notes is not None
    assert [note.pitch for note in cropped.notes.events] == [60]
    assert Audio(_noise(frames=100), 8000).cropped(5).frames == 100


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((9, 10)), 8000, "1 to 8"),
        (np.zeros((1, 2, 3)), 8000, "must be"),
        (np.zeros((1, 10)), 0, "rate is 0"),
        (np.array([[0.0, np.nan, np.inf]]), 8000, "2 samples"),
    ],
)
def test_impossible_audio_is_refused(samples: np.ndarray, rate: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Audio(samples, rate)


class TestBadFiles:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"none\.wav"):
            read_audio(tmp_path / "none.wav")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").touch()
        with pytest.raises(DataError, match="is empty"):
            read_audio(tmp_path / "a.wav")

    def test_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_text("this is no audio")
        with pytest.raises(DataError, match=r"a\.wav: .*decoded"):
            read_audio(tmp_path / "a.wav")

    def test_without_frames(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.zeros((0, 1)), 8000)
        with pytest.raises(DataError, match="frames"):
            read_audio(tmp_path / "a.wav")

    @pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg"])
    def test_truncated(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"a.{kind}"
        soundfile.write(path, _noise(1, 80_000)[0], 8000)
        assert read_audio(path).frames == pytest.approx(80_000, abs=3000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match=r"truncated|decoded"):
            read_audio(path)

    def test_stream_header_of_unknown_length_is_no_truncation(self, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        soundfile.write(path, _noise(1, 800)[0], 8000)
        content = bytearray(path.read_bytes())
        content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
        path.write_bytes(content)
        assert read_audio(path).frames == 800

    def test_not_finite(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.array([0.0, np.nan, 0.5]), 8000, subtype="FLOAT")
        with pytest.raises(DataError, match=r"a\.wav: .*\b1 samples"):
            read_audio(tmp_path / "a.wav")

    def test_one_sample(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "a.wav", np.array([0.5]), 8000)
        assert read_audio(tmp_path / "a.wav").frames == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-7, 0.5, 1.0, 3.0]))
def test_what_is_stored_is_known_before_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, seed: int, level: float
) -> None:
    noise = np.random.default_rng(seed).uniform(-level, level, (2, 64)).astype(np.float32)
    noise[:, :6] = [[1, -1, 0.5 / 2**23, 1.5 / 2**23, -1e-9, -0.0]] * 2
    path = tmp_path_factory.mktemp("stored") / "a.flac"
    stored, gain = as_stored(Audio(noise, 8000))
    assert write_flac(path, Audio(noise, 8000), "a comment, é") == gain
    assert content_hash(read_audio(path)) == content_hash(stored)
    soundfile.write(path, noise.T * np.float32(gain), 8000, subtype="PCM_24")  # libsndfile's own rounding
    assert content_hash(read_audio(path)) == content_hash(stored)
