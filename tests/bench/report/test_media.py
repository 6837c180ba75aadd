"""What a report plays and shows, measured again from the files that were written."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.audio import Audio, Samples, content_hash, read_audio, write_flac
from bench.errors import DataError, UsageError
from bench.progress import Silent
from bench.report.audio_encoding import encoded, playable
from bench.report.context import ClipMedia
from bench.report.loudness import CEILING, LOWEST, TARGET, Loudness, gain, measure, target
from bench.report.media import prepare
from bench.report.spectrogram import HIGHEST, RANGE, band_weights, mel_spectrogram, picture
from bench.report.spectrogram import LOWEST as LOWEST_HERTZ
from bench.report.waveform import outline
from bench.storage.store import StoredClip

CEILING_SAMPLE = 10 ** (CEILING / 20)


def plucks(seed: int, rate: int = 44_100, channels: int = 2, seconds: float = 2.0) -> Samples:
    """Decaying tones with a little noise, the same for one seed at any rate; peak 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    decay = np.exp(-8 * (time % 0.25))
    tones = [np.sin(2 * np.pi * f * time + c) for f in rng.uniform(100, 3000, 4) for c in range(channels)]
    sound = np.reshape(tones, (4, channels, -1)).sum(axis=0) * decay
    sound += 0.01 * np.random.default_rng(seed).normal(size=sound.shape)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def sine(amplitude: float, hertz: float = 997, seconds: float = 3, rate: int = 48_000) -> Samples:
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return np.stack([wave, wave]).astype(np.float32)


def store(run: Path, name: str, samples: Samples, rate: int = 44_100, prompt: str = "p") -> StoredClip:
    """A clip of a run, as a runner stores it."""
    id = hashlib.sha256(name.encode()).hexdigest()
    path = f"audio/model/{id[:16]}.flac"
    write_flac(run / path, Audio(samples, rate))
    audio = read_audio(run / path)
    return StoredClip(id, "model", prompt, 0, path, content_hash(audio), audio.duration, None)


def media(made: dict[str, ClipMedia | str], clip: StoredClip) -> ClipMedia:
    found = made[clip.id]
    assert isinstance(found, ClipMedia), found
    return found


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


# -- loudness ----------------------------------------------------------------------------------------------------


def test_standard_sine_in_one_and_in_both_channels() -> None:
    """BS.1770: 997 Hz at full scale in one front channel reads −3.01 LKFS, so 0.00 in both."""
    both = sine(1.0)
    left = both * np.array([[1], [0]], dtype=np.float32)
    assert measure(left, 48_000).loudness == pytest.approx(-3.01, abs=0.05)
    assert measure(both, 48_000).loudness == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("by", [-60.0, -20.0, 12.0])
def test_loudness_follows_the_input_gain(by: float) -> None:
    at, moved = measure(plucks(1), 44_100), measure(plucks(1) * np.float32(10 ** (by / 20)), 44_100)
    assert at.loudness is not None
    assert moved.loudness == pytest.approx(at.loudness + by, abs=1e-4)
    assert moved.peak == pytest.approx(at.peak + by, abs=1e-4)


def test_silence_and_short_clips_have_no_loudness() -> None:
    assert measure(np.zeros((2, 44_100), dtype=np.float32), 44_100) == Loudness(None, -np.inf)
    assert measure(sine(9e-5), 48_000).loudness is None
    assert measure(plucks(1, seconds=0.39), 44_100).loudness is None
    assert measure(plucks(1, seconds=0.4), 44_100).loudness is not None


loudnesses = st.none() | st.floats(-80, 0)
levels = st.lists(st.builds(Loudness, loudnesses, st.floats(-60, 20)), max_size=8)


@given(levels)
def test_gains_match_within_the_peaks(prompt: list[Loudness]) -> None:
    wanted = target(prompt)
    assert LOWEST <= wanted <= TARGET
    for level in prompt:
        by = gain(level, wanted)
        assert level.peak + by <= CEILING + 1e-9
        if level.loudness is None:
            assert by == min(0.0, level.headroom)
        elif wanted > LOWEST or level.loudness + level.headroom >= LOWEST:
            assert level.loudness + by == pytest.approx(wanted)
        else:
            assert by == level.headroom


