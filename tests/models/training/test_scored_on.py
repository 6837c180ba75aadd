"""A card says what a model was scored on while it was tuned or chosen, and runs that ask for the same say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch

import bench
from bench.contracts.audio import Audio, write_flac
from bench.contracts.model import MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt import text_hash
from bench.contracts.tuning import Tuning
from bench.errors import UsageError
from bench.leaderboard.render import render
from bench.planning.plan import make_plan
from bench.progress import Silent
from models import tiny
from models.base_checkpoint import CARD
from models.card import Card, ScoredOn, read_card, with_tuning_of
from models.training.choices import record_choice
from models.training.config import TrainConfig, parse_train_config
from models.training.history import History
from models.training.merging import merge
from models.training.model_card import page
from models.training.sample_clips import ClipSampler
from models.training.train import train

torch.set_num_threads(1)

QUICK, DEVELOPMENT = bench.load_suite("quick@1"), bench.load_suite("quick-dev@1")
CAPTION = QUICK.prompts[4].text
CLIPS = {"every": 2, "prompts": 3, "duration": 0.5, "params": {"steps": 1}, "metrics": ["rhythm-grid"]}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, recordings with captions of which one is a prompt of quick@1, and an adapter that was trained on them."""
    room = tmp_path_factory.mktemp("room")
    tiny.make("stable-audio", room / "base")
    (room / "data").mkdir()
    for number in range(6):
        tone = np.sin(2 * np.pi * (200 + 60 * number) * np.arange(8000) / 8000).astype(np.float32) / 4
        write_flac(room / "data" / f"{number}.flac", Audio(np.stack([tone, tone]), 8000))
        text = CAPTION.upper() if number == 0 else f"a tone, number {number}"
        (room / "data" / f"{number}.txt").write_text(text)
    train(config(room), room / "trained")
    return room


def config(room: Path, **changes: Any) -> TrainConfig:
    clips = {**CLIPS, **changes.pop("clips", {})}
    content = {
        "base": {"kind": "stable-audio", "checkpoint": str(room / "base")},
        "data": {"path": str(room / "data"), "validation": 0.34},
        "lora": {"rank": 1},
        "steps": 2,
        "batch": 2,
        "optimizer": {"lr": 1e-2},
        "validation": {"every": 2, "times": [0.5], "clips": clips},
        "device": "cpu",
        "seed": 1,
        **changes,
    }
    return parse_train_config(content)


@pytest.fixture
def adapter(room: Path, tmp_path: Path) -> Path:
    """A copy of the adapter, to be changed."""
    copy = tmp_path / "adapter"
    copy.mkdir()
    for file in (room / "trained" / "adapter").iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def tuning(room: Path, adapter: Path | None = None, **params: Any) -> Tuning | None:
    given = {"checkpoint": str(room / "base"), "device": "cpu", **params}
    model: MusicModel = create(
        find("model", "stable-audio"), given | ({"adapter": str(adapter)} if adapter else {}), MusicModel
    )
    return model.tuning()


def run_of(room: Path, adapter: Path, out: Path, **changes: Any) -> bench.Run:
    params = {"checkpoint": str(room / "base"), "device": "cpu", "steps": 1}
    tuned = {"name": "stable-audio", "as": "tuned", "params": {**params, "adapter": str(adapter)}}
    base = {"name": "stable-audio", "as": "base", "params": params}
    settings = {"metrics": ["rhythm-grid"], "duration": 0.5, "executor": {"workers": 0}}
    return bench.run({"models": [base, tuned], **settings, **changes}, out)


def codes(run: bench.Run) -> dict[str, set[str]]:
    rows = json.loads(render(run.folder, "json"))
    return {row["model"]: {code for code in row["warning_codes"] if code in ("W-TUNED", "W-CAPTIONS")} for row in rows}


