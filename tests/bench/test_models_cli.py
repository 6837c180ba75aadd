"""``tunebench models``: tiny checkpoints from the command line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_tiny_checkpoint_and_adapter_play(tunebench: Command, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    made = tunebench("models", "make-tiny", "audioldm", "tiny", "--adapter", "tiny-lora")
    assert made.returncode == 0, made.stderr
    assert [line.partition(":")[0] for line in made.stdout.splitlines()] == ["tiny", "tiny-lora"]
    params = "{checkpoint: tiny, adapter: tiny-lora, steps: 2, device: cpu}"
    (tmp_path / "c.yaml").write_text(f"models: [{{name: audioldm, params: {params}}}]\nmetrics: []\nduration: 0.5\n")
    ran = tunebench("run", "c.yaml", "--workers", "0")
    assert ran.returncode == 0, ran.stderr
    assert len(list((tmp_path / "results/c/audio/audioldm").iterdir())) == 12
    again = tunebench("models", "make-tiny", "audioldm", "tiny")
    assert again.returncode == 2
    assert "'tiny' exists and is not an empty folder" in again.stderr


def test_unknown_kind_is_suggested(tunebench: Command) -> None:
    ran = tunebench("models", "make-tiny", "audiolm", "tiny")
    assert ran.returncode == 2
    assert "(did you mean 'audioldm'?)" in ran.stderr
    assert "Traceback" not in ran.stderr
