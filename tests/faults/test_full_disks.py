"""Runs on disks that are full: one line, nothing lost, and the same result once there is room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Bench, Trials, amounts

pytestmark = pytest.mark.slow(2)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory; its size is set by `_resize`."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=16m", "tunebench-test", str(place)]
    if not mount or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def _resize(place: Path, kilobytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", str(place)], check=True)


@amounts(2, 150)
def test_disk_that_fills_up(trials: Trials, bench_run: Bench, small_disk: Path, count: int) -> None:
    needed = sum(file.stat().st_blocks * 512 for file in bench_run.run.rglob("*") if file.is_file()) // 1024

    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(small_disk / "run", ignore_errors=True)
        _resize(small_disk, int(rng.integers(8, needed + needed // 4)))
        done = bench_run.call("run", bench_run.config, "--out", small_disk / "run", codes={0, 2})
        if done.returncode == 2:
            assert done.stderr.count("tunebench: ") == 1, done.stderr
        _resize(small_disk, 16 * 1024)
        bench_run.finish(small_disk / "run")

    trials.make(count, trial)


@amounts(1, 60)
def test_disk_that_fills_up_while_scoring(trials: Trials, bench_run: Bench, small_disk: Path, count: int) -> None:
    """What was made before is there, byte for byte, and what was scored before has the same value."""

    def trial(rng: np.random.Generator) -> None:
        _resize(small_disk, 16 * 1024)
        folder = bench_run.copy(small_disk / "run")
        used = sum(file.stat().st_blocks * 512 for file in small_disk.rglob("*") if file.is_file()) // 1024
        _resize(small_disk, used + int(rng.integers(0, 256)))
        bench_run.score(folder, "--force", codes={0, 2})
        _resize(small_disk, 16 * 1024)
        bench_run.finish(folder)

    trials.make(count, trial)
