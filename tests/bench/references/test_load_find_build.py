"""Reference sets: what is written is what is read, and what cannot be used says so."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.contracts.clip_view import View
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from bench.hashing import fingerprint
from bench.planning.metric_plan import PlannedEmbedder, plan_embedder
from bench.references.file_format import ReferenceWriter
from bench.references.find import check_place, find_by_fingerprint, find_reference, reference_files
from bench.references.load import load_reference

SPECTRUM = Path(__file__).parents[2] / "plugins" / "spectrum.py"
REF = EmbedderRef(f"{SPECTRUM}:Spectrum")
IDENTITY = {"class": "test:Rows@1", "params": {}}


def rows(windows: int = 20, dimension: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(windows, dimension)).astype(np.float32)


def write(path: Path, *, statistics_only: bool = False, seed: int = 0, **about: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    with ReferenceWriter(path, statistics_only) as writer:
        writer.add("a.wav", "aa", "jazz", rows(7, seed=seed))
        writer.add("b.wav", "bb", "rock", rows(5, seed=seed + 1))
        writer.finish("mine", IDENTITY, **about)
    return path


def planned() -> PlannedEmbedder:
    return plan_embedder(REF)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two genres of noise bursts, 2 s each."""
    rng = np.random.default_rng(5)
    for genre in ("jazz", "rock"):
        (tmp_path / "music" / genre).mkdir(parents=True)
        for number in range(3):
            soundfile.write(tmp_path / "music" / genre / f"{number}.wav", rng.normal(0, 0.1, 16000), 8000)
    return tmp_path / "music"


def test_what_is_written_is_read_bit_for_bit(tmp_path: Path) -> None:
    reference = load_reference(write(tmp_path / "r.safetensors", licence="CC0"))
    whole = np.concatenate([rows(7), rows(5, seed=1)])
    assert reference.embeddings is not None
    np.testing.assert_array_equal(reference.embeddings.vectors, whole)
    assert reference.embeddings.vectors.dtype == np.float32
    assert reference.embeddings.recordings.tolist() == [0] * 7 + [1] * 5
    assert reference.genres == {0: "jazz", 1: "rock"}
    assert (reference.name, reference.windows, reference.embedder) == ("mine", 12, fingerprint(IDENTITY))
    np.testing.assert_allclose(reference.mean, whole.mean(axis=0, dtype=np.float64), rtol=1e-13)
    np.testing.assert_allclose(reference.covariance, np.cov(whole.T.astype(np.float64)), rtol=1e-12)
    assert reference.about["licence"] == "CC0"
    assert reference.warnings == ()


