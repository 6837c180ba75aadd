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
from bench.errors import DataError, TransientError, Undefined, UsageError
from bench.file_hash import FileChanged
from metrics.embedders.command import CommandEmbedder

_START = """
import json, os, sys, time
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


# Each costs the second clip alone: what the program does with it, and the class of what it gets.
MISBEHAVIOR = {
    "omitted": ("continue", DataError),
    "not a number": ("vectors[r['id']] = np.full((2, 3), np.nan); continue", DataError),
    "infinite": ("vectors[r['id']] = np.full((2, 3), np.inf); continue", DataError),
    "too large for 32 bits": ("vectors[r['id']] = np.full((2, 3), 1e200); continue", DataError),
    "another dimension": ("vectors[r['id']] = np.ones((2, 4)); continue", DataError),
    "no windows' axis": ("vectors[r['id']] = np.ones(3); continue", DataError),
    "text": ("vectors[r['id']] = np.array([['a', 'b', 'c']]); continue", DataError),
    "complex numbers": ("vectors[r['id']] = np.ones((2, 3), dtype=complex); continue", DataError),
    "a pickle": ("vectors[r['id']] = np.array([[{}, 1, 2]], dtype=object); continue", DataError),
    "another id": ("vectors['9999'] = embed(r); continue", DataError),
    "no windows": ("vectors[r['id']] = np.ones((0, 3)); continue", Undefined),
    "crash": ("os._exit(1)", DataError),
    "signal": ("os.abort()", DataError),
    "a flood on stderr": ("sys.stderr.write('no\\n' * 10**6); sys.stderr.flush(); os._exit(1)", DataError),
    "a damaged file": (
        "np.savez_compressed(open(sys.argv[2], 'wb'), **{r['id']: np.zeros((900, 3))}); b = bytearray(Path(sys.argv[2])"
        ".read_bytes()); b[80:90] = b'x' * 10; Path(sys.argv[2]).write_bytes(b); os._exit(1)",
        DataError,
    ),
    "half a file": ("Path(sys.argv[2]).write_bytes(b'PK' * 50); os._exit(1)", DataError),
    "a file that unpacks without end": (
        "import zipfile; f = zipfile.ZipFile(sys.argv[2], 'w'); f.filelist.append(zipfile.ZipInfo('a')); "
        "f.filelist[0].file_size = 2**33; f._didModify = True; f.close(); os._exit(1)",
        DataError,
    ),
    "busy": ("sys.exit(75)", TransientError),
}


@pytest.mark.parametrize("name", MISBEHAVIOR)
def test_misbehavior_costs_its_own_clip_alone(name: str, embedder: Callable[..., CommandEmbedder]) -> None:
    deed, kind = MISBEHAVIOR[name]
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
    assert len(str(second)) < 600


def test_one_that_takes_too_long_is_stopped(embedder: Callable[..., CommandEmbedder]) -> None:
    (found,) = embedder("time.sleep(60)", timeout=0.3).embed_together(AUDIO[:1])
    assert isinstance(found, DataError)
    assert "0.3 s" in str(found)


def test_what_has_an_answer_is_not_asked_again(embedder: Callable[..., CommandEmbedder], tmp_path: Path) -> None:
    made = embedder(
        f"""
        print(len(requests), file=open({str(tmp_path / "calls")!r}, "a"))
        for r in requests: vectors[r["id"]] = embed(r)
        vectors["0002"] = np.ones((0, 3))
        vectors.pop("0003", None)
        np.savez(open(sys.argv[2], "wb"), **vectors); sys.exit(3)
        """
    )
    found = made.embed_together(AUDIO)
    assert isinstance(found[1], Undefined)
    assert isinstance(found[2], np.ndarray)
    assert (tmp_path / "calls").read_text().split() == ["3", "1"]


def test_a_program_that_changed_midway_is_told(embedder: Callable[..., CommandEmbedder]) -> None:
    made = embedder("open(__file__, 'a').write('# more'); vectors = {r['id']: embed(r) for r in requests}")
    with pytest.raises(FileChanged):
        made.embed_together(AUDIO)


SAME_FUNCTION = """
import numpy as np

from bench import Embedder


class Levels(Embedder):
    dimension = 4

    def embed(self, audio):
        return levels(audio.samples)


def levels(samples):
    parts = np.array_split(np.asarray(samples, dtype=np.float64).mean(axis=0), 12)
    return np.log1p([np.abs(part).mean() for part in parts]).reshape(3, 4).astype(np.float32)
"""

EMBED = """
import json, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
import soundfile
from same import levels
vectors = {}
for line in open(sys.argv[1]):
    request = json.loads(line)
    vectors[request["id"]] = levels(soundfile.read(request["clip"], dtype="float32", always_2d=True)[0].T)
np.savez(open(sys.argv[2], "wb"), **vectors)
"""


def test_a_command_gives_the_table_of_the_same_function_in_process(tmp_path: Path) -> None:
    (tmp_path / "same.py").write_text(SAME_FUNCTION)
    (tmp_path / "embed.py").write_text(EMBED)
    command = [sys.executable, str(tmp_path / "embed.py"), "{requests}", "{vectors}"]

    def table(**embedder: Any) -> list[list[str]]:
        config = {
            "models": ["composer", "noise"],
            "metrics": [{"name": name, "params": dict(embedder)} for name in ("diversity", "kad")],
            "limit": 6,
            "duration": 1.0,
            "executor": {"workers": 0},
        }
        run = bench.run({**config, "reference": str(tmp_path / "music")}, tmp_path / f"run{len(embedder)}")
        assert run.failures() == []
        wide = run.leaderboard(wide=True)
        return [[repr(value) for value in wide[column]] for column in wide.columns]

    (tmp_path / "music").mkdir()
    for number, audio in enumerate(AUDIO):
        bench.contracts.audio.write_flac(tmp_path / "music" / f"{number}.flac", audio)
    inside = table(embedder=f"{tmp_path}/same.py:Levels")
    outside = table(embedder="command", embedder_params={"command": command, "dimension": 4, "batch_size": 5})
    assert inside == outside
    assert sum("nan" not in column for column in inside) >= 5  # a value and an interval of each metric, and the names


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
