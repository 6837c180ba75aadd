"""Shards: together they are the whole plan, and each of their batches is a batch of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.entry_points import Plugin
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt, PromptSuite
from bench.errors import UsageError
from bench.planning.plan import Plan, PlannedClip, PlannedModel
from bench.planning.shards import Shard, find_shards, parse_shard, share_out, take_shard


def plan_of(sizes: list[tuple[int, int]]) -> Plan:
    """A plan with, for each (batch size, clips) given, one model."""
    prompts = tuple(Prompt(f"p{n}", f"prompt {n}", "jazz") for n in range(max(clips for _, clips in sizes)))
    models = tuple(
        PlannedModel(f"m{n}", Plugin("model", f"m{n}", "module:Model"), {}, {"n": n}, {}, 8000, batch, None)
        for n, (batch, _) in enumerate(sizes)
    )
    clips = [
        PlannedClip(f"{model.label}-{prompt.id}", model.label, GenerationRequest(prompt, 0, 1.0))
        for model, (_, count) in zip(models, sizes, strict=True)
        for prompt in prompts[:count]
    ]
    return Plan(PromptSuite("suite", 1, prompts), models, (), tuple(clips), 1.0, len(prompts))


def batches(plan: Plan) -> list[tuple[PlannedClip, ...]]:
    return [clips for _, clips in plan.batches()]


plans = st.lists(st.tuples(st.integers(1, 7), st.integers(1, 20)), min_size=1, max_size=4).map(plan_of)


@given(plans, st.integers(1, 12))
def test_shards_divide_the_batches_among_them(plan: Plan, count: int) -> None:
    parts = [batches(take_shard(plan, Shard(index, count))) for index in range(1, count + 1)]

    assert Counter(batch for part in parts for batch in part) == Counter(batches(plan))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(plans, st.integers(1, 12))
def test_every_clip_has_one_owner_and_it_is_the_shard_that_takes_it(plan: Plan, count: int) -> None:
    owners = list(share_out(plan, count))

    assert [clip for clip, _ in owners] == list(plan.clips)
    for clip, owner in owners:
        assert clip in take_shard(plan, Shard(owner, count)).clips


def test_one_shard_of_one_is_the_plan() -> None:
    plan = plan_of([(3, 7), (1, 2)])
    assert take_shard(plan, Shard(1, 1)) == plan


@pytest.mark.parametrize(("text", "shard"), [("1/1", Shard(1, 1)), ("3/8", Shard(3, 8)), (" 08/8 ", Shard(8, 8))])
def test_shards_are_written_as_i_of_n(text: str, shard: Shard) -> None:
    assert parse_shard(text) == shard
    assert str(parse_shard(str(shard))) == str(shard)


@pytest.mark.parametrize("text", ["", "3", "/8", "3/", "0/8", "9/8", "1/0", "-1/8", "1/8/2", "a/b", "1.0/8", "٣/٨"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"shard"):
        parse_shard(text)


def test_shards_are_found_by_their_folders(tmp_path: Path) -> None:
    for name in ("10-of-12", "2-of-12", "notes", "x-of-12", "2-of-12.old"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    (tmp_path / "shards" / "3-of-12").touch()
    assert find_shards(tmp_path) == [Shard(2, 12), Shard(10, 12)]


def test_a_shard_has_a_folder_of_its_own_with_its_part_only(
    tunebench: Callable, write_config: Callable, tiny: Path, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    model = {"name": f"{tiny}:Sine", "as": "sine", "params": {"batch": 5, "marks": str(marks)}}
    config = write_config(models=[model], seeds=[0, 1], executor={"workers": 0})
    out = tmp_path / "out"

    preview = tunebench("run", config, "--out", out, "--shard", "2/3", "--dry-run")
    assert "sine: 9 clips to make" in preview.stdout  # of 24 clips in batches of 5, the second and the fifth, of 4
    assert not out.exists()

    for _ in range(2):  # the second time there is nothing left to make
        done = tunebench("run", config, "--out", out, "--shard", "2/3", "--json")
        assert done.returncode == 0, done.stderr
    assert len(marks.read_text().splitlines()) == 9
    assert [path.name for path in out.iterdir()] == ["shards"]
    folder = out / "shards" / "2-of-3"
    with sqlite3.connect(folder / "run.db") as database:
        rows = database.execute("SELECT state, path FROM clips").fetchall()
        (whole,) = database.execute("SELECT COUNT(*) FROM whole_plan").fetchone()
    database.close()
    assert [state for state, _ in rows] == ["made"] * 9
    assert {path for _, path in rows} == {str(file.relative_to(folder)) for file in folder.glob("audio/*/*")}
    assert whole == 24


def test_a_shard_that_cannot_be_is_refused_before_anything_is_written(
    tunebench: Callable, write_config: Callable, tmp_path: Path
) -> None:
    refused = tunebench("run", write_config(), "--out", tmp_path / "out", "--shard", "/8")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and "'/8'" in refused.stderr
    assert not (tmp_path / "out").exists()
