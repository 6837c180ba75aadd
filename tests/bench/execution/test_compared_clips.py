"""Clip metrics that compare with music: a set of it, or the recording that goes with each prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench import Audio
from bench.config.run_config import load_config
from bench.contracts.audio import content_hash, read_audio, write_flac
from bench.errors import DataError, UsageError
from bench.leaderboard.render import read_cells
from bench.pipeline.dry_run import preview
from bench.pipeline.merge_shards import merge
from bench.pipeline.run import rescore
from bench.planning.shards import Shard
from bench.storage.read_scores import ShownScore, shown_scores
from bench.storage.store import Store

COMPARED = Path(__file__).parents[2] / "plugins" / "compared.py"
Settings = dict[str, Any]


def noise(path: Path, seed: int, seconds: float = 0.5) -> Path:
    samples = np.random.default_rng(seed).normal(0, 0.05, round(8000 * seconds)).astype(np.float32)
    write_flac(path, Audio(samples, 8000))
    return path


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A recording for each prompt but the last of ``quick@1``, two of which share one."""
    prompts = [prompt.id for prompt in bench.load_suite("quick@1").prompts]
    seeds = [min(place, 9) for place in range(len(prompts))]
    rows = [(id, noise(tmp_path / f"pairs/{seed}.flac", seed).name) for id, seed in zip(prompts, seeds, strict=True)]
    path = tmp_path / "pairs/pairs.csv"
    path.write_text("prompt,file\n" + "\n".join(",".join(row) for row in rows[:-1]) + "\n")
    return path


@pytest.fixture
def settings(tmp_path: Path, tiny: Path, pairs: Path) -> Settings:
    for place in range(4):
        noise(tmp_path / f"music/{place}.flac", 20 + place)
    return {
        "suite": "quick@1",
        "models": [{"name": f"{tiny}:Sine", "as": f"at-{hz:g}", "params": {"hz": hz}} for hz in (200.0, 400.0)],
        "metrics": [f"{COMPARED}:Distant", f"{COMPARED}:Apart", f"{tiny}:Peak"],
        "reference": str(tmp_path / "music"),
        "pairs": str(pairs),
        "duration": 0.5,
        "executor": {"workers": 0},
    }


def scores(folder: Path, metric: str) -> dict[tuple[str, str], ShownScore]:
    with Store.read(folder) as store:
        return {(s.model, s.prompt): s for s in shown_scores(store) if s.metric == f"{metric}@1"}


def bands(path: Path) -> np.ndarray:
    """The mean of the bands, written out."""
    mono = read_audio(path).samples[0]
    windows = np.pad(mono, (0, -len(mono) % 2000)).reshape(-1, 2000)
    spectrum = np.abs(np.fft.rfft(windows, axis=1)).astype(np.float64)
    return np.stack([band.mean(axis=1) for band in np.array_split(spectrum, 8, axis=1)], axis=1).mean(axis=0)


def test_each_clip_is_compared_with_what_the_metric_says(settings: Settings, tmp_path: Path, pairs: Path) -> None:
    folder = bench.run(settings, tmp_path / "run").folder
    music = np.mean([bands(file) for file in sorted((tmp_path / "music").iterdir())], axis=0)
    recordings = dict(line.split(",") for line in pairs.read_text().splitlines()[1:])
    with Store.read(folder) as store:
        files = {(clip.model, clip.prompt): folder / clip.path for clip in store.made()}
    distant, apart = scores(folder, "Distant"), scores(folder, "Apart")
    assert len(files) == len(distant) == len(apart) == 24
    for key, file in files.items():
        assert distant[key].value == pytest.approx(np.linalg.norm(bands(file) - music), rel=1e-5)
        if key[1] in recordings:
            own = pairs.parent / recordings[key[1]]
            assert apart[key].value == pytest.approx(np.linalg.norm(bands(file) - bands(own)), rel=1e-5)
        else:
            assert apart[key].value is None and "no recording" in str(apart[key].reason)
    assert sum(score.value is None for score in apart.values()) == 2
    with Store.read(folder) as store:
        keys = dict(store.rows("SELECT DISTINCT metric, reference FROM scores"))
        assert keys == dict(store.rows("SELECT name, reference FROM metrics"))
    assert keys["Peak"] == "" and len({*keys.values()}) == 3


