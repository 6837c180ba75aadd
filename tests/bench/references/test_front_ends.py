"""References of audio prepared in one way for clips prepared in another, and settings of one's own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from bench.cli import app
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.contracts.notice import Notice
from bench.errors import UsageError
from bench.hashing import fingerprint
from bench.planning.metric_plan import plan_embedder
from bench.references.build import ReferenceOptions, build_reference
from bench.references.find import find_reference
from bench.references.front_ends import front_end_of
from bench.references.load import load_reference

OWN = {"name": "mine", "channels": "first", "level": "peak", "target": -1, "rate": 8000, "window": 0.5}


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for number in range(4):
        samples = rng.normal(0, 0.05, (8000, 2)) * [1, 0.5]
        soundfile.write(folder / f"{number}.wav", samples, 8000, subtype="FLOAT")
    return folder


@pytest.fixture
def ref(tmp_path: Path) -> EmbedderRef:
    """A program that gives the level and the first samples of each window."""
    script = tmp_path / "embed.py"
    script.write_text(
        "import json, sys\nimport numpy as np\nimport soundfile\nvectors = {}\n"
        "for r in map(json.loads, open(sys.argv[1])):\n"
        "    parts = [soundfile.read(f, always_2d=True)[0][:, 0] for f in r.get('windows') or [r['clip']]]\n"
        "    vectors[r['id']] = np.array([[np.abs(p).max(), p[0], p[1]] for p in parts])\n"
        "np.savez(open(sys.argv[2], 'wb'), **vectors)\n"
    )
    return EmbedderRef("command", {"command": [sys.executable, str(script), "{requests}", "{vectors}"], "dimension": 3})


def with_params(ref: EmbedderRef, **params: Any) -> EmbedderRef:
    return EmbedderRef(ref.name, {**ref.params, **params})


def test_settings_prepare_the_music_and_are_its_identity(music: Path, ref: EmbedderRef, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    built = build_reference(music, with_params(ref, front_end=OWN), path)
    assert (built.windows, built.recordings) == (8, 4)
    reference = load_reference(path)
    assert reference.embeddings is not None
    peaks = reference.embeddings.vectors[:, 0].reshape(4, 2).max(axis=1)
    np.testing.assert_allclose(peaks, 10 ** (-1 / 20), rtol=1e-5)
    assert front_end_of(reference.about) == (
        "mine: first channel, soxr to 8,000 Hz, peak at -1 dB, windows of 0.5 s every 0.5 s, the last followed by zeros"
    )
    explicit = {**OWN, "hop": 0.5, "padding": "zeros", "precision": 32, "center": False}
    same = plan_embedder(with_params(ref, front_end=explicit))
    assert find_reference(str(path), same).fingerprint == reference.fingerprint
    for change in ({"target": -2}, {"hop": 0.25}, {"name": "other"}, {"rounding": ["wav"]}, {"pooling": "mean"}):
        other = plan_embedder(with_params(ref, front_end={**OWN, **change}))
        assert other.fingerprint != same.fingerprint
        with pytest.raises(UsageError, match="--compare-with") as caught:
            find_reference(str(path), other)
        assert "\n" not in str(caught.value)


def test_building_for_clips_of_another_front_end_marks_every_score(
    music: Path, ref: EmbedderRef, tmp_path: Path
) -> None:
    params = [f"--param={name}={json.dumps(value)}" for name, value in ref.params.items()]
    marked, plain = tmp_path / "marked.safetensors", tmp_path / "plain.safetensors"
    for path, more in ((marked, ["--compare-with", json.dumps(OWN)]), (plain, [])):
        done = CliRunner().invoke(
            app, ["reference", "build", str(music), "--embedder", "command", *params, "--out", str(path), *more]
        )
        assert done.exit_code == 0, done.output
    clips = plan_embedder(with_params(ref, front_end=OWN))
    reference = load_reference(marked)
    assert find_reference(str(marked), clips).fingerprint == reference.fingerprint
    assert reference.warnings == (
        Notice("W-FRONT-END", {"reference": "marked", "music": "tunebench", "clips": "mine"}),
    )
    unmarked = load_reference(plain)
    assert unmarked.warnings == ()
    assert reference.embeddings is not None
    assert unmarked.embeddings is not None
    np.testing.assert_array_equal(reference.embeddings.vectors, unmarked.embeddings.vectors)
    with pytest.raises(UsageError, match="leave front_end out"):
        find_reference(str(plain), clips)
    with pytest.raises(UsageError):
        find_reference(str(marked), plan_embedder(ref))
    # For clips of its own front end there is nothing to mark.
    options = ReferenceOptions(compare_with="tunebench")
    build_reference(music, ref, tmp_path / "same.safetensors", options=options)
    assert load_reference(tmp_path / "same.safetensors").warnings == ()


def test_importing_takes_settings_on_the_command_line(ref: EmbedderRef, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 3))
    np.savez(tmp_path / "s.npz", mu=vectors.mean(axis=0), cov=np.cov(vectors.T))
    params = [f"--param={name}={json.dumps(value)}" for name, value in ref.params.items()]

    def imported(*more: str) -> Any:
        asked = ["reference", "import", str(tmp_path / "s.npz"), "--embedder", "command", "--windows", "50", *params]
        return CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "r.safetensors"), *more])

    assert isinstance(imported().exception, UsageError)  # nobody says how the audio was prepared
    for bad in ("{name: mine, levle: peak}", "{name: mine", "{}", "stable-audio-metrics-past", "{name: tunebench}"):
        failed = imported("--front-end", bad)
        assert isinstance(failed.exception, UsageError), bad
        assert "\n" not in str(failed.exception)
    own = "{name: mine, channels: first, level: peak, target: -1, rate: 8000, window: 0.5}"
    assert imported("--front-end", own).exit_code == 0
    found = find_reference(str(tmp_path / "r.safetensors"), plan_embedder(with_params(ref, front_end=OWN)))
    assert load_reference(found.path).warnings == ()
    assert imported("--front-end", "stable-audio-metrics-openl3", "--compare-with", own).exit_code == 0
    (warning,) = load_reference(tmp_path / "r.safetensors").warnings
    assert warning.params["music"] == "stable-audio-metrics-openl3"
    both = imported("--front-end", own, "--param", "front_end=stable-audio-metrics-openl3")
    assert isinstance(both.exception, UsageError)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "name"),
        ({"name": "fadtk"}, "name fadtk"),
        ({"name": "tunebench"}, "name tunebench"),
        ({"name": "m", "levle": "peak"}, "'level'"),
        ({"name": "m", "level": "peak"}, "target"),
        ({"name": "m", "level": "peak", "target": -61}, "target"),
        ({"name": "m", "target": -1}, "level"),
        ({"name": "m", "hop": 1}, None),
        ({"name": "m", "window": 5}, "window"),
        ({"name": "m", "hop": -1}, "hop"),
        ({"name": "m", "channels": "stereo"}, "channels"),
        ({"name": "m", "rate": 48_000}, "rate"),
        ({"name": "m", "center": 1}, "center"),
        ({"name": "m", "padding": "repeat"}, "padding"),
        ({"name": "m", "selection": "random", "padding": "zeros"}, "padding"),
        ({"name": "m", "rounding": "wav"}, "rounding"),
        ({"name": "m", "precision": 8}, "precision"),
        ({"name": "a b"}, "name"),
    ],
)
def test_wrong_settings_are_refused_in_a_line(settings: dict[str, Any], said: str | None) -> None:
    ref = EmbedderRef("clap-laion", {"front_end": settings})
    if said is None:
        front_end = load_embedder(ref).published_front_end
        assert front_end is not None
        assert (front_end.window, front_end.hop) == (10, 1)
        return
    with pytest.raises(UsageError, match=said) as caught:
        load_embedder(ref)
    assert "\n" not in str(caught.value)
    assert "front_end" in str(caught.value)


def test_one_front_end_has_one_identity_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"any")

    def print_of(front_end: Any) -> str:
        ref = EmbedderRef("clap-laion", {"checkpoint": str(tmp_path / "w.pt"), "front_end": front_end})
        return fingerprint(embedder_identity(ref, load_embedder(ref)))

    once = print_of({"name": "m", "level": "peak", "target": -3})
    assert print_of({"target": -3.0, "name": "m", "level": "peak", "window": 10, "rounding": []}) == once
    assert len({once, print_of(None), print_of("fadtk"), print_of({"name": "n", "level": "peak", "target": -3})}) == 4