def test_a_card_names_suite_prompts_and_captions(room: Path) -> None:
    card = read_card(room / "trained" / "adapter")
    assert card.scored_on is not None
    validation, clips = sorted(card.scored_on, key=lambda own: own.what, reverse=True)
    assert (clips.suite, clips.split, clips.what) == ("quick-dev@1", "development", "clips while training")
    chosen = [DEVELOPMENT.prompts[place] for place in (0, 4, 8)]
    assert clips.prompts == {prompt.id: text_hash(prompt.text) for prompt in chosen}
    assert clips == ScoredOn.of(DEVELOPMENT, chosen, clips.what)
    assert (validation.what, validation.suite_hash) == ("validation loss", card.data.fingerprint)
    texts = {text_hash(path.read_text()) for path in (room / "data").glob("*.txt")}
    held_out = set(validation.prompts.values())
    assert card.data.captions == sorted(texts - held_out) and len(held_out) == card.data.held_out_recordings
    told = page(card)
    assert "quick-dev" in told
    assert all(prompt.id in told for prompt in chosen)


def test_a_run_that_asks_for_these_prompts_says_so(room: Path, tmp_path: Path) -> None:
    adapter = room / "trained" / "adapter"
    known = tuning(room, adapter)
    assert known is not None and known.unknown == ()
    assert codes(run_of(room, adapter, tmp_path / "dev", suite="quick-dev@1", limit=1)) == {
        "base": set(),
        "tuned": {"W-TUNED"},
    }
    captioned = text_hash(CAPTION) in known.captions  # or it is held out, and then the checkpoint was chosen by it
    expected = {"W-CAPTIONS"} if captioned else {"W-TUNED"}
    assert codes(run_of(room, adapter, tmp_path / "test", suite="quick@1", limit=5)) == {
        "base": set(),
        "tuned": expected,
    }


def test_what_nobody_recorded_is_unknown(room: Path, adapter: Path) -> None:
    assert tuning(room) is None  # a published base
    content = json.loads((adapter / CARD).read_text())
    del content["scored_on"]
    (adapter / CARD).write_text(json.dumps(content))
    before = tuning(room, adapter)
    assert before is not None and before.unknown == ("adapter",) and before.captions  # a card of before
    assert "not recorded" in page(read_card(adapter))
    (adapter / CARD).unlink()
    assert tuning(room, adapter) == Tuning({}, frozenset(), ("adapter",))
    assert tuning(room, adapter, adapter_scale=0.0) is None  # it has no part in the clips
    suite = {"suite": "quick@1", "metrics": []}
    params = {"checkpoint": str(room / "base"), "adapter": str(adapter)}
    (planned,) = make_plan(bench.RunConfig(models=[{"name": "stable-audio", "params": params}], **suite)).models  # type: ignore[arg-type]
    assert planned.provenance["tuning"] == {"unknown": ["adapter"]}


def test_test_prompts_are_taken_only_where_they_are_named(room: Path, tmp_path: Path) -> None:
    class Told(Silent):
        def __init__(self) -> None:
            self.notes: list[str] = []

        def note(self, text: str) -> None:
            self.notes.append(text)

    from models.training.registry import open_trainee

    def sampler(suite: str) -> tuple[ClipSampler, list[str]]:
        wanted, told = config(room, clips={"suite": suite}), Told()
        return ClipSampler(wanted, open_trainee(wanted), told), told.notes

    development, notes = sampler("quick-dev@1")
    assert development.scored_on.split == "development" and notes == []
    named, notes = sampler("quick@1")
    assert named.scored_on.split == "test" and len(notes) == 1 and "quick-dev@1" in notes[0]
    (tmp_path / "both.yaml").write_text(
        "name: both\nversion: 1\nprompts:\n"
        + "".join(f"  - {{id: p{n}, text: Text {n}, split: {'development' if n > 5 else 'test'}}}\n" for n in range(9))
    )
    mixed, notes = sampler(str(tmp_path / "both.yaml"))
    assert set(mixed.scored_on.prompts) == {"p6", "p7", "p8"} and mixed.scored_on.split == "development"
    assert notes == []