def test_nothing_is_computed_again_but_against_another_reference(settings: Settings, tmp_path: Path) -> None:
    def computed(folder: Path) -> list[tuple[Any, ...]]:
        with Store.read(folder) as store:
            return store.rows("SELECT clip, metric, reference, value, seconds FROM scores ORDER BY 1, 2, 3")

    folder = bench.run(settings, tmp_path / "run").folder
    before = computed(folder)
    bench.run(settings, tmp_path / "run")
    assert computed(folder) == before
    first = scores(folder, "Distant")
    noise(tmp_path / "music/4.flac", 99)
    assert preview(settings, folder).to_score == 24  # the folder is to be embedded again, so nothing is known
    bench.run(settings, tmp_path / "run")
    assert preview(settings, folder).to_score == 0
    after = computed(folder)
    assert set(before) < set(after) and len(after) == len(before) + 24
    second = scores(folder, "Distant")
    assert all(first[key].value != second[key].value for key in first)
    (tmp_path / "music/4.flac").unlink()
    bench.run(settings, tmp_path / "run")
    assert scores(folder, "Distant") == first and computed(folder) == after  # they are still there


def test_another_pairing_of_the_same_recordings_is_another_reference(
    settings: Settings, tmp_path: Path, pairs: Path
) -> None:
    folder = bench.run(settings, tmp_path / "run").folder
    first = scores(folder, "Apart")
    header, one, two, *rest = pairs.read_text().splitlines()
    pairs.write_text("\n".join([header, *rest, two, one]))
    bench.run(settings, folder)
    assert scores(folder, "Apart") == first
    swapped = [f"{a.split(',')[0]},{b.split(',')[1]}" for a, b in ((one, two), (two, one))]
    pairs.write_text("\n".join([header, *swapped, *rest]))
    bench.run(settings, folder)
    second = scores(folder, "Apart")
    differ = {prompt for (_, prompt) in first if first["at-200", prompt].value != second["at-200", prompt].value}
    assert differ == {one.split(",")[0], two.split(",")[0]}


