"""``tunebench train``: from a configuration to an adapter that runs name, by the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bench.config.run_config import parse_config
from bench.contracts.audio import Audio, write_flac

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("diffusers")
    pytest.importorskip("accelerate")
    from models import tiny

    return tiny.make("audioldm", tmp_path_factory.mktemp("checkpoint") / "base")


@pytest.fixture
def write_training(checkpoint: Path, tmp_path: Path) -> Callable[..., Path]:
    """A tiny checkpoint, four songs with captions, and a configuration; keyword arguments replace settings."""
    shutil.copytree(checkpoint, tmp_path / "base")
    rng = np.random.default_rng(0)
    for name in ("one", "two", "three", "four"):
        write_flac(tmp_path / "songs" / f"{name}.flac", Audio(0.1 * rng.standard_normal((1, 8000)), 8000))
        (tmp_path / "songs" / f"{name}.txt").write_text(f"song {name}")

    def write(**settings: Any) -> Path:
        content = {
            "base": {"kind": "audioldm", "checkpoint": "base"},
            "data": {"path": "songs", "validation": 0.25},
            "steps": 2,
            "batch": 2,
            "device": "cpu",
            **settings,
        }
        path = tmp_path / "train.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


@pytest.mark.slow(8)
def test_train_run_says_how_to_name_it_in_a_run(
    tunebench: Command, write_training: Callable[..., Path], tmp_path: Path
) -> None:
    write_training()
    trained = tunebench("train", "run", "train.yaml", "--out", "out")
    assert trained.returncode == 0, trained.stderr
    assert "Traceback" not in trained.stderr and "Warning" not in trained.stderr
    assert "2 steps; validation loss: base" in trained.stdout
    again = tunebench("train", "run", "train.yaml", "--out", "out")
    assert (again.returncode, again.stdout) == (0, trained.stdout)

    # The lines that it prints are what a run takes.
    models = parse_config(yaml.safe_load(trained.stdout[trained.stdout.index("models:") :])).models
    assert [model.params.get("adapter") for model in models] == [None, "out/adapter"]
    assert (tmp_path / "out/adapter/adapter_model.safetensors").is_file()


@pytest.mark.slow(15)
def test_speed_measures_both_arms(tunebench: Command, write_training: Callable[..., Path], tmp_path: Path) -> None:
    # A limit that a process with torch in it exceeds at once, so that the search for the best batch is short.
    write_training()
    ran = tunebench("train", "speed", "train.yaml", "--memory-limit", "0.01", "--steps", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert 0 < told["examples"] < 4 and told["memory_limit_bytes"] == 10**7
    for arm in told["arms"].values():
        assert arm["best_batch"] is None and arm["batch"] is None
        assert arm["optimizer_bytes"] > 8 * arm["trainable"]
    assert told["arms"]["lora"]["trainable"] < told["arms"]["full"]["trainable"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "songs", "train.yaml"]


@pytest.mark.slow(10)
def test_an_interrupted_training_leaves_with_130_and_goes_on(
    tunebench: Command, tunebench_path: str, write_training: Callable[..., Path], tmp_path: Path
) -> None:
    write_training(steps=1_000_000, validation={"every": 1_000_000})
    command = [tunebench_path, "train", "run", "train.yaml", "--out", "out"]
    started = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "out" / "log.jsonl"
    while started.poll() is None and '"step": 3' not in (log.read_text() if log.exists() else ""):
        time.sleep(0.05)
    started.send_signal(signal.SIGTERM)  # SIGINT is ignored where a shell runs the tests in the background
    _, said = started.communicate(timeout=120)
    assert started.returncode == 130, said
    assert "Traceback" not in said
    assert "interrupted" in said
    steps = max(int(path.name.removeprefix("step-")) for path in (tmp_path / "out" / "checkpoints").iterdir())
    write_training(steps=steps + 1, validation={"every": 1_000_000})
    ended = tunebench("train", "run", "train.yaml", "--out", "out")
    assert ended.returncode == 0, ended.stderr
    assert f"training: {steps} of {steps + 1}" in ended.stderr


def test_mistakes_are_named_and_nothing_is_made(tunebench: Command, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "wrong.yaml").write_text("base: {kind: audioldm, checkpoint: base}\ndata: {path: x}\nstepps: 3\n")
    for arguments, code, message in (
        (("run", "nowhere.yaml", "--out", "out"), 2, "there is no configuration nowhere.yaml"),
        (("run", "wrong.yaml", "--out", "out"), 2, "unknown setting 'stepps' (did you mean 'steps'?)"),
        (("speed", "wrong.yaml"), 2, "unknown setting 'stepps' (did you mean 'steps'?)"),
        (("merge", "nowhere", "out"), 2, "adapter 'nowhere' does not exist"),
    ):
        ran = tunebench("train", *arguments)
        assert ran.returncode == code
        assert message in ran.stderr and "Traceback" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.yaml"]


def test_help_needs_nothing_and_training_names_the_extra(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "c.yaml").write_text("base: {kind: audioldm, checkpoint: b}\ndata: {path: x}\nsteps: 3\n")
    script = (
        "import importlib.util, sys\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'peft' else found(name, *rest)\n"
        "from bench.cli import main\n"
        "sys.argv = ['tunebench', 'train', *sys.argv[1:]]\n"
        "try:\n    main()\n"
        "finally:\n    print(sorted({'torch', 'numpy', 'diffusers'} & set(sys.modules)))\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=False)

    helped = run("--help")
    assert helped.returncode == 0 and helped.stdout.splitlines()[-1] == "[]"
    for arguments in (("run", "c.yaml", "--out", "o"), ("speed", "c.yaml"), ("merge", "a", "o")):
        ran = run(*arguments)
        assert ran.returncode == 3
        assert "needs peft: pip install 'tunebench[diffusion]'" in ran.stderr
