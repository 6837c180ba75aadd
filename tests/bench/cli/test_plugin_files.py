"""Code that a run folder names runs only where somebody allows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import bench
from bench import UsageError
from bench.cli.score import command as score_command
from bench.config.plugin_files import named_plugin_files
from bench.pipeline.merge_shards import merge
from bench.planning.shards import Shard

PLUGIN = """
from pathlib import Path
import numpy as np
from bench import ClipMetric, Embedder, Estimate, EmbedderRef, Score, SetMetric
Path(__file__).with_name("was-run").touch()

class Peak(ClipMetric):
    def score(self, clip):
        return Score.of(clip.audio.peak)

class Level(Embedder):
    dimension = 1
    def embed(self, audio):
        return np.full((2, 1), audio.peak, np.float32)

class Spread(SetMetric):
    needs_reference = False
    def __init__(self, embedder):
        self.embedders = (EmbedderRef(embedder),)
    def evaluate(self, clips, reference=None):
        return Estimate(1.0, 0.5, 1.5, len(clips.vectors))
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.py"
    path.write_text(f"{PLUGIN}# {tmp_path}\n")  # a file of one content is loaded once in a process
    return path


@pytest.fixture
def forget(plugin: Path) -> Callable[[], Path]:
    """As if another process had loaded the plugin; returns what it leaves behind when it is run."""
    import sys

    def forgotten() -> Path:
        for name in [name for name in sys.modules if name.startswith("tunebench_plugin_")]:
            del sys.modules[name]
        mark = plugin.with_name("was-run")
        mark.unlink(missing_ok=True)
        return mark

    return forgotten


def _settings(tiny: Path, *metrics: object) -> dict[str, Any]:
    return {
        "suite": "quick@1",
        "models": [{"name": f"{tiny}:Sine", "as": "sine"}],
        "metrics": list(metrics),
        "duration": 0.1,
        "executor": {"workers": 0},
    }


@pytest.mark.parametrize("place", ["name", "parameter"])
def test_score(tiny: Path, plugin: Path, forget: Callable[[], Path], place: str, tmp_path: Path) -> None:
    metric: object = f"{plugin}:Peak"
    if place == "parameter":
        metric = {"name": "kad", "params": {"embedder": f"{plugin}:Level"}}
    run = bench.run(_settings(tiny, f"{tiny}:Peak"), tmp_path / "out")
    frozen = run.folder / "config.yaml"
    content = yaml.safe_load(frozen.read_text())
    content["metrics"] = [metric]
    frozen.write_text(yaml.safe_dump(content))
    mark = forget()
    with pytest.raises(UsageError) as refused:
        score_command([run.folder], workers=0)
    assert str(plugin) in str(refused.value)
    assert not mark.exists()
    if place == "name":
        score_command([run.folder], workers=0, plugin_files=True)
        assert mark.exists()
        mark = forget()
        score_command([run.folder], metric=[f"{plugin}:Peak"], workers=0)  # who asks for it by name has seen it
        assert mark.exists()


def test_merge(tiny: Path, plugin: Path, forget: Callable[[], Path], tmp_path: Path) -> None:
    spread = {"name": f"{plugin}:Spread", "params": {"embedder": f"{plugin}:Level"}}
    out = tmp_path / "out"
    for index in (1, 2):
        bench.run(_settings(tiny, f"{plugin}:Peak", spread), out, shard=Shard(index, 2))
    mark = forget()
    with pytest.raises(UsageError) as refused:
        merge(out)
    assert str(plugin) in str(refused.value)
    assert not mark.exists()
    assert len(list((out / "audio/sine").iterdir())) == 12
    merged = merge(out, plugin_files=True)
    assert merged.lacking == []
    assert {"Peak@1", "Spread[embedder=Level]@1"} <= set(merged.run.leaderboard()["metric"])


def test_merge_needs_none_where_shards_scored_all(
    tiny: Path, plugin: Path, forget: Callable[[], Path], tmp_path: Path
) -> None:
    for index in (1, 2):
        bench.run(_settings(tiny, f"{plugin}:Peak"), tmp_path / "out", shard=Shard(index, 2))
    mark = forget()
    merged = merge(tmp_path / "out")
    assert merged.lacking == []
    assert not mark.exists()


@pytest.mark.parametrize(
    ("value", "files"),
    [
        ("kad@1", []),
        ("a/b.py:Metric@2", ["a/b.py:Metric"]),
        (
            {"name": "kad", "params": {"embedder": "x.py:E", "deep": [{"more": ("y.py:F", 1, None)}]}},
            ["x.py:E", "y.py:F"],
        ),
        ("x.py", []),
        ("C:/x.py:Metric", ["C:/x.py:Metric"]),
        ("plugins/x.py:", []),
    ],
)
def test_files_are_found_wherever_they_are_named(value: object, files: list[str]) -> None:
    assert list(named_plugin_files(value)) == files
