"""Runs that are killed, interrupted or started twice at random moments end as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.faults.conftest import Bench, Trials, amounts

pytestmark = pytest.mark.slow(4)


def _kill_at_random(
    bench_run: Bench, config: Path, folder: Path, rng: np.random.Generator, number: signal.Signals, seconds: float
) -> int:
    """Start a run, send it a signal at a random moment, and return its exit code."""
    driver = bench_run.start("run", config, "--out", folder)
    time.sleep(rng.uniform(0, seconds))
    driver.send(number)
    done = driver.wait()
    assert "Traceback" not in done.stderr, done.stderr
    return int(done.returncode)


@amounts(4, 250)
def test_driver_killed(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        for _ in range(rng.integers(1, 4)):
            code = _kill_at_random(
                bench_run, bench_run.config, tmp_path / "run", rng, signal.SIGKILL, bench_run.seconds
            )
            assert code in (-signal.SIGKILL, 0)
        bench_run.finish(tmp_path / "run")

    trials.make(count, trial)


@amounts(2, 150)
def test_driver_interrupted(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        number = (signal.SIGINT, signal.SIGTERM)[rng.integers(2)]
        code = _kill_at_random(bench_run, bench_run.config, tmp_path / "run", rng, number, bench_run.seconds)
        assert code in (130, 0, -number)  # minus the number before Python has begun to listen
        bench_run.finish(tmp_path / "run")

    trials.make(count, trial)


def _with_workers(bench_run: Bench, folder: Path) -> Path:
    """The configuration with two worker processes."""
    config = yaml.safe_load(bench_run.config.read_text())
    path = folder / "workers.yaml"
    path.write_text(yaml.safe_dump({**config, "executor": {"workers": 2}}))
    return path


def _children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except FileNotFoundError:
        return []


@amounts(1, 60)
def test_worker_or_driver_killed(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    config = _with_workers(bench_run, tmp_path)

    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        driver = bench_run.start("run", config, "--out", tmp_path / "run")
        time.sleep(rng.uniform(0, 3))
        workers = _children(driver.process)
        victim = rng.choice([driver.process, *workers])
        if victim == driver.process:
            driver.send(signal.SIGKILL)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(victim), signal.SIGKILL)
        done = driver.wait()
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (-signal.SIGKILL, 0, 4), done.stderr
        deadline = time.monotonic() + 10
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < deadline, "a worker outlived its driver"
            time.sleep(0.02)
        bench_run.finish(tmp_path / "run")

    trials.make(count, trial)


@amounts(1, 60)
def test_two_drivers_at_once(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        first = bench_run.start("run", bench_run.config, "--out", tmp_path / "run")
        time.sleep(rng.uniform(0, bench_run.seconds))
        second = bench_run.start("run", bench_run.config, "--out", tmp_path / "run")
        codes = sorted(started.wait().returncode for started in (first, second))
        assert codes in ([0, 0], [0, 2])  # the second is refused, or comes when all is done
        bench_run.finish(tmp_path / "run")

    trials.make(count, trial)


@amounts(1, 60)
def test_readers_beside_a_driver(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    """A table that is read while a run goes on shows a part of it, and never what no run would hold."""

    def trial(rng: np.random.Generator) -> None:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        driver = bench_run.start("run", bench_run.config, "--out", tmp_path / "run")
        for _ in range(3):
            time.sleep(rng.uniform(0, bench_run.seconds / 3))
            bench_run.call("leaderboard", tmp_path / "run", "--json", codes={0, 2})
        assert driver.wait().returncode == 0
        bench_run.finish(tmp_path / "run")

    trials.make(count, trial)