def test_the_file_is_one_that_safetensors_reads(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    tensors = load_file(write(tmp_path / "r.safetensors"))
    assert {name: value.shape for name, value in tensors.items()} == {
        "mean": (4,), "covariance": (4, 4), "recordings": (12,), "embeddings": (12, 4),
    }  # fmt: skip
    np.testing.assert_array_equal(tensors["embeddings"], np.concatenate([rows(7), rows(5, seed=1)]))


def test_statistics_only_keeps_the_gaussian_and_no_windows(tmp_path: Path) -> None:
    whole = load_reference(write(tmp_path / "whole.safetensors"))
    small = load_reference(write(tmp_path / "small.safetensors", statistics_only=True))
    assert small.embeddings is None
    np.testing.assert_array_equal(small.mean, whole.mean)
    np.testing.assert_array_equal(small.covariance, whole.covariance)
    assert small.windows == whole.windows
    assert small.fingerprint != whole.fingerprint


def test_the_fingerprint_is_that_of_the_content(tmp_path: Path) -> None:
    first = load_reference(write(tmp_path / "a.safetensors")).fingerprint
    assert load_reference(write(tmp_path / "b.safetensors", licence="other words")).fingerprint == first
    assert load_reference(write(tmp_path / "c.safetensors", seed=9)).fingerprint != first


def test_synthetic_music_says_so(tmp_path: Path) -> None:
    reference = load_reference(write(tmp_path / "r.safetensors", synthetic=True))
    assert reference.warnings == (Notice("W-SYNTHETIC", {"reference": "mine"}),)


def test_windows_stay_on_disk_until_they_are_sliced(tmp_path: Path) -> None:
    reference = load_reference(write(tmp_path / "r.safetensors"))
    assert reference.embeddings is not None
    assert isinstance(reference.embeddings.vectors, np.memmap)
    jazz = reference.of_genre("jazz")
    assert jazz.windows == 7
    np.testing.assert_allclose(jazz.covariance, np.cov(rows(7).T.astype(np.float64)), rtol=1e-12)


def test_every_cut_of_the_file_is_refused(tmp_path: Path) -> None:
    content = write(tmp_path / "r.safetensors").read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in (0, 5, 60, len(content) // 2, len(content) - 1):
        cut.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"cut\.safetensors: truncated"):
            load_reference(cut)


def test_what_is_no_reference_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "x.safetensors"
    with pytest.raises(UsageError, match=r"x\.safetensors"):
        load_reference(path)
    path.write_text("RIFF but not really, and long enough to be anything at all")
    with pytest.raises(DataError, match=r"x\.safetensors: truncated"):
        load_reference(path)
    save_file({"weight": rows()}, path)
    with pytest.raises(DataError, match=r"x\.safetensors: .*safetensors file"):
        load_reference(path)
    save_file({"mean": rows()}, path, {"tunebench": json.dumps({"format": 7})})
    with pytest.raises(DataError, match=r"format 7, .* format 2"):
        load_reference(path)
    save_file({"mean": rows()}, path, {"tunebench": json.dumps({"format": 2})})
    with pytest.raises(DataError, match="'embedder' is missing"):
        load_reference(path)


def test_numbers_that_are_not_finite_are_refused_on_both_ways(tmp_path: Path) -> None:
    broken = rows()
    broken[3, 2] = np.nan
    with ReferenceWriter(tmp_path / "r.safetensors") as writer, pytest.raises(DataError, match=r"song: .*finite"):
        writer.add("song", "", None, broken)
    path = write(tmp_path / "r.safetensors")
    content = bytearray(path.read_bytes())
    content[-4:] = struct.pack("<f", np.nan)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"embeddings .*finite"):
        load_reference(path)


def test_a_writer_that_never_finishes_leaves_nothing(tmp_path: Path) -> None:
    with ReferenceWriter(tmp_path / "r.safetensors") as writer:
        writer.add("a", "", None, rows())
    with ReferenceWriter(tmp_path / "s.safetensors") as writer:
        writer.add("a", "", None, rows(1))
        with pytest.raises(DataError, match=r"\b2 windows.*\b1\b"):
            writer.finish("one", IDENTITY)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_audio_is_embedded_once_and_again_when_it_changed(music: Path, tmp_path: Path) -> None:
    embedder = planned()
    first = find_reference(str(music), embedder, tmp_path / "run")
    assert first.path == tmp_path / "run" / f"music.{embedder.fingerprint[:8]}.safetensors"
    reference = load_reference(first.path)
    assert (reference.windows, set(reference.genres.values())) == (12, {"jazz", "rock"})
    written = first.path.stat().st_mtime_ns
    assert find_reference(str(music), embedder, tmp_path / "run") == first
    assert first.path.stat().st_mtime_ns == written
    soundfile.write(music / "jazz" / "0.wav", np.random.default_rng(8).normal(0, 0.2, 24000), 8000)
    changed = find_reference(str(music), embedder, tmp_path / "run")
    assert changed.fingerprint != first.fingerprint
    assert load_reference(changed.path).windows == 13
    cropped = find_reference(str(music), embedder, tmp_path / "run", view=View(1.0))
    assert load_reference(cropped.path).windows == 6


def test_embeddings_of_the_folder_are_those_of_its_files(music: Path, tmp_path: Path) -> None:
    from bench.contracts.audio import read_audio

    reference = load_reference(find_reference(str(music), planned(), tmp_path).path)
    embedder = load_embedder(REF)
    files = sorted(music.rglob("*.wav"))
    expected = np.concatenate([embedder.embed(read_audio(file)) for file in files])
    assert reference.embeddings is not None
    np.testing.assert_array_equal(reference.embeddings.vectors, expected)
    assert [id for id, *_ in reference.about["recordings"]] == [f.relative_to(music).as_posix() for f in files]