def test_a_choice_after_the_training_is_recorded(room: Path, adapter: Path, tmp_path: Path) -> None:
    """By the command: a sweep of strengths on two prompts; then a run of these says so, and not before."""
    from bench.cli import app

    run = run_of(room, adapter, tmp_path / "strengths", suite="genres-unnamed@1", limit=2)
    assert codes(run)["tuned"] == set()
    ran = CliRunner().invoke(app, ["train", "chosen-by", str(adapter), str(run.folder)])
    assert ran.exit_code == 0 and "2 prompts of genres-unnamed@1 (test)" in ran.output
    again = run_of(room, adapter, tmp_path / "strengths", suite="genres-unnamed@1", limit=2)
    assert codes(again) == {"base": set(), "tuned": {"W-TUNED"}}
    card = read_card(adapter)
    assert card.scored_on is not None and len(card.scored_on) == 3
    assert (
        card.scored_on[-1].what == "chosen by strengths"
        and "chosen by strengths" in (adapter / "README.md").read_text()
    )
    record_choice(adapter / CARD, run.suite(), "chosen by strengths")
    assert read_card(adapter) == card
    (adapter / CARD).unlink()
    with pytest.raises(UsageError):
        record_choice(adapter, run.suite(), "x")


def test_merging_keeps_what_both_were_scored_on(room: Path, adapter: Path, tmp_path: Path) -> None:
    record_choice(adapter, QUICK, "chosen by hand")
    merged = merge(adapter, tmp_path / "merged", checkpoint=str(room / "base"))
    assert read_card(merged).scored_on == read_card(adapter).scored_on
    found = tuning(merged.parent, checkpoint=str(merged))
    assert found is not None and text_hash(QUICK.prompts[0].text) in found.scored and found.unknown == ()


def test_a_full_tuning_of_a_tuned_base_inherits(room: Path, tmp_path: Path) -> None:
    first = train(config(room, method="full", lora={}, clips={"every": 0}, steps=1), tmp_path / "first").folder
    record_choice(first, QUICK, "chosen by hand")
    base = {"kind": "stable-audio", "checkpoint": str(first)}
    second = train(config(room, method="full", lora={}, base=base, clips={"every": 0}, steps=1), tmp_path / "second")
    scored = read_card(second.folder).scored_on
    assert scored is not None and [own.what for own in scored][-2:] == ["chosen by hand", "validation loss"]


def cards(card: Card) -> Callable[[list[ScoredOn] | None, list[str] | None], Card]:
    return lambda scored, captions: replace(card, scored_on=scored, data=replace(card.data, captions=captions))


def test_what_is_unknown_of_one_is_unknown_of_both(room: Path) -> None:
    made = cards(read_card(room / "trained" / "adapter"))
    one, two = (ScoredOn.of(suite, suite.prompts, "x") for suite in (QUICK, DEVELOPMENT))
    both = with_tuning_of(made([two], ["b", "c"]), made([one], ["a", "b"]))
    assert (both.scored_on, both.data.captions) == ([one, two], ["a", "b", "c"])
    assert with_tuning_of(made([one], ["a"]), None) == made([one], ["a"])
    assert with_tuning_of(made([one], ["a"]), made(None, ["a"])).scored_on is None
    assert with_tuning_of(made([one], None), made([one], ["a"])).data.captions is None


def test_a_training_that_is_resumed_remembers(room: Path, tmp_path: Path) -> None:
    """Clips are looked at on other prompts after a stop; the card names both."""
    train(config(room, checkpoint={"every": 2}), tmp_path / "out")
    train(config(room, steps=4, clips={"suite": "quick@1"}, checkpoint={"every": 2}), tmp_path / "out")
    scored = read_card(tmp_path / "out" / "adapter").scored_on
    assert scored is not None
    assert [own.suite for own in scored if own.what == "clips while training"] == ["quick-dev@1", "quick@1"]
    assert [own.split for own in scored if own.what == "clips while training"] == ["development", "test"]


def test_checkpoints_of_before_leave_it_unknown() -> None:
    history = History(3)
    history.add_prompts(ScoredOn.of(QUICK, QUICK.prompts[:1], "clips while training"))
    content = json.loads(json.dumps(history.as_json()))
    assert History.from_json(3, content) == history
    del content["scored_on"]
    before = History.from_json(3, content)
    before.add_prompts(ScoredOn.of(QUICK, QUICK.prompts[:1], "clips while training"))
    assert before.scored_on is None
    assert History.from_json(3, json.loads(json.dumps(before.as_json()))).scored_on is None
