"""Bits of a run's database flipped, one at a time: no printed number changes without a word."""

from __future__ import annotations

import collections
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import Audio
from bench.comparison.compare import ComparisonOptions, compare
from bench.config.run_config import load_config
from bench.contracts.audio import write_flac
from bench.errors import DataError
from bench.export.clip_table import clip_table, written
from bench.leaderboard.render import render
from bench.pipeline.repair_run import inspect_run, repair_run
from bench.storage.store import Store

PLUGINS = Path(__file__).parents[1] / "plugins"
LEVELS = f"{PLUGINS / 'levels.py'}:Levels"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a metric of clips and a distance, with embeddings, and rows that were replaced and removed."""
    folder = tmp_path_factory.mktemp("flips")
    rng = np.random.default_rng(3)
    for place in range(6):
        noise = rng.uniform(-0.9, 0.9, size=4000).astype(np.float32)
        write_flac(folder / "music" / ("jazz" if place < 3 else "rock") / f"{place}.flac", Audio(noise, 8000))
    config = {
        "models": [{"name": LEVELS, "as": "base"}, {"name": LEVELS, "as": "tuned", "params": {"shift": 0.2}}],
        "metrics": [
            f"{PLUGINS / 'levels.py'}:Peak",
            {"name": "kad", "params": {"embedder": f"{PLUGINS / 'tiny.py'}:Bands"}},
        ],
        "duration": 0.5,
        "reference": str(folder / "music"),
        "executor": {"workers": 0},
    }
    run = bench.run(config, folder / "run").folder
    compare(run, "base", "tuned", options=ComparisonOptions(plugin_files=True))
    return run


def printed(run: Path) -> tuple[str, ...]:
    """What readers print of a run."""
    with Store.read(run) as store:
        clips = written(clip_table(store), "csv").decode()
        failures = [str(failure) for failure in store.failures()]
    compared = [comparison.record() for comparison in compare(run, "base", "tuned")]
    return (str(render(run, "json", by="genre")), json.dumps(compared), clips, *failures)


def flip(run: Path, whole: bytes, rng: np.random.Generator) -> int:
    """Flip one bit of ``run.db`` and return its place."""
    place = int(rng.integers(8 * len(whole)))
    data = bytearray(whole)
    data[place // 8] ^= 1 << place % 8
    (run / "run.db").write_bytes(data)
    return place


@pytest.mark.parametrize("count", [100, pytest.param(1500, marks=pytest.mark.faults)], ids=["short", "full"])
@pytest.mark.slow(8)
def test_no_flipped_bit_changes_a_printed_number(made: Path, tmp_path: Path, count: int) -> None:
    run = tmp_path / "run"
    shutil.copytree(made, run)
    whole, before = (run / "run.db").read_bytes(), printed(run)
    rng = np.random.default_rng(count)
    told: collections.Counter[str] = collections.Counter()
    for _ in range(count):
        place = flip(run, whole, rng)
        try:
            after = printed(run)
        except DataError as error:
            message = str(error)
            assert "\n" not in message and "tunebench check run" in message, place
            told["refused"] += 1
        else:
            assert after == before, place
            told["unchanged"] += 1
    assert min(told.values()) > 0, told  # some bits are of free space, and some of rows


@pytest.mark.parametrize("count", [5, pytest.param(300, marks=pytest.mark.faults)], ids=["short", "full"])
@pytest.mark.slow(4)
def test_a_run_is_repaired_after_any_flip(made: Path, tmp_path: Path, count: int) -> None:
    """What a repair forgets is computed again, and nothing else changes."""
    run = tmp_path / "run"
    before, rng = printed(made), np.random.default_rng(count + 1)
    for _ in range(count):
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(made, run)
        place = flip(run, (made / "run.db").read_bytes(), rng)
        repaired = repair_run(run, plugin_files=True)
        assert repaired.unmade == 0 and not repaired.settled.set_aside, place
        assert inspect_run(run) == [], place
        bench.run(load_config(run / "config.yaml"), run)
        assert printed(run) == before, place
