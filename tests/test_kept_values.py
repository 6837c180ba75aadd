"""Numbers that a change of names, keys or folders must not move: each was computed once and is kept in a file.

`tests/data/kept_values.json` was written by the functions below before identities were redrawn. A number that is meant
to change has a new version of what computes it, and a new value there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

KEPT = json.loads((Path(__file__).parent / "data" / "kept_values.json").read_text())
FLOAT64, FLOAT32 = 1e-9, 1e-5
"""Relative tolerances: other processors round otherwise, and networks of single precision more so."""

PROMPTS = [
    {"id": "jazz-1", "genre": "jazz", "level": 2, "text": "Slow jazz piano trio"},
    {"id": "rock-1", "genre": "rock", "level": 2, "text": "Driving rock guitars at 120 bpm in E minor", "bpm": 120,
     "key": "E minor"},
]  # fmt: skip
METRICS = ["harmonic-accuracy", "melodic-complexity", "pitch-variety", "rhythmic-inconsistency", "rhythm-grid",
           "tempo-adherence", "key-adherence", "genre-fit", "kad"]  # fmt: skip


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers and what stands in their place, by their path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from leaves(item, f"{name}.{place}")
    elif value is None or isinstance(value, int | float):
        yield name, value


def default_run(folder: Path) -> dict[str, Any]:
    """The default metrics on two prompts, and the comparison of two rows."""
    import bench
    from bench.comparison.compare import compare
    from bench.leaderboard.render import read_board, records
    from bench.storage.store import Store

    (folder / "suite.yaml").write_text(yaml.safe_dump({"name": "two", "version": 1, "prompts": PROMPTS}))
    out = folder / "run"
    bench.run(
        {
            "suite": str(folder / "suite.yaml"),
            "models": ["composer", "composer-loose"],
            "metrics": METRICS,
            "duration": 6,
            "executor": {"workers": 0},
        },
        out,
    )
    board = read_board(out)
    values = ("value", "low", "high", "n", "chance", "known")
    cells = {f"{r['model']} {r['metric']}": {name: r[name] for name in values} for r in records(board.cells)}
    with Store.read(out) as store:
        made = store.rows("SELECT model, prompt, peak, frames FROM clips ORDER BY rowid")
    numbers = ("estimate", "low", "high", "p", "mean_a", "mean_b", "n")
    compared = {
        one.column.ref: {name: getattr(one, name) for name in numbers}
        for one in compare(out, "composer", "composer-loose")
    }
    return {"cells": cells, "clips": {f"{m} {p}": rest for m, p, *rest in made}, "compared": compared}


def comparison(folder: Path) -> dict[str, Any]:
    """Two rows of sines on twelve prompts: metrics of clips and a set metric, tested."""
    import bench
    from bench.comparison.compare import ComparisonOptions, compare

    tiny = Path(__file__).parent / "plugins" / "tiny.py"
    out = folder / "run"
    bench.run(
        {
            "suite": "quick@1",
            "models": [
                {"name": f"{tiny}:Sine", "as": "low"},
                {"name": f"{tiny}:Sine", "as": "high", "params": {"hz": 700.0}},
            ],
            "metrics": [f"{tiny}:Peak", f"{tiny}:Loudest", {"name": "kad", "params": {"embedder": f"{tiny}:Bands"}}],
            "reference": str(_tones(folder / "music")),
            "seeds": [0, 1],
            "duration": 1.0,
            "executor": {"workers": 0},
        },
        out,
    )
    numbers = (
        "grouping",
        "estimate",
        "low",
        "high",
        "p",
        "p_holm",
        "effect",
        "detectable",
        "superiority",
        "mean_a",
        "n",
    )
    found = compare(out, "low", "high", options=ComparisonOptions(by="genre", plugin_files=True))
    return {f"{one.column.ref} {one.group}": {name: getattr(one, name) for name in numbers} for one in found}


def _tones(folder: Path) -> Path:
    import soundfile

    folder.mkdir()
    time = np.arange(8000) / 8000
    for number in range(6):
        soundfile.write(folder / f"{number}.wav", 0.3 * np.sin(2 * np.pi * (150 + 90 * number) * time), 8000)
    return folder


def survey(folder: Path) -> dict[str, Any]:
    """Ratings of three models by five listeners on eight prompts, with what is crossed in them."""
    import pandas as pd

    from bench.survey.analysis import analyse
    from bench.survey.reading import read_survey
    from bench.survey.results import record

    rng = np.random.default_rng(3)
    by_listener, by_prompt = rng.normal(0, 0.6, (5, 3)), rng.normal(0, 0.6, (8, 3))
    rows = []
    for i, j, (k, model) in product(range(5), range(8), enumerate(("base", "lora", "sao"))):
        opinion = 3 + 0.5 * k + by_listener[i, k] + by_prompt[j, k] + rng.normal(0, 0.7)
        rows.append((f"l{i}", f"p{j}", model, "quality", float(np.clip(round(opinion), 1, 5)), f"g{j % 2}"))
    table = pd.DataFrame(rows, columns=["listener", "prompt", "model", "scale", "value", "genre"])
    table.to_csv(folder / "ratings.csv", index=False)
    return dict(record(analyse(read_survey(folder / "ratings.csv"), resamples=200)))


def training(folder: Path) -> dict[str, Any]:
    """The losses of three steps of LoRA on a tiny checkpoint."""
    import torch

    from models import tiny
    from models.training.config import parse_train_config
    from models.training.train import train
    from tests.models.training.conftest import write_tones

    torch.set_num_threads(1)
    tiny.make("stable-audio", folder / "base")
    write_tones(folder / "data", 5)
    config = parse_train_config(
        {
            "base": {"kind": "stable-audio", "checkpoint": str(folder / "base")},
            "data": {"path": str(folder / "data"), "validation": 0.2},
            "lora": {"rank": 2},
            "steps": 3,
            "batch": 2,
            "optimizer": {"lr": 1e-2},
            "validation": {"every": 3, "times": [0.3, 0.7]},
            "device": "cpu",
        }
    )
    train(config, folder / "out")
    lines = [json.loads(line) for line in (folder / "out" / "log.jsonl").read_text().splitlines()]
    return {"log": [{k: v for k, v in line.items() if "loss" in k} for line in lines]}


CASES = {"default run": (default_run, FLOAT32), "comparison": (comparison, FLOAT32), "survey": (survey, FLOAT64),
         "training": (training, FLOAT32)}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_values_are_as_they_were(case: str, tmp_path: Path) -> None:
    if case == "training":
        for module in ("torch", "diffusers", "peft", "accelerate"):
            pytest.importorskip(module)
    compute, tolerance = CASES[case]
    found, kept = dict(leaves(compute(tmp_path))), KEPT[case]
    assert len(kept) > 10 or case == "training"
    assert {name: found.get(name, "absent") for name in kept} == {
        name: value if value is None else pytest.approx(value, rel=tolerance, abs=1e-9) for name, value in kept.items()
    }
