"""Published front ends: what a network is given, against the publishers' steps written out here."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from bench import Audio
from bench.contracts.audio import content_hash
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.front_end import FrontEnd, describe
from bench.errors import Undefined, UsageError
from bench.hashing import fingerprint
from bench.planning.former_identity import former_embedder
from metrics.embedders.front_ends import CDPAM_FRONT_ENDS, CLAP, CLAP_MS, COMMAND, VGGISH, pann
from metrics.embedders.preparation import prepare, stored
from metrics.embedders.resampling import resample
from tests.metrics.embedders.conftest import windows_of

torch = pytest.importorskip("torch")

Samples = npt.NDArray[np.floating]
SECONDS, RATE = 12.5, 44_100


IDENTITIES = {
    "vggish": ("99d22785", "bf2fbf74"),
    "clap-laion": ("9354e41e", "fe828a49"),
    "pann": ("c40c5be3", "32c582c0"),
}
"""Beginnings of the fingerprints, now and of former layouts, from before there were front ends."""


def music(seconds: float = SECONDS, rate: int = RATE, channels: int = 2) -> Audio:
    """Two channels that differ, one with an offset, in 32-bit samples that 16 bits cannot hold."""
    time = np.arange(round(seconds * rate)) / rate
    rng = np.random.default_rng(7)
    chirp = np.sin(2 * np.pi * (110 + 40 * time) * time)
    sides = [0.3 * chirp + rng.normal(0, 0.03, len(time)), 0.2 * np.roll(chirp, 31) + 0.05]
    return Audio(np.array(sides[:channels], dtype=np.float32), rate)


def sinc_at(
    samples: Samples, rates: tuple[int, int], place: int, window: Callable[[float], float], zeros: int, roll: float
) -> float:
    """One output sample of torchaudio's resampler from its formula, in double precision."""
    rate, wanted = rates
    cutoff = min(rate, wanted) * roll
    total = 0.0
    reach = math.ceil(zeros * rate / cutoff) + 1
    middle = place * rate / wanted
    for i in range(max(0, int(middle) - reach), min(len(samples), int(middle) + reach + 1)):
        at = (i / rate - place / wanted) * cutoff
        if abs(at) < zeros:
            total += float(samples[i]) * float(np.sinc(at)) * window(at / zeros) * cutoff / rate
    return total


@pytest.mark.parametrize("wanted", [16_000, 48_000])
def test_the_windowed_sinc_is_the_formula(wanted: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 3_000).astype(np.float32)
    beta = 14.769656459379492
    kinds = {
        "torchaudio-kaiser": (lambda x: float(np.i0(beta * np.sqrt(1 - x * x)) / np.i0(beta)), 64, 0.9475937167399596),
        "torchaudio-hann": (lambda x: math.cos(math.pi * x / 2) ** 2, 6, 0.99),
        "torchaudio-hann-double": (lambda x: math.cos(math.pi * x / 2) ** 2, 6, 0.99),
    }
    for kind, (window, zeros, roll) in kinds.items():
        found = resample(samples, RATE, wanted, kind)  # type: ignore[arg-type]
        assert len(found) == math.ceil(3_000 * wanted / RATE)
        for place in (0, 1, 17, 160, 161, 500, len(found) - 1):
            assert found[place] == pytest.approx(sinc_at(samples, (RATE, wanted), place, window, zeros, roll), abs=2e-6)


@pytest.mark.parametrize("wanted", [16_000, 48_000])
def test_the_windowed_sinc_of_julius_sums_to_one_and_repeats_the_ends(wanted: int) -> None:
    samples = np.random.default_rng(1).normal(0, 0.1, 3_000).astype(np.float32)
    found = resample(samples, RATE, wanted, "julius")
    assert len(found) == math.floor(3_000 * wanted / RATE)
    np.testing.assert_allclose(resample(np.full(500, 0.25, np.float32), RATE, wanted, "julius"), 0.25, atol=1e-6)
    padded = np.pad(samples.astype(np.float64), 200, mode="edge")
    cutoff = min(RATE, wanted) * 0.945
    for place in (0, 1, 161, 500, len(found) - 1):
        at = ((np.arange(len(padded)) - 200) / RATE - place / wanted) * cutoff
        weights = np.where(np.abs(at) < 24, np.sinc(at) * np.cos(np.pi * np.clip(at, -24, 24) / 48) ** 2, 0)
        assert found[place] == pytest.approx(float(padded @ weights / weights.sum()), abs=2e-6)


