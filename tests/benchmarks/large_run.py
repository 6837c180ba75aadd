"""Runs of any size in seconds: what a run of so many clips and metrics stores, written by the store and never made.

    python tests/benchmarks/large_run.py FOLDER --clips 100000 --metrics 10

writes ``FOLDER/run.yaml``, its suite, and the run folder ``FOLDER/run``. Every clip is made and scored; its file is
there and empty, unless ``--no-files`` leaves files out, which every command but ``run`` does without.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench.config.run_config import load_config  # noqa: E402
from bench.contracts.clip_view import View  # noqa: E402
from bench.pipeline.run import about_plan  # noqa: E402
from bench.planning.metric_plan import ScoreKey  # noqa: E402
from bench.planning.plan import Plan, make_plan  # noqa: E402
from bench.storage.frozen_config import freeze, with_seeds  # noqa: E402
from bench.storage.store import Store  # noqa: E402
from bench.storage.task_results import ClipMade, ClipScored, ClipScores  # noqa: E402

PLUGINS = ROOT / "tests" / "plugins" / "large.py"
GENRES, LEVELS = 6, 3


@dataclass(frozen=True)
class Size:
    """How large a run is: ``clips`` in all, a multiple of models × seeds, and what they are divided into."""

    clips: int
    metrics: int = 10
    models: int = 2
    seeds: int = 5

    @property
    def prompts(self) -> int:
        return self.clips // (self.models * self.seeds)


def write_config(folder: Path, size: Size, seeds: str = "") -> Path:
    """Write ``run.yaml`` and its suite to a folder, and return the path of the former.

    Args:
        folder: where to; it is made if it does not exist.
        size: of the run.
        seeds: of the configuration, as YAML; by default those that the size says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suite = folder / "suite.yaml"
    prompts = (
        f"  - {{id: p{i}, text: tune number {i}, genre: g{i % GENRES}, level: {i % LEVELS + 1}}}\n"
        for i in range(size.prompts)
    )
    suite.write_text(f"name: large\nversion: 1\nprompts:\n{''.join(prompts)}")
    models = ", ".join(f"{{name: '{PLUGINS}:Silence', as: m{i}, params: {{row: {i}}}}}" for i in range(size.models))
    metrics = ", ".join(f"{{name: '{PLUGINS}:Level', params: {{number: {i}}}}}" for i in range(size.metrics))
    config = folder / "run.yaml"
    config.write_text(
        f"suite: {suite}\nmodels: [{models}]\nmetrics: [{metrics}]\nduration: 0.01\n"
        f"seeds: {seeds or list(range(size.seeds))}\nexecutor: {{workers: 0}}\n"
    )
    return config


def build_run(folder: Path, size: Size, files: bool = True) -> Path:
    """Write a configuration and a finished run of it to a folder, and return the path of the run.

    Args:
        folder: for both; the run is ``folder / "run"``.
        size: of the run.
        files: whether there is a file for each clip, empty as it is.
    """
    settings = load_config(write_config(folder, size))
    plan, run = make_plan(settings), folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    with Store.open(run) as store:
        store.rows("PRAGMA synchronous = OFF")  # a power failure may cost it
        store.adopt(plan, about_plan(plan))
        freeze(store, with_seeds(settings, plan))
        rng = np.random.default_rng(0)
        store.record_clips(_made(plan))
        store.show(plan.metrics, View(), {})
        for scores in _scored(plan, rng):
            store.record_clip_scores(scores)
    if files:
        for model in plan.models:
            (run / "audio" / model.label).mkdir(parents=True)
        for clip in plan.clips:
            (run / clip.path).touch()
    return run


def _made(plan: Plan) -> Iterator[ClipMade]:
    provenance = {"machine": "none", "batch": 4, "params": {}}
    for clip in plan.clips:
        # No two clips sound alike, so none has the content of another.
        yield ClipMade(clip.id, clip.id, 8000, 1, 80, 0.5, 1.0, 0.25, None, provenance)


def _scored(plan: Plan, rng: np.random.Generator) -> Iterator[ClipScores]:
    """Values that differ by prompt, by model and by clip; a hundredth of them is undefined."""
    keys = [metric.key(View()) for metric in plan.metrics]
    of_prompts = {prompt.id: float(rng.uniform(20, 80)) for prompt in plan.suite.prompts}
    of_models = {model.label: 0.1 * place for place, model in enumerate(plan.models)}
    for clip in plan.clips:
        center = of_prompts[clip.prompt.id] + of_models[clip.model]
        values = center + rng.normal(size=len(keys))
        undefined = rng.uniform(size=len(keys)) < 0.01
        found = zip(keys, values.tolist(), undefined.tolist(), strict=True)
        yield ClipScores(clip.id, [_score(clip.id, key, None if none else value) for key, value, none in found])


def _score(clip: str, key: ScoreKey, value: float | None) -> ClipScored:
    if value is None:
        return ClipScored(clip, key, reason="3 notes, needs 20", seconds=0.01)
    return ClipScored(clip, key, value, details={"chance": 50.0, "peak": value}, seconds=0.01)


def main() -> int:
    """Build the run that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--metrics", type=int, default=10)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-files", action="store_true")
    options = parser.parse_args()
    size = Size(options.clips, options.metrics, options.models, options.seeds)
    print(build_run(options.folder, size, not options.no_files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
