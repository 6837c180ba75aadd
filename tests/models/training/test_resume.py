"""A training that is interrupted, killed, starved of disk or damaged goes on as if nothing had been, or says why."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch
from safetensors.torch import load_file

from bench.errors import DataError, MissingError, UsageError
from bench.progress import Silent
from models import tiny
from models.training.checkpoint import checkpoints, read
from models.training.config import TrainConfig, parse_train_config
from models.training.train import train
from tests.models.training.conftest import write_tones

torch.set_num_threads(1)

STEPS = 7
LORA = {
    "lora": {"rank": 2, "dropout": 0.2},
    "accumulation": 2,
    "schedule": {"kind": "cosine", "warmup": 2},
    "checkpoint": {"every": 2, "keep": 2},
}
DORA = {
    "lora": {"rank": 2, "dora": True, "targets": ".*(to_[qkv]|conv).*"},
    "precision": "bf16",
    "checkpoint": {"every": 2},
}
FULL = {"method": "full", "ema": 0.9, "checkpoint": {"every": 3}, "optimizer": {"lr": 1e-3}}
PLAIN = {"checkpoint": {"every": 2, "keep": 3}}


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Python's own SIGINT, also where a shell started the tests in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, another base, and recordings of unequal length with captions."""
    room = tmp_path_factory.mktemp("room")
    tiny.make("stable-audio", room / "base")
    tiny.make("stable-audio", room / "other", seed=1)
    write_tones(room / "data", 8)
    write_tones(room / "other-data", 9)
    return room


def config(room: Path, **settings: Any) -> TrainConfig:
    content = {
        "base": {"kind": "stable-audio", "checkpoint": str(room / "base")},
        "data": {"path": str(room / "data"), "validation": 0.25},
        "lora": {"rank": 2},
        "steps": STEPS,
        "batch": 3,
        "optimizer": {"lr": 1e-2},
        "validation": {"every": 3, "times": [0.3, 0.7]},
        "device": "cpu",
        **settings,
    }
    return parse_train_config(content)


class Watcher(Silent):
    """Does something once the given step is done, and remembers what was noted."""

    def __init__(self, step: int = -1, act: Callable[[], object] = lambda: None) -> None:
        self.step, self.act, self.notes = step, act, list[str]()
        self.done: int | None = None

    def begin(self, stage: str, total: int, done: int) -> None:
        del total
        self.done = done if stage == "training" else None

    def advance(self, count: int) -> None:
        if self.done is not None:
            self.done += count
            if self.done == self.step:
                self.act()

    def note(self, message: str) -> None:
        self.notes.append(message)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def outcome(out: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]]]:
    """All tensors of the last checkpoint and of what was made, and every line of the log."""
    last = read(max(checkpoints(out / "checkpoints")))
    tensors = {f"{name}/{key}": value for name, table in last.tables.items() for key, value in table.items()}
    for path in (
        out / "adapter" / "adapter_model.safetensors",
        *(out / "checkpoint").glob("transformer/*.safetensors"),
    ):
        if path.exists():
            tensors |= {f"made/{key}": value for key, value in load_file(path).items()}
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return tensors, [line for line in lines if line["event"] in ("train", "validation")]


def assert_same(one: Path, other: Path) -> None:
    (tensors, log), (others, other_log) = outcome(one), outcome(other)
    assert log == other_log
    assert list(tensors) == list(others)
    assert [name for name in tensors if not torch.equal(tensors[name], others[name])] == []


@pytest.fixture(scope="module")
def undisturbed(room: Path) -> Callable[[dict[str, Any]], Path]:
    """The folder of a training with these settings that nothing happened to."""
    made: dict[str, Path] = {}

    def folder(settings: dict[str, Any]) -> Path:
        key = json.dumps(settings)
        if key not in made:
            made[key] = room / f"undisturbed-{len(made)}"
            train(config(room, **settings), made[key])
        return made[key]

    return folder


