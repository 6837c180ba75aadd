"""``tunebench reference``: from audio files to a file that says what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.contracts.embedder import EmbedderRef
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from bench.recordings import Recording, recordings_in, recordings_of
from bench.references.build import ReferenceOptions, build_reference
from bench.references.file_format import ReferenceWriter
from bench.references.import_npz import import_statistics
from bench.references.load import load_reference

Command = Callable[..., "subprocess.CompletedProcess[str]"]

SPECTRUM = f"{Path(__file__).parents[2] / 'plugins' / 'spectrum.py'}:Spectrum"
REF = EmbedderRef(SPECTRUM)
BAD = {
    "bad.wav": b"RIFF",
    "pointer.mp3": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
    "page.mp3": b"<!DOCTYPE html><html></html>",
    "lost.flac": bytes(5000),
    "other.m4a": b"\0\0\0\x18ftypM4A \0\0\2\0isomiso2",
    "cut.flac": b"fLaC\0\0\0\x22" + bytes(34),
}
"""What is no audio that can be read here, or less than it should be."""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    for place in range(4):
        folder = tmp_path / "music" / ("jazz" if place < 2 else "rock")
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{place}.flac", rng.normal(0, 0.05, 24000), 8000)
    return tmp_path / "music"


def test_build_and_show(tunebench: Command, music: Path) -> None:
    ran = tunebench(
        "reference", "build", music, "--embedder", SPECTRUM, "--param", "floor=-80", "--genre-from", "folder",
        "--licence", "CC0", "--out", "out/mine.safetensors",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "out/mine.safetensors: 12 windows of 4 recordings, 0 skipped\n"
    assert "embedding recordings: 4 of 4" in ran.stderr
    shown = json.loads(tunebench("reference", "show", "out/mine.safetensors", "--json").stdout)
    assert shown["embedder"]["params"] == {"floor": -80}
    expected = {
        "name": "mine", "windows": 12, "dimension": 8, "recordings": 4, "genres": {"jazz": 2, "rock": 2},
        "keeps": "embeddings", "licence": "CC0",
    }  # fmt: skip
    assert expected.items() <= shown.items()
    assert "genres       jazz 2, rock 2" in tunebench("reference", "show", "out/mine.safetensors").stdout


def test_a_single_bad_file_is_named_and_the_rest_is_written(tunebench: Command, music: Path) -> None:
    build = ("reference", "build", music, "--embedder", SPECTRUM, "--out", "r.safetensors")
    for name, content in BAD.items():
        path = music / "rock" / name
        path.write_bytes(content)
        ran = tunebench(*build)
        assert ran.returncode == 4, ran.stderr
        assert f"rock/{name}: " in ran.stderr and "Traceback" not in ran.stderr
        assert ran.stdout == "r.safetensors: 12 windows of 4 recordings, 1 skipped\n"
        assert load_reference(music.parent / "r.safetensors").windows == 12
        path.unlink()
    (music / "rock" / "bad.wav").write_bytes(b"RIFF")
    assert tunebench(*build, "--max-bad", "0").returncode == 5


def test_too_many_bad_files_stop_with_code_5(tunebench: Command, music: Path) -> None:
    for name in ("bad.wav", "worse.wav"):
        (music / "rock" / name).write_bytes(b"RIFF")
    build = ("reference", "build", music, "--embedder", SPECTRUM, "--out", "r.safetensors")
    stopped = tunebench(*build)
    assert stopped.returncode == 5
    assert "rock/worse.wav" in stopped.stderr
    assert not (music.parent / "r.safetensors").exists()
    assert tunebench(*build, "--max-bad", ".4").returncode == 4


def test_an_embedder_that_stumbles_over_one_recording_costs_only_that(music: Path, tmp_path: Path) -> None:
    soundfile.write(music / "loud.wav", np.tile([0.95, -0.95], 8000), 8000)
    ref = EmbedderRef(SPECTRUM.replace("Spectrum", "StumblingSpectrum"))
    built = build_reference(recordings_in(music), ref, tmp_path / "r.safetensors", "r")
    assert (built.recordings, built.bad) == (4, 1)
    assert built.skipped == ("loud.wav: RuntimeError: too loud",)


def test_a_name_in_the_manifest_is_found_in_another_spelling(music: Path, tmp_path: Path) -> None:
    composed, decomposed = "Caf\u00e9", "Cafe\u0301"
    for told, there in ((composed, decomposed), (decomposed, composed)):
        folder = tmp_path / told / there
        folder.mkdir(parents=True)
        shutil.copy(music / "jazz" / "0.flac", folder / f"{there}.flac")
        (tmp_path / told / "list.csv").write_text(f"file\n{told}/{told}.flac\n", encoding="utf-8")
        (recording,) = recordings_of(tmp_path / told / "list.csv")
        assert recording.path.is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "nowhere", "--embedder", SPECTRUM, "--out", "r.safetensors"], 2, "manifest nowhere"),
        (["build", ".", "--embedder", SPECTRUM, "--out", "r.safetensors"], 5, ".: "),
        (["build", ".", "--embedder", SPECTRUM, "--out", "r.npz"], 2, "ends in .safetensors"),
        (["show", "nothing.safetensors"], 2, "nothing.safetensors"),
        (["import", "x.npz", "--embedder", SPECTRUM, "--out", "r.npz"], 2, "ends in .safetensors"),
        (["import", "x.npz", "--embedder", SPECTRUM, "--out", "r.safetensors", "--param", "a"], 2, "--param: 'a'"),
        (["build", ".", "--embedder", SPECTRUM, "--out", "r.safetensors", "--param", "a=[1"], 2, "--param a: '[1'"),
    ],
)
def test_mistakes_are_one_line(tunebench: Command, arguments: list[str], code: int, message: str) -> None:
    ran = tunebench("reference", *arguments)
    assert ran.returncode == code
    assert message in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_the_same_sound_twice_is_one_recording(music: Path, tmp_path: Path) -> None:
    (music / "jazz" / "copy.flac").write_bytes((music / "jazz" / "0.flac").read_bytes())
    built = build_reference(recordings_in(music), REF, tmp_path / "r.safetensors", "r")
    assert (built.recordings, built.windows) == (4, 12)
    (skipped,) = built.skipped
    assert skipped.startswith("jazz/copy.flac: ") and "jazz/0.flac" in skipped


def test_silence_is_skipped_with_its_reason(music: Path, tmp_path: Path) -> None:
    soundfile.write(music / "silent.wav", np.zeros(8000), 8000)
    built = build_reference(recordings_in(music), REF, tmp_path / "r.safetensors", "r", ReferenceOptions(max_bad=0.2))
    assert built.skipped == ("silent.wav: silent",)


def test_statistics_only_is_the_gaussian_of_the_whole(music: Path, tmp_path: Path) -> None:
    for name, statistics_only in (("whole", False), ("gaussian", True)):
        options = ReferenceOptions(statistics_only)
        build_reference(recordings_in(music), REF, tmp_path / f"{name}.safetensors", name, options)
    whole, gaussian = (load_reference(tmp_path / f"{name}.safetensors") for name in ("whole", "gaussian"))
    np.testing.assert_array_equal(gaussian.mean, whole.mean)
    np.testing.assert_array_equal(gaussian.covariance, whole.covariance)
    assert gaussian.embeddings is None


def test_recordings_of_a_manifest(music: Path) -> None:
    table = music / "table.csv"
    table.write_text("file,genre,note\njazz/0.flac,bebop,x\nrock/2.flac,,y\n")
    assert recordings_of(table) == [
        Recording("jazz/0.flac", music / "jazz/0.flac", "bebop"),
        Recording("rock/2.flac", music / "rock/2.flac", None),
    ]
    assert [r.genre for r in recordings_of(table, "folder")] == ["jazz", "rock"]
    with pytest.raises(DataError, match=r"line 3: .*'genre'"):
        recordings_of(table, "manifest")
    lines = music / "lines.jsonl"
    lines.write_text('{"file": "jazz/0.flac"}\n\n{"file": "jazz/0.flac"}\n')
    with pytest.raises(DataError, match=r"line 3: 'jazz/0\.flac' is"):
        recordings_of(lines)
    lines.write_text('{"file": ')
    with pytest.raises(DataError, match=r"lines\.jsonl: .*JSONL"):
        recordings_of(lines)
    with pytest.raises(UsageError) as refused:
        recordings_of(music / "jazz" / "0.flac")
    assert all(word in str(refused.value) for word in ("0.flac", ".csv", ".jsonl"))


def statistics(dimension: int = 8, windows: int = 50, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).normal(size=(windows, dimension))
    return rows.mean(axis=0), np.cov(rows, rowvar=False)


def test_statistics_of_fadtk_are_imported_as_they_are(tunebench: Command, tmp_path: Path) -> None:
    mean, covariance = statistics()
    other = statistics(seed=1)
    np.savez(
        tmp_path / "stats.npz",
        **{"clap.mu": mean, "clap.cov": covariance, "vggish.mu": other[0], "vggish.cov": other[1]},
    )
    arguments = ("reference", "import", "stats.npz", "--embedder", SPECTRUM, "--out", "r.safetensors")
    assert "choose one with --model" in tunebench(*arguments).stderr
    assert "did you mean 'clap'" in tunebench(*arguments, "--model", "clop").stderr
    ran = tunebench(*arguments, "--model", "clap", "--windows", "50")
    assert ran.stdout == "r.safetensors: mean and covariance of 50 windows\n"
    reference = load_reference(tmp_path / "r.safetensors")
    np.testing.assert_array_equal(reference.mean, mean)
    np.testing.assert_array_equal(reference.covariance, covariance)
    assert (reference.windows, reference.warnings) == (50, ())


def test_an_unknown_count_is_bounded_by_the_rank_and_said(tmp_path: Path) -> None:
    mean, covariance = statistics(windows=5)
    np.savez(tmp_path / "s.npz", mu=mean, sigma=covariance)
    assert import_statistics(tmp_path / "s.npz", REF, tmp_path / "r.safetensors", "theirs") == 5
    reference = load_reference(tmp_path / "r.safetensors")
    assert reference.windows == 5
    assert reference.warnings[0] == Notice("W-COUNT", {"reference": "theirs", "windows": 5})


def test_statistics_that_are_none_are_refused(tmp_path: Path) -> None:
    mean, covariance = statistics()
    crooked, negative = covariance.copy(), covariance.copy()
    crooked[0, 1] += 1
    negative[0, 0] -= 100
    cases = {
        "8 dimensions": {"mu": mean[:5], "cov": covariance[:5, :5]},
        "not finite": {"mu": mean * np.nan, "cov": covariance},
        "not symmetric": {"mu": mean, "cov": crooked},
        "semi-definite": {"mu": mean, "cov": negative},
        "mu and cov": {"mu": mean},
    }
    for message, arrays in cases.items():
        np.savez(tmp_path / "s.npz", **arrays)
        with pytest.raises(DataError, match=message):
            import_statistics(tmp_path / "s.npz", REF, tmp_path / "r.safetensors", "r")
    np.savez(tmp_path / "s.npz", mu=mean, cov=covariance)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "s.npz").read_bytes()[:300])
    with pytest.raises(DataError, match=r"cut\.npz: truncated"):
        import_statistics(tmp_path / "cut.npz", REF, tmp_path / "r.safetensors", "r")
    np.savez(tmp_path / "pickled.npz", mu=np.array([{}], dtype=object), cov=covariance)
    with pytest.raises(DataError, match=r"pickled\.npz: truncated"):
        import_statistics(tmp_path / "pickled.npz", REF, tmp_path / "r.safetensors", "r")


@pytest.mark.slow
def test_a_hundred_thousand_windows_stream_through_in_constant_memory(tmp_path: Path) -> None:
    """Peak memory with 100,000 windows (51 MB of them) is that with a tenth, give or take a few MB."""
    import tracemalloc

    def peak(windows: int, statistics_only: bool) -> float:
        rng = np.random.default_rng(0)
        tracemalloc.start()
        with ReferenceWriter(tmp_path / f"{windows}.safetensors", statistics_only) as writer:
            for place in range(windows // 10):
                writer.add(f"{place}.wav", "0" * 64, None, rng.standard_normal((10, 128), dtype=np.float32))
            writer.finish("big", {"class": "test"})
        measured = tracemalloc.get_traced_memory()[1] / 1e6
        tracemalloc.stop()
        return measured

    for statistics_only in (True, False):
        small, large = (peak(windows, statistics_only) for windows in (10_000, 100_000))
        assert large - small < 12  # names and hashes of 10,000 recordings, and a block of the copy
    reference = load_reference(tmp_path / "100000.safetensors")
    assert reference.windows == 100_000
    np.testing.assert_allclose(reference.mean, 0, atol=0.02)
    np.testing.assert_allclose(reference.covariance, np.eye(128), atol=0.03)
