"""A row against several trainings: the crossed test on what the run holds, for clip metrics and for distances."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import bench
from bench import Audio, UsageError
from bench.cli import app
from bench.comparison.compare import ComparisonOptions, compare
from bench.comparison.trainings import AcrossTrainings, compare_trainings
from bench.contracts.audio import write_flac
from bench.stats.crossed import crossed_t_test
from bench.storage.store import Store

PLUGINS = Path(__file__).parents[2] / "plugins"
LEVELS, BANDS = PLUGINS / "levels.py", f"{PLUGINS / 'tiny.py'}:Bands"
KAD = {"name": "kad", "params": {"embedder": BANDS}}
TRAININGS = [f"tuned-{number}" for number in range(4)]


def row(label: str, **params: Any) -> dict[str, Any]:
    return {"name": f"{LEVELS}:Levels", "as": label, "params": params}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, four trainings that are louder by about .05, and one row of another name."""
    rng, music = np.random.default_rng(3), tmp_path_factory.mktemp("reference") / "music"
    for place, genre in enumerate(("choral", "classical", "dance", "jazz", "pop", "rock") * 3):
        noise = rng.normal(size=4000)
        level = (0.3 + 0.02 * place) / np.abs(noise).max()
        write_flac(music / genre / f"{place}.flac", Audio(level * noise, 8000))
    config = {
        "suite": "quick@1",
        "models": [
            row("base"),
            *(row(label, shift=0.04 + 0.01 * n, salt=n + 1) for n, label in enumerate(TRAININGS)),
            row("else", salt=9),
        ],
        "metrics": [f"{LEVELS}:Peak", KAD],
        "seeds": [0, 1],
        "duration": 0.5,
        "reference": str(music),
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("run")).folder


def found(folder: Path, by: str | None = None) -> dict[tuple[str, str], AcrossTrainings]:
    options = ComparisonOptions(by=by, plugin_files=True)
    every = compare_trainings(folder, "base", "tuned-*", options)
    return {(one.column.ref.partition("@")[0].partition("[")[0], one.group): one for one in every}


def prompt_means(folder: Path, model: str) -> dict[str, float]:
    with Store.read(folder) as store:
        query = (
            "SELECT prompt, AVG(value) FROM scores JOIN clips ON clips.id = clip "
            "WHERE model = ? AND metric = 'Peak' GROUP BY prompt"
        )
        return dict(store.rows(query, (model,)))


def test_of_clip_metrics_it_is_the_crossed_test_of_prompt_means(folder: Path) -> None:
    ours = found(folder)["Peak", "all"]
    base, tuned = prompt_means(folder, "base"), [prompt_means(folder, label) for label in TRAININGS]
    d = np.array([[own[p] - base[p] for p in base] for own in tuned])
    theirs = crossed_t_test(d)
    assert ours.trainings == tuple(TRAININGS) and ours.prompts == len(base)
    assert ours.estimate == pytest.approx(d.mean()) == pytest.approx(theirs.estimate)
    assert (ours.low, ours.high, ours.p) == pytest.approx((theirs.low, theirs.high, theirs.p))
    assert ours.between == pytest.approx(d.mean(axis=1).std(ddof=1))
    assert ours.mean_a == pytest.approx(np.mean(list(base.values())))


def test_of_distances_the_estimate_is_that_of_the_single_comparisons(folder: Path) -> None:
    """Pseudo-values of KAD, a statistic of pairs, average to the difference of the table's own values."""
    ours = found(folder)["kad", "all"]
    options = ComparisonOptions(plugin_files=True)
    every = [compare(folder, "base", label, options=options) for label in TRAININGS]
    singly = [next(c for c in own if c.column.of_sets) for own in every]
    assert ours.estimate is not None and ours.low is not None and ours.high is not None
    mean = np.mean([c.estimate for c in singly if c.estimate is not None])
    assert ours.estimate == pytest.approx(mean, abs=0.1 * (ours.high - ours.low))
    assert ours.low < mean < ours.high
    # The trainings' own spread is part of the interval, so it is no narrower than that of one training.
    assert ours.between is not None and ours.between >= 0


def test_by_genre_each_has_its_own_prompts(folder: Path) -> None:
    every = found(folder, "genre")
    genres = {group for metric, group in every if metric == "Peak"} - {"all"}
    assert genres == {"choral", "classical", "dance", "jazz", "pop", "rock"}
    assert sum(every["Peak", genre].prompts for genre in genres) == every["Peak", "all"].prompts


@pytest.mark.parametrize("pattern", ["tuned-1*", "nothing-*"])
def test_one_training_is_no_sample(folder: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"'{pattern}'")):
        compare_trainings(folder, "base", pattern)


def test_a_reference_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        compare_trainings(folder, "base", "tuned-*", ComparisonOptions(reference="nowhere", plugin_files=True))


def test_the_command_takes_a_pattern(folder: Path) -> None:
    runner = CliRunner()
    asked = ["compare", str(folder), "base", "tuned-*", "--plugin-files"]
    shown = runner.invoke(app, [*asked, "--format", "json"])
    assert shown.exit_code == 0, shown.output
    records = json.loads(shown.stdout)
    assert {record["metric"] for record in records} == {"Peak@1", "kad[embedder=Bands]@2"}
    assert all(record["trainings"] == TRAININGS for record in records)
    for style in ("table", "markdown", "csv"):
        assert runner.invoke(app, [*asked, "--format", style]).exit_code == 0
    refused = runner.invoke(app, [*asked, "--with", str(folder)])
    assert refused.exit_code != 0
