"""Near-duplicates: found whatever the encoding, and other music is not taken for the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from bench import Audio, DataError, GenerationRequest, Prompt, UsageError, find_duplicates
from bench.contracts.fingerprint_file import PrintedRecording, beside, read_fingerprints, write_fingerprints
from bench.contracts.sound_fingerprint import STEP, sound_fingerprints
from bench.references.near_duplicates import FEWEST, MOST_APART, WINDOW, FingerprintIndex, near_duplicates, stretch
from models.composer import Composer

Change = Callable[[Audio, Path], None]
GENRES = ("jazz", "rock")


@pytest.fixture(scope="module")
def songs() -> dict[str, Audio]:
    """Two songs of each genre, of one tempo and key."""
    found = {}
    for genre in GENRES:
        for seed in range(2):
            prompt = Prompt(genre, f"{genre} at 120 bpm in C major", genre, None, 120.0, "C major")
            (clip,) = Composer().generate([GenerationRequest(prompt, 900 + seed, 20.0)])
            assert isinstance(clip, Audio)
            found[f"{genre}-{seed}"] = clip
    return found


def cut(audio: Audio, begin: float, seconds: float) -> Audio:
    first = round(begin * audio.rate)
    return Audio(audio.samples[:, first : first + round(seconds * audio.rate)], audio.rate)


def _written(audio: Audio, path: Path, kind: str, level: float | None = None) -> None:
    extra = {} if level is None else {"compression_level": level}
    soundfile.write(path, audio.samples.T.copy(), audio.rate, format=kind, **extra)


def resampled(audio: Audio, rate: int) -> Audio:
    return Audio(soxr.resample(audio.samples.T, audio.rate, rate).T, rate)


BETWEEN = 40.25 * STEP  # as far from a step of any fingerprint as a beginning can be
CHANGES: dict[str, tuple[str, Change]] = {
    "mp3": ("mp3", lambda audio, path: _written(audio, path, "MP3", 0.99)),
    "ogg": ("ogg", lambda audio, path: _written(audio, path, "OGG")),
    "16 kHz": ("wav", lambda audio, path: _written(resampled(audio, 16_000), path, "WAV")),
    "-6 dB": ("wav", lambda audio, path: _written(Audio(audio.samples / 2, audio.rate), path, "WAV")),
    "mono": ("wav", lambda audio, path: _written(Audio(audio.mono(), audio.rate), path, "WAV")),
    "10 s": ("wav", lambda audio, path: _written(cut(audio, BETWEEN, 10), path, "WAV")),
    "10 s as mp3 at 22 kHz": (
        "mp3",
        lambda audio, path: _written(resampled(cut(audio, BETWEEN, 10), 22_050), path, "MP3", 0.9),
    ),
}


@pytest.fixture(scope="module")
def originals(songs: dict[str, Audio], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("originals") / "music"
    folder.mkdir()
    for name, audio in songs.items():
        _written(audio, folder / f"{name}.wav", "WAV")
    return folder


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(
    name: str, songs: dict[str, Audio], originals: Path, tmp_path: Path
) -> None:
    ending, change = CHANGES[name]
    (tmp_path / "copies").mkdir()
    change(songs["rock-1"], tmp_path / "copies" / f"strange name.{ending}")
    found = find_duplicates([tmp_path / "copies", originals])
    (pair,) = found["pairs"]
    assert (pair["a_recording"], pair["b_recording"]) == (f"strange name.{ending}", "rock-1.wav")
    assert pair["whole"] and not pair["same"] and pair["apart"] <= 0.06
    begins = BETWEEN if name.startswith("10 s") else 0.0
    assert pair["b_time"] - pair["a_time"] == pytest.approx(begins, abs=0.15)
    assert [one["compared"] for one in found["collections"]] == [1, 4]


def test_songs_of_one_genre_tempo_and_key_are_not_one_another(originals: Path, tmp_path: Path) -> None:
    assert find_duplicates([originals])["pairs"] == []
    again = tmp_path / "again"
    again.mkdir()
    for name in ("a", "b"):
        (again / f"{name}.wav").write_bytes((originals / "jazz-0.wav").read_bytes())
    (pair,) = find_duplicates([again])["pairs"]
    assert pair["same"] and pair["whole"] and pair["apart"] == 0


def test_a_part_that_is_spliced_in_is_told_as_a_part(songs: dict[str, Audio], originals: Path, tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    parts = [cut(songs["jazz-0"], 2, 10).samples, cut(songs["rock-0"], 0, 15).samples]
    _written(Audio(np.concatenate(parts, axis=1), songs["jazz-0"].rate), tmp_path / "mixed" / "m.wav", "WAV")
    found = find_duplicates([tmp_path / "mixed", originals])["pairs"]
    assert {(pair["b_recording"], pair["whole"]) for pair in found} == {
        ("jazz-0.wav", False),
        ("rock-0.wav", True),  # both last no longer than it agrees
    }


def test_a_reference_file_tells_its_music_without_the_audio(
    songs: dict[str, Audio], originals: Path, tmp_path: Path, tiny: Path
) -> None:
    from bench.contracts.embedder import EmbedderRef
    from bench.references.build import ReferenceOptions, build_reference

    file = tmp_path / "kept.safetensors"
    build_reference(originals, EmbedderRef(f"{tiny}:Bands"), file, options=ReferenceOptions(fingerprints=True))
    (tmp_path / "copies").mkdir()
    CHANGES["mp3"][1](songs["jazz-1"], tmp_path / "copies" / "x.mp3")
    (pair,) = find_duplicates([file, tmp_path / "copies"])["pairs"]
    assert pair["a_recording"] == "jazz-1.wav"
    assert [one.id for one in read_fingerprints(beside(file))] == sorted(path.name for path in originals.iterdir())
    beside(file).unlink()
    with pytest.raises(UsageError, match=r"fingerprints\.npz"):
        find_duplicates([file, tmp_path / "copies"])


def test_a_clip_too_short_is_said_to_be(songs: dict[str, Audio], tmp_path: Path) -> None:
    _written(cut(songs["jazz-0"], 0, 5), tmp_path / "short.wav", "WAV")
    (one,) = find_duplicates([tmp_path])["collections"]
    assert (one["compared"], one["too_short"]) == (0, 1)


numbers = st.integers(0, 2**31).map(
    lambda seed: np.random.default_rng(seed).integers(0, 2**32, 90, dtype=np.uint32, endpoint=False)
)


@given(numbers, st.integers(0, 30), st.floats(0, 0.04))
def test_a_stretch_is_found_at_its_shift_with_its_share_of_bits(one: np.ndarray, begin: int, share: float) -> None:
    rng = np.random.default_rng(begin)
    flips = np.packbits(rng.random((60, 32)) < share, axis=1).view(np.uint32)[:, 0]
    query = one[begin : begin + 60] ^ flips
    (found,) = FingerprintIndex([[np.roll(one, 7)[:80]], [one]]).find([query])[-1:]
    place, at = found
    assert place == 1 and at.there - at.here == begin
    assert at.apart <= MOST_APART and abs(at.throughout - share) < 0.04


@given(numbers, numbers)
def test_random_numbers_share_nothing(one: np.ndarray, other: np.ndarray) -> None:
    if one.tolist() != other.tolist():
        assert list(near_duplicates([[one]], [[other]])) == []


def test_a_drone_is_like_any_other_and_tells_nothing() -> None:
    drone = np.full(90, 0xABCDEF, dtype=np.uint32)
    assert stretch(drone, drone, 0) is None
    assert list(near_duplicates([[drone]], [[drone]])) == []
    varied = (np.arange(WINDOW) * 7919).astype(np.uint32)
    assert stretch(varied, varied, 0) is not None
    assert stretch(varied[: FEWEST - 1], varied, 0) is None
    assert list(near_duplicates([[varied]], [])) == list(near_duplicates([[]], [[varied]])) == []
    assert 0 < MOST_APART < 0.1


def test_a_file_of_fingerprints_holds_what_was_written(tmp_path: Path, songs: dict[str, Audio]) -> None:
    audio = songs["jazz-0"]
    given_ = [
        PrintedRecording("a/é.wav", "0" * 64, sound_fingerprints(audio)),
        PrintedRecording("short", "1" * 64, ()),
    ]
    for recordings in ([], given_):
        write_fingerprints(tmp_path / "f.npz", recordings)
        found = read_fingerprints(tmp_path / "f.npz")
        assert [(one.id, one.content) for one in found] == [(one.id, one.content) for one in recordings]
        for one, other in zip(found, recordings, strict=True):
            assert [p.tolist() for p in one.prints] == [p.tolist() for p in other.prints]
    whole = (tmp_path / "f.npz").read_bytes()
    for damage in (b"", b"PK", whole[:-40], whole.replace(b"numbers", b"letters")):
        (tmp_path / "f.npz").write_bytes(damage)
        with pytest.raises(DataError):
            read_fingerprints(tmp_path / "f.npz")
    with pytest.raises(UsageError):
        read_fingerprints(tmp_path / "none.npz")