@pytest.mark.parametrize("settings", [LORA, DORA, FULL], ids=["lora", "with magnitudes", "full with averaged weights"])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    room: Path, tmp_path: Path, settings: dict[str, Any], undisturbed: Callable[[dict[str, Any]], Path]
) -> None:
    for step in (1, 5):
        with pytest.raises(KeyboardInterrupt):
            train(config(room, **settings), tmp_path / "out", Watcher(step, interrupt))
        assert read(max(checkpoints(tmp_path / "out" / "checkpoints"))).step == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(config(room, **settings), tmp_path / "out")
    whole = undisturbed(settings)
    assert_same(tmp_path / "out", whole)
    tensors, log = outcome(whole)
    assert [line["step"] for line in log if line["event"] == "train"] == list(range(1, STEPS + 1))
    assert {line["step"] for line in log if line["event"] == "validation"} == {0, 3, 6, 7}
    assert any(name.startswith("made/") for name in tensors)


def test_settings_that_came_later_leave_a_training_as_it_was(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train(config(room, steps=2), out)
    note = out / "finished.json"
    content = json.loads(note.read_text())
    assert content["config"]["lora"].pop("dora") is False  # as before there were magnitudes
    note.write_text(json.dumps(content))
    made = (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns
    watcher = Watcher()
    assert train(config(room, steps=2), out, watcher).steps == 2 and watcher.done is None
    assert (out / "adapter" / "adapter_model.safetensors").stat().st_mtime_ns == made
    assert "dora" not in read(max(checkpoints(out / "checkpoints"))).state["identity"]["settings"]["lora"]
    with pytest.raises(UsageError, match="dora"):
        train(config(room, steps=3, lora={"rank": 2, "dora": True}), out)


@pytest.mark.slow(7)
def test_a_killed_training_goes_on(room: Path, tmp_path: Path, undisturbed: Callable[[dict[str, Any]], Path]) -> None:
    settings = {"checkpoint": {"every": 1}, "steps": 400, "validation": {"every": 500, "times": [0.5]}}
    (tmp_path / "train.yaml").write_text(config(room, **settings).as_yaml())
    program = (
        "import sys; from pathlib import Path; from models.training.config import load_train_config; "
        "from models.training.train import train; train(load_train_config(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", program, str(tmp_path / "train.yaml"), str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while not any(int(path.name[5:]) >= 6 for path in checkpoints(out / "checkpoints")):
            assert process.poll() is None and time.monotonic() < deadline, process.stderr and process.stderr.read()
            time.sleep(0.001)
        process.kill()
    reached = read(max(checkpoints(out / "checkpoints"))).step
    assert 6 <= reached < 400
    shorter = {**settings, "steps": reached + 3}
    train(config(room, **shorter), out)
    assert_same(out, undisturbed(shorter))
    assert not list(out.glob("checkpoints/.*"))


def test_a_full_disk_leaves_the_last_good_checkpoint(
    room: Path, tmp_path: Path, undisturbed: Callable[[dict[str, Any]], Path]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, limits[1]))  # no file may grow beyond, as on a full disk

    out = tmp_path / "out"
    try:
        with pytest.raises(MissingError, match=r"step-00000004 .*step-00000002"):
            train(config(room, **PLAIN), out, Watcher(3, fill))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-00000002"]
    train(config(room, **PLAIN), out)
    assert_same(out, undisturbed(PLAIN))


def test_a_damaged_checkpoint_is_passed_over(
    room: Path, tmp_path: Path, undisturbed: Callable[[dict[str, Any]], Path]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(config(room, **PLAIN), out, Watcher(6, interrupt))
    six, four, two = sorted(checkpoints(out / "checkpoints"), reverse=True)
    file = six / "weights.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    (four / "state.json").write_text((four / "state.json").read_text()[:-20])
    for path in (six, four):
        with pytest.raises(DataError, match="damaged"):
            read(path)
    assert read(two).step == 2
    watcher = Watcher()
    train(config(room, **PLAIN), out, watcher)
    assert [note for note in watcher.notes if "damaged" in note and "step-00000006" in note]
    assert [note for note in watcher.notes if "damaged" in note and "step-00000004" in note]
    assert_same(out, undisturbed(PLAIN))


def test_another_base_other_data_and_other_settings_are_refused(room: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train(config(room), out, Watcher(2, interrupt))
    before = {path: path.read_bytes() for path in (out / "checkpoints").rglob("*") if path.is_file()}
    data = {"path": str(room / "other-data"), "validation": 0.25}
    refused: list[tuple[dict[str, Any], str]] = [
        (
            {"base": {"kind": "stable-audio", "checkpoint": str(room / "other")}},
            r"base\.\w+ .*\"[0-9a-f]+\"",
        ),
        ({"data": data}, r"\bdata .*\"[0-9a-f]+\".* \"[0-9a-f]+\""),
        ({"lora": {"rank": 3}}, r"settings\.lora\.rank .*\b2\b.*\b3;"),
        ({"seed": 1}, r"settings\.seed .*\b0\b.*\b1;"),
        ({"steps": 1}, r"\b1 steps"),
    ]
    for settings, message in refused:
        with pytest.raises(UsageError, match=message):
            train(config(room, **settings), out)
    assert before == {path: path.read_bytes() for path in (out / "checkpoints").rglob("*") if path.is_file()}
    moved = room / "data-elsewhere"
    (room / "data").rename(moved)
    try:  # where things lie is no setting of a training
        train(config(room, data={"path": str(moved), "validation": 0.25}, steps=3), out)
    finally:
        moved.rename(room / "data")


def test_more_steps_extend_a_training_whose_rate_does_not_depend_on_them(room: Path, tmp_path: Path) -> None:
    settings = {"validation": {"every": 2, "times": [0.5]}}
    train(config(room, steps=4, **settings), tmp_path / "out")
    train(config(room, steps=6, **settings), tmp_path / "out")
    train(config(room, steps=6, **settings), tmp_path / "whole")
    assert_same(tmp_path / "out", tmp_path / "whole")
    cosine = {"schedule": {"kind": "cosine"}, **settings}
    train(config(room, steps=2, **cosine), tmp_path / "cosine")
    with pytest.raises(UsageError, match=r"steps in all .*\b2\b.*\b4;"):
        train(config(room, steps=4, **cosine), tmp_path / "cosine")


def test_a_finished_training_is_left_as_it_is(room: Path, undisturbed: Callable[[dict[str, Any]], Path]) -> None:
    out = undisturbed(PLAIN)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    trained = train(config(room, **PLAIN), out)
    assert trained.folder == out / "adapter" and trained.steps == STEPS
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_a_folder_is_trained_in_by_one_process_at_a_time(room: Path, tmp_path: Path) -> None:
    refusals: list[str] = []

    def again() -> None:
        try:
            train(config(room), tmp_path / "out")
        except UsageError as error:
            refusals.append(str(error))

    train(config(room, steps=2), tmp_path / "out", Watcher(1, again))
    assert len(refusals) == 1 and "in use by" in refusals[0]


def test_the_best_weights_outlive_the_checkpoints(room: Path, tmp_path: Path) -> None:
    """With a learning rate that soon ruins everything, an early step stays the best."""
    out = tmp_path / "out"
    settings = {"optimizer": {"lr": 0.3}, "validation": {"every": 1, "times": [0.5], "patience": 3}, "steps": 60}
    trained = train(config(room, checkpoint={"every": 2, "keep": 1}, **settings), out)
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = {line["step"]: line["loss"] for line in log if line["event"] == "validation"}
    best = min(range(1, len(losses)), key=losses.__getitem__)
    assert trained.step == best and trained.best_loss == losses[best] and trained.base_loss == losses[0]
    # It stopped after three judgements in a row without a new low (the base's own among the lows).
    lows = [step for step in losses if losses[step] == min(losses[s] for s in range(step + 1))]
    assert trained.steps == lows[-1] + 3 < 60
    assert [path.name for path in (out / "best").iterdir()] == [f"step-{best:08d}"]
    assert len(list(checkpoints(out / "checkpoints"))) == 1
    kept = read(out / "best" / f"step-{best:08d}").tables["weights"]
    made = load_file(out / "adapter" / "adapter_model.safetensors")
    assert made and all(
        torch.equal(value, kept[name.removeprefix("base_model.model.").replace(".weight", ".default.weight")])
        for name, value in made.items()
    )