def test_clap_as_audiocraft_prepares_it() -> None:
    audio = music()
    channels = np.stack([resample(channel, RATE, 48_000, "julius") for channel in audio.samples])
    whole = prepare(audio, 48_000, CLAP["audiocraft"])
    np.testing.assert_allclose(whole, channels.mean(axis=0), atol=1e-6)  # mixed before or after: it is linear
    (window,) = windows_of(audio, 48_000, CLAP["audiocraft"])
    (other,) = windows_of(audio, 48_000, CLAP["frechet-audio-distance"])
    assert window.shape == other.shape == (480_000,)
    start = int(np.flatnonzero(whole == window[0])[0])
    np.testing.assert_array_equal(window, whole[start : start + 480_000])


def wav_file(samples: Samples, rate: int) -> Samples:
    """What fadtk reads back of the 16-bit file that it wrote."""
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.float32), rate, subtype="PCM_16", format="WAV")
    file.seek(0)
    whole, _ = soundfile.read(file, dtype="int16")
    return whole / 32768.0


def float32_to_int16(x: Samples) -> npt.NDArray[np.int16]:
    return (np.clip(x, -1.0, 1.0) * 32767.0).astype(np.int16)


def int16_to_float32(x: npt.NDArray[np.int16]) -> Samples:
    return (x / 32767.0).astype(np.float32)


@pytest.mark.parametrize("name", ["fadtk", "kadtk"])
def test_clap_as_fadtk_and_kadtk_prepare_it(name: str) -> None:
    audio = music()
    mono = torch.mean(torch.from_numpy(audio.samples.copy()), 0).numpy()
    wav = wav_file(resample(mono, RATE, 48_000, "torchaudio-kaiser"), 48_000)
    heard = int16_to_float32(float32_to_int16(wav.reshape(1, -1)))
    chunks = [heard[:, i : i + 480_000] for i in range(0, heard.shape[1], 48_000)]
    expected = [np.pad(c, ((0, 0), (0, 480_000 - c.shape[1]))) for c in chunks]
    windows = windows_of(audio, 48_000, CLAP[name])
    assert len(windows) == len(expected) == 13
    np.testing.assert_array_equal(windows, np.concatenate(expected))
    assert windows.dtype == np.float32


@pytest.mark.parametrize("name", ["fadtk", "kadtk"])
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_vggish_as_fadtk_and_kadtk_prepare_it(name: str, seconds: float) -> None:
    audio = music(seconds)
    wav = wav_file(resample(audio.samples.mean(axis=0), RATE, 16_000, "torchaudio-kaiser"), 16_000)
    if name == "fadtk" and len(wav) < 16_000:
        wav = np.pad(wav, (0, 16_000 - len(wav)))
    samples = prepare(audio, 16_000, VGGISH[name])
    np.testing.assert_array_equal(samples, wav)
    assert samples.dtype == np.float64


