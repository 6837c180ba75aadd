"""Work grows as the number of clips does: counted in lines and in steps of SQLite, since clocks are others' too."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import bench
from bench.cli.compare import comparison
from bench.config.run_config import load_config, parse_config
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.leaderboard.render import render
from bench.pipeline.dry_run import preview
from bench.planning.plan import make_plan
from bench.scores.clip_table import clip_table
from bench.storage.store import Store
from models.folder import FolderModel
from models.known_names import KnownNames

FEW, TIMES = 160, 4
MOST = TIMES**1.1
"""How much more may be done for four times as many clips."""


def _builder() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "large_run.py"
    spec = importlib.util.spec_from_file_location("large_run", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["large_run"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders with a finished run of few clips, and of four times as many."""
    builder, folder = _builder(), tmp_path_factory.mktemp("runs")
    for clips in (FEW, TIMES * FEW):
        builder.build_run(folder / str(clips), builder.Size(clips, metrics=2))
    return {clips: folder / str(clips) for clips in (FEW, TIMES * FEW)}


def _plan(folder: Path) -> object:
    return make_plan(load_config(folder / "run.yaml"))


def _adopt(folder: Path) -> object:
    return _builder().build_run(folder / "again", _builder().Size(int(folder.name), metrics=2))


def _batches(folder: Path) -> object:
    """Of as many models as a sweep makes, each of few clips."""
    plan = make_plan(load_config(folder / "run.yaml"))
    count = len(plan.clips) // 4
    models = tuple(replace(plan.models[0], label=f"m{i}") for i in range(count))
    clips = tuple(replace(clip, model=f"m{place % count}") for place, clip in enumerate(plan.clips))
    return list(replace(plan, models=models, clips=clips).batches())


def _misses(folder: Path) -> object:
    count = int(folder.name)
    manifest = folder / "manifest.csv"
    manifest.write_text("prompt,file\n" + "".join(f"there-{i},{i}.wav\n" for i in range(count)))
    model = FolderModel(folder, manifest.name)
    return model.generate([GenerationRequest(Prompt(f"gone-{i}", "a tune"), 0, 1.0) for i in range(count)])


def _manifest_of_models(folder: Path) -> object:
    """A row for each ten lines, which read the file that they share."""
    count = int(folder.name)
    manifest = folder / "models.csv"
    manifest.write_text("prompt,file,model\n" + "".join(f"p{i},{i}.wav,m{i // 10}\n" for i in range(count)))
    prompts = [Prompt("p1", "a tune")]
    return [FolderModel(folder, manifest.name, f"m{i}").available(prompts) for i in range(count // 10)]


def _export(folder: Path) -> object:
    with Store.read(folder / "run") as store:
        return clip_table(store)


PATHS: dict[str, Callable[[Path], object]] = {
    "planning": _plan,
    "batches": _batches,
    "a dry run": lambda folder: preview(folder / "run.yaml", folder / "run"),
    "storing": _adopt,
    "resuming": lambda folder: bench.run(folder / "run.yaml", folder / "run"),
    "a leaderboard": lambda folder: render(folder / "run", by="genre"),
    "a comparison": lambda folder: comparison(folder / "run", "m0", "m1"),
    "exporting": _export,
    "a manifest with misses": _misses,
    "a manifest of many models": _manifest_of_models,
    "a list of seeds": lambda folder: parse_config({"seeds": list(range(int(folder.name)))}).as_yaml(),
}


@pytest.mark.slow(10)
@pytest.mark.parametrize("path", PATHS)
def test_four_times_the_clips_are_about_four_times_the_work(
    path: str, runs: dict[int, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    PATHS[path](runs[FEW])  # what is imported and cached once is no part of it
    few, many = (_work(partial(PATHS[path], runs[at]), monkeypatch) for at in (FEW, TIMES * FEW))
    assert many <= MOST * few


def _work(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many lines of Python run, each time round a loop counted, and functions of C and dozens of SQLite's steps."""
    counts = {"line": 0, "c_call": 0, "step": 0}

    def traced(_frame: object, event: str, _argument: object) -> Any:
        if event in counts:
            counts[event] += 1
        return traced

    def step() -> int:
        counts["step"] += 1
        return 0

    connect = sqlite3.connect

    def counted(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_progress_handler(step, 12)
        return connection

    before = sys.gettrace()
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", counted)
        sys.setprofile(traced)
        sys.settrace(traced)
        try:
            act()
        finally:
            sys.settrace(before)
            sys.setprofile(None)
    assert sum(counts.values()) > 100
    return sum(counts.values())


def test_of_many_names_those_that_begin_alike_are_shown() -> None:
    names = KnownNames([f"clip-{i}" for i in range(5000)] + ["Jazz-3_b.wav", "jazz-3.wav", "my-jazz-3.wav"])
    assert names.nearest("jazz-3").split(", ")[:2] == ["jazz-3.wav", "Jazz-3_b.wav"]
    few = KnownNames(["a", "my-jazz-3.wav", "jazz-3.wav"])
    assert few.nearest("JAZZ-3") == "jazz-3.wav, my-jazz-3.wav, a"
