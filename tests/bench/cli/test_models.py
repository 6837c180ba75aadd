"""``tunebench models``: tiny checkpoints from the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import bench

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_tiny_checkpoint_and_adapter_play(tunebench: Command, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    made = tunebench("models", "make-tiny", "audioldm", "tiny", "--adapter", "tiny-lora")
    assert made.returncode == 0, made.stderr
    assert [line.partition(":")[0] for line in made.stdout.splitlines()] == ["tiny", "tiny-lora"]
    params = {"checkpoint": str(tmp_path / "tiny"), "adapter": str(tmp_path / "tiny-lora"), "steps": 2, "device": "cpu"}
    models = [{"name": "audioldm", "params": params}]
    bench.run({"models": models, "metrics": [], "duration": 0.5, "executor": {"workers": 0}}, tmp_path / "run")
    assert len(list((tmp_path / "run/audio/audioldm").iterdir())) == 12
    again = tunebench("models", "make-tiny", "audioldm", "tiny")
    assert again.returncode == 2
    assert "'tiny'" in again.stderr


def test_unknown_kind_is_suggested(tunebench: Command) -> None:
    ran = tunebench("models", "make-tiny", "audiolm", "tiny")
    assert ran.returncode == 2
    assert "(did you mean 'audioldm'?)" in ran.stderr
    assert "Traceback" not in ran.stderr