@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_what_frechet_audio_distance_prepares(rate: int, tmp_path: Path) -> None:
    """Against its own loader, where it is installed."""
    import importlib.util

    resampy = pytest.importorskip("resampy")
    audio = music(3)
    expected = resampy.resample(np.mean(audio.samples.T, axis=1), RATE, rate)
    for front_end in (VGGISH["frechet-audio-distance"], pann(rate)["frechet-audio-distance"]):
        np.testing.assert_array_equal(prepare(audio, rate, front_end), expected)
    found = importlib.util.find_spec("frechet_audio_distance")
    if found and found.submodule_search_locations:
        place = Path(found.submodule_search_locations[0], "utils.py")
        spec = importlib.util.spec_from_file_location("frechet_utils", place)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        soundfile.write(tmp_path / "it.wav", audio.samples.T, RATE, subtype="FLOAT")
        np.testing.assert_array_equal(module.load_audio_task(tmp_path / "it.wav", rate, 1), expected)
    (whole,) = windows_of(audio, rate, pann(rate)["frechet-audio-distance"])
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize("seconds", [0.8, 5.0])
@pytest.mark.parametrize("rate", [16_000, 32_000])
def test_what_audioldm_eval_prepares(rate: int, seconds: float) -> None:
    audio = music(seconds)
    first = audio.samples[0:1]
    centered = first - first.mean()
    expected = resample(centered[0], RATE, rate, "torchaudio-hann")
    if len(expected) < 32_000:
        expected = np.pad(expected, (0, 32_000 - len(expected)))
    (whole,) = windows_of(audio, rate, pann(rate)["audioldm_eval"])
    np.testing.assert_allclose(whole, expected, atol=1e-7)
    if rate == 16_000:
        np.testing.assert_allclose(prepare(audio, rate, VGGISH["audioldm_eval"]), expected, atol=1e-7)


@pytest.mark.parametrize("seconds", [4.2, SECONDS])
def test_what_stable_audio_metrics_prepares(seconds: float) -> None:
    librosa = pytest.importorskip("librosa")
    import pyloudnorm

    audio = music(seconds)
    loaded = librosa.resample(librosa.to_mono(audio.samples), orig_sr=RATE, target_sr=48_000)
    # Of the NumPy that it names, a number of double precision times single precision is single.
    peaked = pyloudnorm.normalize.peak(loaded.astype(np.float64), -1.0).astype(np.float32)
    expected = int16_to_float32(float32_to_int16(peaked))
    whole = prepare(audio, 48_000, CLAP["stable-audio-metrics"])
    assert whole.shape == expected.shape
    # A sample in ten thousand lies on a step of the rounding.
    assert np.abs(whole - expected).max() < 1.01 / 32767
    assert (whole != expected).mean() < 1e-3
    (window,) = windows_of(audio, 48_000, CLAP["stable-audio-metrics"])
    if seconds < 10:
        repeated = np.tile(whole, int(480_000 / len(whole)))
        np.testing.assert_array_equal(window, np.pad(repeated, (0, 480_000 - len(repeated))))
    else:
        start = int(np.random.default_rng(
            int(fingerprint(["front-end", "window", content_hash(audio)]), 16)
        ).integers(0, len(whole) - 480_000 + 1))  # fmt: skip
        assert 0 < start < len(whole) - 480_000
        np.testing.assert_array_equal(window, whole[start : start + 480_000])


def test_a_random_place_is_that_of_the_sound_and_differs_between_sounds() -> None:
    front_end = CLAP["stable-audio-metrics"]
    audio = music()
    np.random.seed(1)  # noqa: NPY002 - the tools draw from the global generator
    once = windows_of(audio, 48_000, front_end)
    np.testing.assert_array_equal(windows_of(Audio(audio.samples.copy(), RATE), 48_000, front_end), once)
    softer = windows_of(Audio(audio.samples * np.float32(0.5), RATE), 48_000, front_end)
    assert np.abs(softer - once).max() > 0.1
    assert "random place" in front_end.text and "hash" in front_end.text


def test_levels_that_our_own_front_end_removes_stay() -> None:
    audio = music(3)
    half = Audio(audio.samples * np.float32(0.5), RATE)
    for front_end in (VGGISH["fadtk"], VGGISH["frechet-audio-distance"], VGGISH["audioldm_eval"]):
        ratio = np.std(prepare(half, 16_000, front_end)) / np.std(prepare(audio, 16_000, front_end))
        assert ratio == pytest.approx(0.5, abs=1e-3)


