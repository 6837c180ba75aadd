"""Embedders as a command: real programs that embed, and that misbehave."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
import metrics.embedders.command
from bench.errors import DataError, Undefined, UsageError
from metrics.embedders.command import CommandEmbedder

_START = """
import json, os, sys
from pathlib import Path
import numpy as np
import soundfile
requests = [json.loads(line) for line in open(sys.argv[1])]
vectors = {}
def embed(request):
    samples, _ = soundfile.read(request["clip"], dtype="float32", always_2d=True)
    return samples.mean(axis=1)[:6].reshape(2, 3)
"""
_END = "\nnp.savez(open(sys.argv[2], 'wb'), **vectors)\n"

AUDIO = [
    bench.Audio(np.random.default_rng(seed).normal(0, 0.1, (1, 1000)).astype(np.float32), 8000) for seed in range(3)
]


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CommandEmbedder]:
    (tmp_path / "temporary").mkdir()  # for logs that are kept
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def write(body: str, **params: Any) -> CommandEmbedder:
        script = tmp_path / "embed.py"
        script.write_text(_START + textwrap.dedent(body) + _END)
        return CommandEmbedder([sys.executable, str(script), "{requests}", "{vectors}"], 3, **params)

    return write


def test_vectors_are_those_of_the_same_function_in_process(embedder: Callable[..., CommandEmbedder]) -> None:
    found = embedder("vectors = {r['id']: embed(r) for r in requests}").embed_together(AUDIO)
    for vectors, audio in zip(found, AUDIO, strict=True):
        assert isinstance(vectors, np.ndarray)
        np.testing.assert_array_equal(vectors, audio.samples.mean(axis=0)[:6].reshape(2, 3))


@pytest.mark.parametrize(
    ("deed", "kind"),
    [
        ("continue", DataError),
        ("vectors[r['id']] = np.full((2, 3), np.nan); continue", DataError),
        ("vectors[r['id']] = np.ones((2, 4)); continue", DataError),
        ("vectors[r['id']] = np.ones(3); continue", DataError),
        ("vectors[r['id']] = np.array([['a', 'b', 'c']]); continue", DataError),
        ("vectors[r['id']] = np.array([[{}, 1, 2]], dtype=object); continue", DataError),
        ("vectors[r['id']] = np.ones((0, 3)); continue", Undefined),
        ("os._exit(1)", DataError),
    ],
)
def test_misbehavior_costs_its_own_clip_alone(
    deed: str, kind: type[Exception], embedder: Callable[..., CommandEmbedder]
) -> None:
    level = float(np.abs(AUDIO[1].samples).max())
    body = f"""
        for r in requests:
            if abs(np.abs(soundfile.read(r["clip"], dtype="float32")[0]).max() - {level!r}) < 1e-7:
                {deed}
            vectors[r["id"]] = embed(r)
    """
    first, second, third = embedder(body).embed_together(AUDIO)
    assert isinstance(first, np.ndarray)
    assert isinstance(third, np.ndarray)
    assert isinstance(second, kind)
    assert "\n" not in str(second)


def test_a_file_that_is_no_npz_is_said_in_a_line(embedder: Callable[..., CommandEmbedder]) -> None:
    found = embedder("Path(sys.argv[2]).write_text('no'); sys.exit()").embed_together(AUDIO)
    assert all(isinstance(one, DataError) for one in found)


@pytest.mark.parametrize("params", [{"dimension": 0}, {"batch_size": 0}, {"weights": "a.pt"}, {"command": ["a"]}])
def test_what_is_declared_is_checked(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CommandEmbedder(**{"command": ["python", "{requests}", "{vectors}"], "dimension": 3, **params})


def test_documented_program_joins_a_run_in_batches(tmp_path: Path) -> None:
    script = tmp_path / "embed.py"
    assert metrics.embedders.command.__doc__
    program = textwrap.dedent(metrics.embedders.command.__doc__.partition("A whole program::\n")[2])
    script.write_text(f"{program}\nprint('called', file=open({str(tmp_path / 'calls')!r}, 'a'))\n")
    params = {"command": [sys.executable, str(script), "{requests}", "{vectors}"], "dimension": 512, "batch_size": 4}
    config = {
        "models": ["composer"],
        "limit": 6,
        "metrics": [{"name": "diversity", "params": {"embedder": "command", "embedder_params": params}}],
        "duration": 1.0,
        "executor": {"workers": 0},
    }
    run = bench.run(config, tmp_path / "run")
    assert run.failures() == []
    assert (tmp_path / "calls").read_text().count("called") == 2
    bench.run(config, tmp_path / "run")
    assert (tmp_path / "calls").read_text().count("called") == 2
