"""Models too large for one copy a worker: they take turns, and nothing else waits for them for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench import UsageError

Write = Callable[..., Path]
PLUGIN = """
import os
from pathlib import Path
import numpy as np
from bench import Audio, MusicModel

class Large(MusicModel):
    '''Notes in which process it plays, and that it stays alone there.'''
    sample_rate = 8000
    max_workers = {limit}
    provenance_params = frozenset({{"marks"}})

    def __init__(self, name: str = "", marks: str = "") -> None:
        self.name, self.marks = name, Path(marks)

    def generate(self, requests):
        self.marks.mkdir(exist_ok=True)
        (self.marks / f"{{self.name}}-{{os.getpid()}}").touch()
        for request in requests:
            frames = round(request.duration * 8000)
            yield Audio(np.random.default_rng(request.seed).uniform(-0.5, 0.5, frames), 8000)
"""


def _run(tmp_path: Path, write_config: Write, limit: object) -> dict[str, set[str]]:
    """The processes that each of two models was in, with three workers."""
    (tmp_path / "large.py").write_text(PLUGIN.format(limit=limit))
    models = [
        {"name": f"{tmp_path}/large.py:Large", "as": name, "params": {"name": name, "marks": str(tmp_path / "marks")}}
        for name in ("one", "two")
    ]
    run = bench.run(write_config(models=models, executor={"workers": 3}), tmp_path / "out")
    assert run.failures() == []
    seen: dict[str, set[str]] = {"one": set(), "two": set()}
    for mark in (tmp_path / "marks").iterdir():
        name, _, process = mark.name.partition("-")
        seen[name].add(process)
    return seen


def test_large_models_take_turns_in_one_process(tmp_path: Path, write_config: Write) -> None:
    seen = _run(tmp_path, write_config, 1)
    assert len(seen["one"] | seen["two"]) == 1


def test_limit_above_one_is_kept(tmp_path: Path, write_config: Write) -> None:
    assert len(set().union(*_run(tmp_path, write_config, 2).values())) <= 2


def test_limit_must_be_a_number(tmp_path: Path, write_config: Write) -> None:
    with pytest.raises(UsageError, match=r"max_workers .*\b0\b.*\b1\b"):
        _run(tmp_path, write_config, 0)


@pytest.mark.parametrize("timeout", [3e6, 1e18, 1.7e308])
def test_time_limits_longer_than_a_system_can_wait_are_no_limits(
    timeout: float, tmp_path: Path, write_config: Write
) -> None:
    """The limit of a set metric is that of one clip times its clips; 1,194 of them took it past what poll() accepts."""
    config = write_config(seeds=[0], executor={"workers": 2, "timeout": timeout})
    assert bench.run(config, tmp_path / "out").failures() == []