def test_what_has_no_embedding_says_why() -> None:
    silent = Audio(np.zeros((1, RATE), dtype=np.float32), RATE)
    assert not prepare(silent, 16_000, VGGISH["fadtk"]).any()  # as published: silence is embedded
    with pytest.raises(Undefined, match="silent"):
        prepare(silent, 48_000, CLAP["stable-audio-metrics"])
    for short in (0, 100):
        with pytest.raises(Undefined, match="needs"):
            windows_of(Audio(np.zeros((1, short), dtype=np.float32), RATE), 16_000, VGGISH["kadtk"])


def test_vectors_are_kept_as_the_tool_keeps_them() -> None:
    vectors = np.array([[0.1, 1000.3]], dtype=np.float32)
    assert stored(vectors, VGGISH["fadtk"]).tolist() == np.array([[0.1, 1000.3]], np.float16).astype(float).tolist()
    assert stored(vectors, VGGISH["audioldm_eval"]) is vectors


PRESETS = (VGGISH, CLAP, CLAP_MS, CDPAM_FRONT_ENDS, COMMAND, pann(32_000))
ALL = [front_end for presets in PRESETS for front_end in presets.values()]


@pytest.mark.parametrize("front_end", ALL, ids=lambda each: each.name)
def test_a_front_end_is_data(front_end: FrontEnd) -> None:
    identity = json.loads(json.dumps(front_end.identity()))
    assert describe(identity) == front_end.text
    assert FrontEnd(**{**identity, "rounding": tuple(identity["rounding"])}, source=front_end.source) == front_end
    assert front_end.source.startswith("https://github.com/")


@pytest.fixture(scope="module")
def vggish_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    released = pytest.importorskip("torchvggish.torchvggish")
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("vggish") / "vggish.pth"
    torch.save(released.VGG(released.make_layers(), postprocess=False).state_dict(), path)
    return path


def test_identities_without_a_front_end_are_what_they_were_and_with_one_differ(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"any")
    checkpoint = str(tmp_path / "weights.pth")
    seen = set()
    for name in IDENTITIES:
        ref = EmbedderRef(name, {"checkpoint": checkpoint})
        embedder = load_embedder(ref)
        identity = embedder_identity(ref, embedder)
        assert "front_end" not in identity and "front_end" not in identity.get("params", {})
        assert {"plugin", "weights"} <= set(identity) <= {"plugin", "params", "weights"}
        assert (fingerprint(identity)[:8], former_embedder(ref, embedder)[:8]) == IDENTITIES[name]
        seen.add(fingerprint(identity))
        for front_end in embedder.front_ends:
            other = EmbedderRef(name, {"checkpoint": checkpoint, "front_end": front_end})
            published = embedder_identity(other, load_embedder(other))
            assert published["front_end"]["name"] == front_end
            seen.add(fingerprint(published))
    assert len(seen) == 3 + 4 + 5 + 3


@pytest.mark.parametrize("name", ["clap-laion", "vggish", "pann"])
def test_an_unknown_front_end_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="'kadtk'"):
        load_embedder(EmbedderRef(name, {"front_end": "kadtc"}))
    with pytest.raises(UsageError, match="tunebench"):
        load_embedder(EmbedderRef(name, {"front_end": "tunebench"}))


@pytest.mark.parametrize("front_end", [None, *VGGISH])
def test_vggish_embeds_what_is_prepared(front_end: str | None, vggish_checkpoint: Path) -> None:
    from metrics.embedders.vggish import VGGish

    embedder = VGGish(str(vggish_checkpoint), front_end=front_end)
    for seconds in (0.5, 2.5):
        audio = music(seconds)
        vectors = embedder.embed(audio)
        assert len(vectors) == len(embedder.weights(audio))
        assert np.isfinite(vectors).all()
        if front_end is not None and seconds == 2.5:
            from torchvggish.vggish_input import waveform_to_examples  # type: ignore[import-untyped]

            examples = waveform_to_examples(prepare(audio, 16_000, VGGISH[front_end]), 16_000)
            with torch.no_grad():
                direct = embedder._network(examples).numpy()
            if front_end in ("fadtk", "kadtk"):
                direct = direct.astype(np.float16)
            np.testing.assert_allclose(vectors, direct, rtol=2e-3, atol=1e-5)