def test_workers_and_shards_give_the_same(settings: Settings, tmp_path: Path) -> None:
    whole = bench.run(settings, tmp_path / "whole").folder
    apart = bench.run({**settings, "executor": {"workers": 2}}, tmp_path / "apart").folder
    for index in (1, 2):
        bench.run(settings, tmp_path / "parts", shard=Shard(index, 2))
    with Store.read(tmp_path / "parts/shards/1-of-2") as store:
        assert {metric for (metric,) in store.rows("SELECT DISTINCT metric FROM scores")} == {"Peak"}
    merge(tmp_path / "parts", plugin_files=True)
    for metric in ("Distant", "Apart", "Peak"):
        expected = {key: (score.value, score.reason) for key, score in scores(whole, metric).items()}
        for folder in (apart, tmp_path / "parts"):
            assert {key: (score.value, score.reason) for key, score in scores(folder, metric).items()} == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pairs": None}, "pairs: FILE"),
        ({"metrics": ["Unknown"]}, "none.*set.*paired"),
        ({"metrics": ["Bare"]}, "embedder"),
        ({"reference": "nowhere"}, "reference 'nowhere'"),
        ({"pairs": "nowhere.csv"}, "nowhere.csv"),
        ({"pairs": {"file": "pairs/pairs.csv", "audio": "fil"}}, "no column 'fil'"),
        ({"pairs": {"file": "pairs/pairs.csv", "folder": "elsewhere"}}, "no file"),
        ({"suite": "genres@1", "limit": 1, "pairs": {"file": "pairs/pairs.csv", "prompt": "file"}}, "column 'file'"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_made(
    settings: Settings, tmp_path: Path, change: Settings, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "metrics" in change:
        change = {"metrics": [f"{COMPARED}:{name}" for name in change["metrics"]]}
    with pytest.raises((UsageError, DataError), match=said):
        bench.run({**settings, **change}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_metric_that_does_not_say_what_it_compares_with_fails_alone(settings: Settings, tmp_path: Path) -> None:
    folder = bench.run(
        {**settings, "metrics": [f"{COMPARED}:Undeclared", f"{COMPARED}:Apart"]}, tmp_path / "run"
    ).folder
    told = [str(score.error) for score in scores(folder, "Undeclared").values()]
    assert told and all("'Undeclared'" in text and "reference = 'paired'" in text for text in told)
    assert sum(score.value is not None for score in scores(folder, "Apart").values()) == 22


def test_recordings_that_cannot_be_used_cost_their_prompts(settings: Settings, tmp_path: Path, pairs: Path) -> None:
    (pairs.parent / "0.flac").write_bytes(b"no audio")
    folder = bench.run(settings, tmp_path / "run").folder
    apart = scores(folder, "Apart")
    lost = [score for score in apart.values() if score.value is None]
    assert len(lost) == 4 and sum("cannot be used" in str(score.reason) for score in lost) == 2
    for file in pairs.parent.glob("*.flac"):
        file.write_bytes(b"no audio")
    with pytest.raises(DataError, match=pairs.name):
        bench.run(settings, tmp_path / "other")


def test_warnings_and_leaks_are_said_of_every_model(settings: Settings, tmp_path: Path, tiny: Path) -> None:
    taught = tmp_path / "taught.py"
    heard = content_hash(read_audio(tmp_path / "pairs/3.flac"))
    taught.write_text(
        f"import sys; sys.path.insert(0, {str(tiny.parent)!r})\nfrom tiny import Sine\n\n\nclass Taught(Sine):\n"
        f"    def trained_on(self):\n        return ({heard!r},)\n"
    )
    models = [*settings["models"], {"name": f"{taught}:Taught", "as": "taught"}]
    with pytest.raises(UsageError, match=r"'taught' .*\b1 of the [0-9]+"):
        bench.run({**settings, "models": models}, tmp_path / "run")
    folder = bench.run({**settings, "models": models, "shared_recordings": "mark"}, tmp_path / "run").folder

    def marked(folder: Path) -> list[tuple[str, str, str]]:
        return [
            (cell.model, cell.column.ref, w.code) for cell in read_cells(folder, None) for w in cell.estimate.warnings
        ]

    assert marked(folder) == [("taught", "Apart@1", "W-SHARED")]
    (tmp_path / "pairs/3.flac").unlink()
    noise(tmp_path / "pairs/3.flac", 33)  # now of nothing that it was trained on
    rescore(folder, {**settings, "models": models})
    assert marked(folder) == []


def test_pairs_are_named_by_id_or_text_in_any_table(settings: Settings, tmp_path: Path, pairs: Path) -> None:
    expected = scores(bench.run(settings, tmp_path / "run").folder, "Apart")
    prompts = {prompt.id: prompt for prompt in bench.load_suite("quick@1").prompts}
    rows = [line.split(",") for line in pairs.read_text().splitlines()[1:]]
    lines = [json.dumps({"caption": prompts[id].text, "path": file}) for id, file in rows]
    (tmp_path / "pairs.jsonl").write_text("\n".join([*lines, json.dumps({"caption": "no prompt", "path": ""})]))
    named = {"file": str(tmp_path / "pairs.jsonl"), "folder": str(pairs.parent)}
    found = scores(bench.run({**settings, "pairs": named}, tmp_path / "other").folder, "Apart")
    assert {key: score.value for key, score in found.items()} == {key: score.value for key, score in expected.items()}


def test_a_run_remembers_its_pairs(settings: Settings, tmp_path: Path, tiny: Path) -> None:
    """Metrics that are kept find their recordings again, whatever is scored without them meanwhile."""
    folder = bench.run(settings, tmp_path / "run").folder
    before = scores(folder, "Apart")
    rescore(folder, {**settings, "metrics": [f"{tiny}:Frames"], "pairs": None})
    assert load_config(folder / "config.yaml").pairs == bench.PairsFile(file=settings["pairs"])
    rescore(folder, plugin_files=True, force=True)
    assert scores(folder, "Apart") == before
