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
from bench.leaderboard.render import render
from bench.pipeline.repair_run import inspect_run, repair_run
from bench.scores.clip_table import clip_table, written
from bench.storage.store import Store
from tests.faults.conftest import Trials, amounts

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


@amounts(100, 1000)
@pytest.mark.slow(8)
def test_flipped_bits_and_printed_numbers(trials: Trials, made: Path, tmp_path: Path, count: int) -> None:
    """What is printed is as before, or refused in one line."""
    run = tmp_path / "run"
    shutil.copytree(made, run)
    whole, before = (run / "run.db").read_bytes(), printed(run)
    told: collections.Counter[str] = collections.Counter()

    def trial(rng: np.random.Generator) -> None:
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

    trials.make(count, trial)
    assert min(told["refused"], told["unchanged"]) > 0, told  # some bits are of free space, and some of rows


@amounts(5, 100)
@pytest.mark.slow(4)
def test_repairs_after_flipped_bits(trials: Trials, made: Path, tmp_path: Path, count: int) -> None:
    """What a repair forgets is computed again, and nothing else changes."""
    run, before = tmp_path / "run", printed(made)

    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(made, run)
        place = flip(run, (made / "run.db").read_bytes(), rng)
        repaired = repair_run(run, plugin_files=True)
        assert repaired.unmade == 0 and not repaired.settled.set_aside, place
        assert inspect_run(run) == [], place
        bench.run(load_config(run / "config.yaml"), run)
        assert printed(run) == before, place

    trials.make(count, trial)