def test_another_embedder_or_version_is_refused_with_both_named(music: Path, tmp_path: Path) -> None:
    file = find_reference(str(music), planned(), tmp_path).path
    assert find_reference(str(file), planned()).path == file
    anew = plan_embedder(EmbedderRef(f"{SPECTRUM}:SpectrumAnew"))
    with pytest.raises(UsageError, match=r'Spectrum@1.*"Spectrum".*"SpectrumAnew".*reference build'):
        find_reference(str(file), anew)
    louder = plan_embedder(EmbedderRef(REF.name, {"floor": -60.0}))
    with pytest.raises(UsageError, match=r"params\.floor: -100\.0, not -60\.0"):
        find_reference(str(file), louder)


def test_a_folder_of_references_gives_the_one_of_the_embedder(music: Path, tmp_path: Path) -> None:
    refs = [EmbedderRef(REF.name, {"floor": floor}) for floor in (-100.0, -60.0)]
    for ref in refs:
        find_reference(str(music), plan_embedder(ref), tmp_path / "kept")
    found = find_reference(str(tmp_path / "kept"), plan_embedder(refs[1]))
    identity = embedder_identity(refs[1], load_embedder(refs[1]))
    assert load_reference(found.path).about["embedder"] == identity
    with pytest.raises(UsageError, match=r"reference 'kept' .*Spectrum@1, Spectrum@1"):
        find_reference(str(tmp_path / "kept"), plan_embedder(EmbedderRef(REF.name, {"floor": -1.0})))


def test_what_cannot_be_found_says_what_can(tmp_path: Path, music: Path) -> None:
    with pytest.raises(UsageError, match=r"'compser' .*'composer'"):
        find_reference("compser", planned())
    with pytest.raises(UsageError, match="reference build"):
        find_reference(str(music), planned())
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: .*audio"):
        find_reference(str(tmp_path / "empty"), planned(), tmp_path)


def test_a_reference_is_found_by_its_fingerprint_wherever_it_lies(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "first.safetensors"), write(tmp_path / "b" / "second.safetensors", seed=5)
    (tmp_path / "a" / "damaged.safetensors").write_bytes(first.read_bytes()[:100])
    (tmp_path / "a" / "again.safetensors").write_bytes(second.read_bytes())
    wanted = {load_reference(file).fingerprint: file for file in (first, second)}
    places: list[str | Path] = ["nowhere", "no\0where", tmp_path / "a", str(second)]
    found = find_by_fingerprint([*wanted, "unknown"], places)
    assert {key: path for key, (path, _) in found.items()} == {
        load_reference(first).fingerprint: first,
        load_reference(second).fingerprint: tmp_path / "a" / "again.safetensors",  # the first place that has it
    }
    assert all(reference.fingerprint == key for key, (_, reference) in found.items())
    assert find_by_fingerprint(wanted, places, fingerprint(IDENTITY)).keys() == wanted.keys()
    assert find_by_fingerprint(wanted, places, "another embedder") == find_by_fingerprint((), places) == {}
    (shipped,) = reference_files("composer")
    assert list(find_by_fingerprint([load_reference(shipped).fingerprint], ["composer"])) == [
        load_reference(shipped).fingerprint
    ]


def test_files_of_a_name_a_file_and_a_folder(tmp_path: Path, music: Path) -> None:
    file = write(tmp_path / "kept" / "r.safetensors")
    assert list(reference_files(file)) == list(reference_files(tmp_path / "kept")) == [file]
    assert [path.suffix for path in reference_files("composer")] == [".safetensors"]
    assert list(reference_files(music)) == list(reference_files("nowhere")) == []
    for place in ("composer", str(file), str(tmp_path / "kept")):
        check_place(place)
    for place in (str(music), "nowhere", "compser"):
        with pytest.raises(UsageError):
            check_place(place)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DataError):
        check_place(str(file))