@given(levels, st.floats(-40, 40))
def test_gains_undo_the_input_gain(prompt: list[Loudness], by: float) -> None:
    prompt = [level for level in prompt if level.loudness is not None]
    moved = [Loudness((level.loudness or 0) + by, level.peak + by) for level in prompt]
    assert target(moved) == pytest.approx(target(prompt))
    for before, after in zip(prompt, moved, strict=True):
        assert gain(after, target(moved)) == pytest.approx(gain(before, target(prompt)) - by)


def test_nothing_is_lowered_more_than_it_must_be() -> None:
    """A clip with 20 dB between loudness and peak fits under −1 dBFS at −21; with 25 dB only at −26."""
    assert target([Loudness(-20, 0)]) == TARGET
    assert target([Loudness(-20, 0), Loudness(-30, -5)]) == -26
    assert target([Loudness(-20, 0), Loudness(-60, 0)]) == LOWEST


# -- playback ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "played"), [(4_000, 8_000), (8_000, 8_000), (31_999, 32_000), (96_000, 48_000)])
def test_rates_that_browsers_know(rate: int, played: int) -> None:
    audio = playable(Audio(sine(0.5, 440, 1, rate), rate))
    assert (audio.rate, audio.frames) == (played, played)
    middle = audio.samples[:, played // 4 : 3 * played // 4]
    assert float(np.sqrt(np.mean(middle**2))) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


def test_more_channels_are_folded_down_as_bs_775_says() -> None:
    """Left, right, centre, low frequencies, left and right surround, one after the other."""
    audio = playable(Audio(np.eye(6, dtype=np.float32), 48_000))
    half = 0.5**0.5
    np.testing.assert_allclose(audio.samples, [[1, 0, half, 0, half, 0], [0, 1, half, 0, 0, half]], rtol=1e-6)


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_number_of_channels_keeps_left_and_right(channels: int) -> None:
    rng = np.random.default_rng(channels)
    sound = rng.normal(size=(channels, 100)).astype(np.float32)
    left, right = playable(Audio(sound, 48_000)).samples
    assert (left != right).any() == (channels > 1)
    assert np.corrcoef(left, sound[0])[0, 1] > 0.4


def test_dither_keeps_what_rounding_would_lose() -> None:
    """A third of a step survives as the mean; the error's variance is a quarter of a step², whatever the sound."""
    third = np.full((2, 400_000), 1 / 3 / 2**15, dtype=np.float32)
    third[1] *= 2
    file = encoded(Audio(third, 48_000), 0.0, "flac", 7)
    steps = decoded(file) * 2**15
    for channel, wanted in zip(steps, (1 / 3, 2 / 3), strict=True):
        assert channel.mean() == pytest.approx(wanted, abs=5 * 0.5 / np.sqrt(400_000))
        assert channel.var() == pytest.approx(0.25, rel=0.02)
    assert abs(np.corrcoef(steps)[0, 1]) < 0.01


def decoded(file: bytes) -> Samples:
    import soundfile

    samples, _ = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    return np.asarray(samples.T)


def test_dither_is_of_the_seed() -> None:
    audio = Audio(plucks(1), 44_100)
    assert encoded(audio, -3, "flac", 1) == encoded(audio, -3, "flac", 1)
    assert encoded(audio, -3, "flac", 1) != encoded(audio, -3, "flac", 2)


# -- pictures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_mel_spectrogram_is_librosas(rate: int) -> None:
    import librosa

    bands, columns = 96, 640
    window = (band_weights(rate).shape[1] - 1) * 2
    hop = window // 2
    sound = plucks(3, rate, 1, columns * hop / rate)
    # librosa's windows are centred at multiples of the hop, and ours in the middle of the columns.
    theirs = librosa.feature.melspectrogram(
        y=np.pad(sound[0], (hop // 2, 0)), sr=rate, n_fft=window, hop_length=hop, n_mels=bands,
        fmin=LOWEST_HERTZ, fmax=HIGHEST, norm=1, pad_mode="constant",
    )  # fmt: skip
    density = 2 / (rate * np.sum(np.hanning(window + 1)[:-1] ** 2))
    wanted = 10 * np.log10(theirs[:, 1 : columns + 1] * density)
    np.testing.assert_allclose(mel_spectrogram(sound, rate), wanted, atol=0.02)


def test_bands_above_half_the_rate_are_empty() -> None:
    empty = ~band_weights(16_000).any(axis=1)
    shown = mel_spectrogram(plucks(3, 16_000, 1), 16_000)
    assert empty.argmax() == empty.size - empty.sum() > 70  # from one band on, all of them
    assert (shown[empty] == -200).all() and (shown[~empty] > -150).all()


def test_white_noise_has_its_density_at_every_rate() -> None:
    """Variance σ² between 0 and half the rate: 2σ² / rate in every band."""
    for rate in (8_000, 22_050, 48_000):
        noise = np.random.default_rng(1).normal(0, 0.1, (1, 10 * rate)).astype(np.float32)
        power = 10 ** (mel_spectrogram(noise, rate).astype(np.float64) / 10)
        there = band_weights(rate).any(axis=1)
        there[:3] = False  # the window's skirt at 0 Hz
        there[-1:] = False
        assert power[there].mean() == pytest.approx(2 * 0.01 / rate, rel=0.02)


def test_picture_has_low_bands_at_the_bottom_and_one_range() -> None:
    from PIL import Image

    bands = np.full((96, 640), -200, dtype=np.float32)
    bands[0], bands[1], bands[2] = -20, -20 - RANGE / 2, -20 - RANGE
    with Image.open(io.BytesIO(picture(bands, -20))) as image:
        assert image.mode == "P" and image.size == (640, 96)
        shades = np.asarray(image)
        luminance = np.asarray(image.convert("L"))
    assert (shades[-1] == shades.max()).all() and (shades[-3] == 0).all() and (shades[0] == 0).all()
    assert shades[-2, 0] == shades.max() / 2
    assert luminance[-1, 0] > 230 > luminance[-2, 0] > 60 > 10 > luminance[0, 0]


def test_outline_of_a_known_shape() -> None:
    steps = np.repeat(np.arange(10), 7)
    sound = np.stack([steps, -2.0 * steps]).astype(np.float32)
    assert outline(sound, 10).tolist() == [2.0 * step for step in range(10)]
    assert outline(sound[:, :1], 5).tolist() == [0.0] * 5
    assert outline(np.array([[0.1, -0.4, 0.2]], dtype=np.float32), 6).tolist() == pytest.approx(
        [0.1, 0.1, 0.4, 0.4, 0.2, 0.2]
    )


# -- a report's files --------------------------------------------------------------------------------------------


def unlike(run: Path) -> dict[str, StoredClip]:
    """Clips of one prompt that differ in everything that media depend on."""
    hot = plucks(2) * np.float32(1.99)
    return {
        "stereo": store(run, "stereo", plucks(1)),
        "hot": store(run, "hot", np.clip(8 * hot, -1, 1)),
        "quiet": store(run, "quiet", plucks(3) * np.float32(0.003)),
        "mono": store(run, "mono", plucks(4, 32_000, 1), 32_000),
        "surround": store(run, "surround", plucks(5, 48_000, 6), 48_000),
        "telephone": store(run, "telephone", plucks(6, 8_000, 1), 8_000),
        "96 kHz": store(run, "96 kHz", plucks(7, 96_000), 96_000),
    }


def test_written_files_are_equally_loud_by_another_meter(tmp_path: Path) -> None:
    """Read by pyloudnorm at every rate, and by essentia's meter where the standard gives its filters."""
    from essentia.standard import LoudnessEBUR128
    from pyloudnorm import Meter

    clips = unlike(tmp_path / "run")
    made = prepare(tmp_path / "run", list(clips.values()), tmp_path / "out", workers=0)
    for name, clip in clips.items():
        one = media(made, clip)
        audio = read_audio(tmp_path / "out" / one.audio)
        assert audio.channels == 2 and audio.peak <= CEILING_SAMPLE, name
        assert Meter(audio.rate).integrated_loudness(audio.samples.T) == pytest.approx(TARGET, abs=0.1), name
        assert one.loudness is not None and one.loudness + one.gain == pytest.approx(TARGET), name
        assert one.duration == pytest.approx(2.0, abs=0.01) and audio.duration == one.duration
        assert max(one.waveform) == pytest.approx(audio.peak, abs=1e-3) and len(one.waveform) == 300
        if audio.rate >= 44_100:
            *_, theirs, _ = LoudnessEBUR128(sampleRate=audio.rate)(np.ascontiguousarray(audio.samples.T))
            assert theirs == pytest.approx(TARGET, abs=0.15), name
    mono = read_audio(tmp_path / "out" / media(made, clips["mono"]).audio)
    assert (mono.samples[0] == mono.samples[1]).all()


def test_input_gain_does_not_matter(tmp_path: Path) -> None:
    gains = {}
    for by in (1.0, 0.1):
        clip = store(tmp_path / f"{by}", "clip", plucks(1) * np.float32(by))
        one = media(prepare(tmp_path / f"{by}", [clip], tmp_path / f"out{by}", workers=0), clip)
        gains[by] = one.gain
        heard = read_audio(tmp_path / f"out{by}" / one.audio)
        assert measure(heard.samples, heard.rate).loudness == pytest.approx(TARGET, abs=0.05)
    assert gains[0.1] - gains[1.0] == pytest.approx(20, abs=0.01)


def test_a_prompt_with_peaks_is_lowered_together(tmp_path: Path) -> None:
    """A click 32 dB above the rest cannot be at −23 LUFS: its whole prompt is lower, other prompts are not."""
    click = sine(0.02, 200, 2, 44_100)
    click[:, 44_100] = 0.9
    clips = [store(tmp_path, "click", click), store(tmp_path, "other", plucks(1))]
    apart = store(tmp_path, "apart", plucks(1), prompt="q")
    made = prepare(tmp_path, [*clips, apart], tmp_path / "out", workers=0)
    heard = [read_audio(tmp_path / "out" / media(made, clip).audio) for clip in (*clips, apart)]
    loud = [measure(audio.samples, audio.rate).loudness or 0 for audio in heard]
    assert LOWEST - 0.1 < loud[0] < TARGET - 3
    assert loud[1] == pytest.approx(loud[0], abs=0.1)
    assert loud[2] == pytest.approx(TARGET, abs=0.1)
    assert heard[0].peak == pytest.approx(CEILING_SAMPLE, abs=1e-3) and heard[0].peak <= CEILING_SAMPLE


def test_silence_and_short_clips_keep_their_level(tmp_path: Path) -> None:
    silent = store(tmp_path, "silent", np.zeros((2, 44_100), dtype=np.float32))
    short = store(tmp_path, "short", plucks(1, seconds=0.2))
    loud = store(tmp_path, "loud", plucks(1, seconds=0.2) * np.float32(1.99))
    tiny = store(tmp_path, "tiny", plucks(1)[:, :1])
    made = prepare(tmp_path, [silent, short, loud, tiny], tmp_path / "out", workers=0)
    assert [media(made, clip).loudness for clip in (silent, short, loud, tiny)] == [None] * 4
    assert [media(made, clip).gain for clip in (silent, short, tiny)] == [0, 0, 0]
    assert media(made, loud).gain == pytest.approx(-1 + 20 * np.log10(1 / 0.995), abs=0.01)
    assert set(media(made, silent).waveform) == {0.0}
    heard = read_audio(tmp_path / "out" / media(made, silent).audio)
    assert heard.peak <= 1.5 / 2**15  # dither


def test_pictures_of_a_prompt_share_their_range(tmp_path: Path) -> None:
    from PIL import Image

    tone, noise = sine(0.5, 400), np.random.default_rng(1).normal(0, 0.1, (2, 96_000)).astype(np.float32)
    clips = [store(tmp_path, "tone", tone, 48_000), store(tmp_path, "noise", noise, 48_000)]
    made = prepare(tmp_path, clips, tmp_path / "out", workers=0)
    shades = []
    for clip in clips:
        path = tmp_path / "out" / media(made, clip).spectrogram
        assert path.stat().st_size < 30_000
        with Image.open(path) as image:
            shades.append(np.asarray(image))
    assert shades[0].max() == 40 > shades[1].max()
    assert shades[0].argmax() // 640 > 70  # 400 Hz is in the lowest quarter


def test_same_bytes_whoever_does_the_work(tmp_path: Path) -> None:
    run = tmp_path / "run"
    clips = [store(run, f"{i}", plucks(i, seconds=0.5), prompt=f"p{i % 3}") for i in range(6)]
    one = prepare(run, clips, tmp_path / "one", workers=0)
    two = prepare(run, clips, tmp_path / "two", workers=2)
    assert one == two and list(one) == [clip.id for clip in clips]
    assert files(tmp_path / "one") == files(tmp_path / "two")
    names = {f"{clip.id[:16]}" for clip in clips}
    assert {path.stem for path in (tmp_path / "one" / "audio").iterdir()} == names


class Impatient(Silent):
    """Interrupts after the media of some prompts."""

    def __init__(self, prompts: int) -> None:
        self.left = prompts

    def advance(self, count: int) -> None:
        self.left -= min(count, 1)
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_made_before_an_interruption_is_not_made_again(tmp_path: Path, workers: int) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    clips = [store(run, f"{i}", plucks(i, seconds=0.5), prompt=f"p{i}") for i in range(6)]
    with pytest.raises(KeyboardInterrupt):
        prepare(run, clips, out, workers=workers, progress=Impatient(3))
    recorded = (out / "media.jsonl").read_text().splitlines()
    made = {
        path: path.stat().st_ino for path in (out / "audio").iterdir() if any(path.stem in line for line in recorded)
    }
    assert len(recorded) == len(made) == 3
    again = prepare(run, clips, out, workers=0)
    assert {path: path.stat().st_ino for path in made} == made
    assert again == prepare(run, clips, tmp_path / "anew", workers=0)
    assert files(out) == files(tmp_path / "anew")


def test_only_what_changed_is_made_again(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    clips = [store(run, f"{i}", plucks(i, seconds=0.5), prompt=f"p{i % 2}") for i in range(4)]
    first = prepare(run, clips, out, workers=0)

    def remade(now: list[StoredClip]) -> set[str]:
        before = {path: path.stat().st_ino for path in (out / "audio").iterdir()}
        found = prepare(run, now, out, workers=0)
        assert all(found[clip.id] == first[clip.id] for clip in now if clip in clips)
        return {path.stem for path in (out / "audio").iterdir() if path.stat().st_ino != before.get(path)}

    def named(*which: StoredClip) -> set[str]:
        return {clip.id[:16] for clip in which}

    assert remade(clips) == set()
    (out / "pictures" / f"{clips[0].id[:16]}.png").unlink()
    assert remade(clips) == named(clips[0], clips[2])

    record = out / "media.jsonl"
    lines = record.read_text().splitlines(keepends=True)
    record.write_text(lines[0] + lines[1][:-20])
    assert remade(clips) == named(clips[1], clips[3])
    assert len(record.read_text().splitlines()) == 2
    record.write_text('{"not": "ours"}\n[[1],[2]]\n[1]\n\n')
    assert remade(clips) == named(*clips)

    more = store(run, "more", plucks(9, seconds=0.5), prompt="p1")
    assert remade([*clips, more]) == named(clips[1], clips[3], more)
    (out / "audio" / "mine.flac").write_bytes(b"kept")
    (out / "audio" / ".0123456789abcdef.flac.12.part").write_bytes(b"left by a crash")
    assert remade(clips[:2]) == named(clips[0], clips[1])
    assert {path.name for path in (out / "audio").iterdir()} == {
        "mine.flac", *(f"{clip.id[:16]}.flac" for clip in clips[:2])
    }  # fmt: skip
    assert {path.stem for path in (out / "pictures").iterdir()} == named(*clips[:2])


def test_what_is_wrong_with_a_clip_costs_that_clip(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    good, cut, gone, other = (store(run, name, plucks(1)) for name in ("good", "cut", "gone", "other"))
    whole = (run / cut.path).read_bytes()
    (run / cut.path).write_bytes(whole[: len(whole) // 2])
    (run / gone.path).unlink()
    write_flac(run / other.path, Audio(plucks(2), 44_100))
    outside = replace(store(run, "outside", plucks(1)), path="../run/" + good.path)
    clips = [good, cut, gone, other, outside]
    made = prepare(run, clips, out, workers=0)
    media(made, good)
    for clip, said in ((cut, "cannot be decoded|truncated"), (gone, "no such file"), (other, "is not the audio")):
        problem = str(made[clip.id])
        assert re.search(said, problem) and clip.path in problem and "\n" not in problem
    assert isinstance(made[outside.id], str) and outside.path in str(made[outside.id])
    assert {path.stem for path in (out / "audio").iterdir()} == {good.id[:16]}

    (run / cut.path).write_bytes(whole)
    assert isinstance(prepare(run, clips, out, workers=0)[cut.id], ClipMedia)


def test_damage_is_seen_that_was_done_after_the_media_were_made(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    cut, gone, good = (store(run, name, plucks(1, seconds=0.5), prompt=name) for name in ("cut", "gone", "good"))
    first = prepare(run, [cut, gone, good], out, workers=0)
    whole, times = (run / cut.path).read_bytes(), (run / cut.path).stat()
    (run / cut.path).write_bytes(whole[:-100])
    (run / gone.path).unlink()
    made = prepare(run, [cut, gone, good], out, workers=0)
    assert re.search("cannot be decoded|truncated", str(made[cut.id]))
    assert "no such file" in str(made[gone.id])
    assert made[good.id] == first[good.id]
    (run / cut.path).write_bytes(whole)
    os.utime(run / cut.path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert prepare(run, [cut], out, workers=0) == {cut.id: first[cut.id]}


def test_workers_that_cannot_start_are_no_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").write_text("not executable")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(UsageError, match=r"Permission denied.*--workers 0"):
        prepare(tmp_path, [store(tmp_path, "clip", plucks(1, seconds=0.5))], tmp_path / "out", workers=1)


def test_mp3_for_small_pages(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    clips = [store(run, "a", plucks(1)), store(run, "b", plucks(2, 8_000, 1), 8_000)]
    prepare(run, clips, out, workers=0)
    made = prepare(run, clips, out, audio="mp3", workers=0)
    assert {path.name for path in (out / "audio").iterdir()} == {f"{clip.id[:16]}.mp3" for clip in clips}
    for clip, rate in zip(clips, (44_100, 8_000), strict=True):
        audio = read_audio(out / media(made, clip).audio)
        assert (audio.rate, audio.channels) == (rate, 2)
        assert measure(audio.samples, rate).loudness == pytest.approx(TARGET, abs=0.3)


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    clip = store(tmp_path, "clip", plucks(1))
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "out"))):
        prepare(tmp_path, [clip], tmp_path / "out", workers=0)


def test_a_name_that_is_no_hash_never_becomes_a_path(tmp_path: Path) -> None:
    clip = replace(store(tmp_path, "clip", plucks(1)), id="../../etc/cron.d/x")
    with pytest.raises(DataError, match="SHA-256"):
        prepare(tmp_path, [clip], tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_a_run_without_clips(tmp_path: Path) -> None:
    assert prepare(tmp_path, [], tmp_path / "out") == {}
