"""The protocol id: changed by all that can move a number, and by nothing else."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import Prompt
from bench.config.run_config import load_config
from bench.pipeline.merge_shards import merge
from bench.pipeline.run import rescore
from bench.planning.shards import Shard
from bench.scores.protocol import ShownMetric, difference, make_protocol, protocol_of, shared_metrics
from bench.storage.store import Store

PROMPTS = [Prompt(f"jazz-{i}", f"Jazz number {i}", "jazz", i, 60.0 + i, "C major") for i in range(1, 4)]
METRICS = [
    ShownMetric("harmonic-accuracy@1", "a" * 64),
    ShownMetric("genre-fit@1", "b" * 64, "c" * 64, "{}"),
    ShownMetric("kad@1", "d" * 64, "e" * 64, "{}", "1a2b3c4d" * 8, "composer"),
    ShownMetric("fad@1", "d" * 64, "e" * 64, "{}", "1a2b3c4d" * 8, "composer"),
]
OURS = make_protocol("genres@1", 20.0, PROMPTS, METRICS)


def test_line_says_what_was_done_and_against_what() -> None:
    assert re.fullmatch("[0-9a-f]{12}", OURS.id)
    assert OURS.line == (
        f"protocol {OURS.id}: genres@1, 20 s, whole clips, clips as generated (peaks over full scale lowered), "
        "4 metrics; kad@1 and fad@1 against 'composer' 1a2b3c4d"
    )


@given(st.randoms(use_true_random=False), st.text(min_size=1))
def test_neither_order_nor_the_names_of_things_matter(rng: random.Random, name: str) -> None:
    prompts, metrics = list(PROMPTS), list(METRICS)
    rng.shuffle(prompts)
    rng.shuffle(metrics)
    renamed = [replace(m, reference_name=name if m.reference else "") for m in metrics]
    theirs = make_protocol(name, 20.0, prompts, renamed)
    assert theirs.id == OURS.id
    assert difference(OURS, theirs) is None
    assert set(shared_metrics(OURS, theirs)) == {m.ref for m in METRICS}


@given(
    st.integers(0, len(PROMPTS) - 1),
    st.sampled_from(
        [{"text": "Jazz in the dark"}, {"genre": "blues"}, {"level": 9}, {"bpm": None}, {"bpm": 90.0}, {"key": None}]
    ),
)
def test_a_changed_prompt_is_another_protocol(place: int, change: dict[str, Any]) -> None:
    prompts = [replace(p, **change) if i == place else p for i, p in enumerate(PROMPTS)]
    theirs = make_protocol("genres@1", 20.0, prompts, METRICS)
    assert theirs.id != OURS.id
    said = difference(OURS, theirs)
    assert said is not None and said.startswith(f"prompts: jazz-{place + 1}.{next(iter(change))} is ")
    assert shared_metrics(OURS, theirs) == ()


@given(
    st.integers(0, len(METRICS) - 1),
    st.sampled_from(["ref", "params_hash", "embedder", "reference"]),
    st.text("0123456789abcdef", min_size=1, max_size=12),
)
def test_a_changed_metric_is_another_protocol_and_the_others_stay_comparable(
    place: int, field: str, value: str
) -> None:
    metrics = [replace(m, **{field: value}) if i == place else m for i, m in enumerate(METRICS)]
    theirs = make_protocol("genres@1", 20.0, PROMPTS, metrics)
    assert theirs.id != OURS.id
    assert difference(OURS, theirs) is not None
    assert shared_metrics(OURS, theirs) == tuple(m.ref for i, m in enumerate(METRICS) if i != place)


def test_differences_are_said_in_words() -> None:
    def said(**changes: object) -> str | None:
        settings = {"suite": "genres@1", "duration": 20.0, "prompts": PROMPTS, "metrics": METRICS, **changes}
        return difference(OURS, make_protocol(**settings))  # type: ignore[arg-type]

    assert said(duration=10) == "duration is 20 s and 10 s"
    shorter = [replace(m, view='{"seconds":4.0}') if m.view else m for m in METRICS]
    for differs, named in (
        (said(loudness="lufs-23"), ("loudness", "clips as generated", "lufs-23")),
        (said(prompts=PROMPTS[:2]), ("prompts: ", "first", "jazz-3")),
        (said(metrics=[*METRICS, ShownMetric("clap-score@1", "f")]), ("metrics: ", "second", "clap-score@1")),
        (said(metrics=shorter), ("metrics: ", "genre-fit@1.view.seconds", "null", "4.0")),
    ):
        assert differs is not None and all(word in differs for word in named)
    assert "the first 4 s" in make_protocol("genres@1", 20.0, PROMPTS, shorter).line


def test_a_run_its_merged_shards_its_scores_again_and_its_rows_by_other_names_are_one_protocol(
    tmp_path: Path, tiny: Path
) -> None:
    config: dict[str, Any] = {
        "suite": "quick@1",
        "models": [{"name": f"{tiny}:Sine", "as": "one"}, {"name": f"{tiny}:Sine", "as": "two", "params": {"hz": 90}}],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Loudest", f"{tiny}:Spread"],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    file = tmp_path / "c.yaml"

    def written(**changes: object) -> Path:
        file.write_text(yaml.safe_dump({**config, **changes}))
        return file

    def of(folder: Path) -> str:
        with Store.read(folder) as store:
            return protocol_of(store).id

    whole = bench.run(written(), tmp_path / "whole").folder
    first = of(whole)
    for index in (1, 2):
        bench.run(written(), tmp_path / "shared", shard=Shard(index, 2))
    assert of(merge(tmp_path / "shared", plugin_files=True).run.folder) == first
    rescore(whole, load_config(file), force=True)
    assert of(whole) == first
    other = bench.run(
        written(
            models=[{"name": f"{tiny}:Sine", "as": "three", "params": {"hz": 50}}], metrics=config["metrics"][::-1]
        ),
        tmp_path / "other",
    ).folder
    assert of(other) == first
    rescore(whole, load_config(written(metrics=[f"{tiny}:Frames"])))
    with Store.read(whole) as store, Store.read(other) as unchanged:
        differs = difference(protocol_of(unchanged), protocol_of(store)) or ""
    assert all(word in differs for word in ("metrics: ", "second", "Frames@1"))


def test_equal_ids_hold_equal_things() -> None:
    with pytest.raises(ValueError) as caught:
        difference(OURS, replace(OURS, id="0" * 12))
    assert all(word in str(caught.value) for word in (OURS.id, "0" * 12))
