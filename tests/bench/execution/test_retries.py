"""What may pass is tried again after a while; a model that always fails is stopped; both are told and recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import bench
from bench import TransientError, UsageError
from bench.config.run_config import ExecutorConfig, parse_config
from bench.errors import may_pass
from bench.storage.store import Store

Command = Callable[..., Any]

PLUGIN = """
import os, time
from pathlib import Path
import numpy as np
from bench import Audio, ClipMetric, GenerationError, MusicModel, Score, TransientError

class OutOfMemoryError(RuntimeError):
    '''As PyTorch calls it.'''

def times(name):
    '''How often this was asked for, this time included; very often once all is mended.'''
    with open(Path(FOLDER) / f"{name}.tries", "a") as file:
        file.write(f"{time.monotonic()}\\n")
    mended = (Path(FOLDER) / "mended").exists()
    return 99 if mended else len((Path(FOLDER) / f"{name}.tries").read_text().splitlines())

def fail(how):
    match how:
        case "raise": raise TransientError("the service is busy")
        case "memory": raise MemoryError
        case "device": raise OutOfMemoryError("CUDA out of memory")
        case "kill": os.kill(os.getpid(), 9)
        case "hold":
            held = [np.ones(2_000_000) for _ in range(200)]
            time.sleep(60)
        case "always": raise ValueError("this prompt never works")

class Model(MusicModel):
    sample_rate = 8000
    def __init__(self, how: str = "", victim: str = "", succeeds: int = 2, batch: int = 1) -> None:
        self.how, self.victim, self.succeeds, self.batch_size = how, victim, succeeds, batch
    def generate(self, requests):
        return [self.one(request) for request in requests]
    def one(self, r):
        if r.prompt.id.startswith(self.victim) and times(r.prompt.id) < self.succeeds:
            if self.how == "return":
                return TransientError("the service is busy")
            fail(self.how)
        return Audio(np.full(round(r.duration * 8000), .1 + .01 * len(r.prompt.id)), 8000)

class Metric(ClipMetric):
    def score(self, clip):
        return Score.of(1)

class Busy(ClipMetric):
    def score(self, clip):
        if clip.prompt.id == "jazz-2" and times("metric") < 2:
            fail("raise")
        return Score.of(2)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN.replace("FOLDER", repr(str(tmp_path))))
    return path


def _config(plugin: Path, executor: Mapping[str, object], **params: object) -> dict[str, Any]:
    return {
        "models": [{"name": f"{plugin}:Model", "as": "mine", "params": params}],
        "metrics": [f"{plugin}:Metric"],
        "duration": 0.1,
        "executor": dict(executor),
    }


def _tries(folder: Path) -> dict[str, int]:
    """By prompt, the number of tries that the run recorded."""
    with Store.read(folder) as store:
        return {
            prompt: json.loads(made)["tries"] for prompt, made in store.rows("SELECT prompt, provenance FROM clips")
        }


@pytest.mark.parametrize(
    ("how", "executor"),
    [
        ("raise", {"workers": 0}),
        ("return", {"workers": 0}),
        ("memory", {"workers": 0}),
        ("device", {"workers": 0}),
        ("raise", {"workers": 1}),
        ("kill", {"workers": 1}),
        ("hold", {"workers": 1, "memory": "500 MB"}),
    ],
)
def test_what_may_pass_is_tried_again(plugin: Path, tmp_path: Path, how: str, executor: dict[str, object]) -> None:
    batch = 3 if how == "return" else 1  # a batch that raises is tried clip by clip at once
    run = bench.run(_config(plugin, executor, how=how, victim="jazz-2", batch=batch), tmp_path / "out")
    assert run.failures() == []
    tries = _tries(run.folder)
    assert tries == {prompt: 2 if prompt == "jazz-2" else 1 for prompt in tries}
    assert len(tries) == 12


def test_pauses_grow_and_stop_nobody_else(plugin: Path, tmp_path: Path) -> None:
    run = bench.run(_config(plugin, {"workers": 0}, how="raise", victim="jazz-2", succeeds=3), tmp_path / "out")
    assert _tries(run.folder) == {prompt: 3 if prompt == "jazz-2" else 1 for prompt in _tries(run.folder)}
    first, second, third = map(float, (tmp_path / "jazz-2.tries").read_text().split())
    assert second - first >= 1 and third - second >= 4
    made = [
        file.stat().st_mtime for file in sorted((run.folder / "audio/mine").iterdir(), key=lambda f: f.stat().st_mtime)
    ]
    assert made[-1] - made[-2] >= 1  # all others came before


def test_tries_have_an_end_and_are_counted(plugin: Path, tmp_path: Path) -> None:
    config = _config(plugin, {"workers": 0, "retries": 1}, how="raise", victim="jazz-2", succeeds=99)
    run = bench.run(config, tmp_path / "out")
    assert [(failure.clip, failure.reason) for failure in run.failures()] == [("jazz-2, seed 0", "the service is busy")]
    assert _tries(run.folder)["jazz-2"] == 2


def test_none_may_be_asked_for_and_other_errors_get_none(plugin: Path, tmp_path: Path) -> None:
    for how, retries in (("raise", 0), ("always", 5)):
        config = _config(plugin, {"workers": 0, "retries": retries}, how=how, victim="jazz-2")
        run = bench.run(config, tmp_path / how)
        assert [failure.clip for failure in run.failures()] == ["jazz-2, seed 0"]
        (tmp_path / "jazz-2.tries").unlink()


@pytest.mark.parametrize("workers", [0, 1])
def test_metrics_are_tried_again_alone(plugin: Path, tmp_path: Path, workers: int) -> None:
    config = _config(plugin, {"workers": workers})
    config["metrics"] += [f"{plugin}:Busy"]
    run = bench.run(config, tmp_path / "out")
    assert run.failures() == []
    assert run.leaderboard().set_index("metric").n.to_dict() == {"Metric@1": 12, "Busy@1": 12}


def test_memory_over_the_limit_is_named(plugin: Path, tmp_path: Path) -> None:
    config = _config(plugin, {"workers": 1, "memory": 5 * 10**8, "retries": 0}, how="hold", victim="jazz-2")
    (failure,) = bench.run(config, tmp_path / "out").failures()
    assert failure.clip == "jazz-2, seed 0"
    assert "the 500 MB of executor.memory" in failure.reason


def test_a_limit_below_what_a_worker_needs_itself_is_refused(plugin: Path, tmp_path: Path) -> None:
    run: bench.Run | None = None
    try:
        run = bench.run(_config(plugin, {"workers": 1, "memory": "20 MB", "retries": 0}), tmp_path / "out")
    except UsageError as error:  # they were dead before they were given anything
        assert "the 20 MB of executor.memory" in str(error)
    assert run is None or all("the 20 MB of executor.memory" in failure.reason for failure in run.failures())


@pytest.mark.parametrize(("limit", "tried"), [(1, 1), (4, 4), (0.2, 3), (0.001, 1), (0.99, 12), (None, 12)])
def test_a_model_that_always_fails_is_stopped(plugin: Path, tmp_path: Path, limit: float | None, tried: int) -> None:
    executor = {"workers": 0, "fail_limit": limit}
    config = _config(plugin, executor, how="always", succeeds=99)
    config["models"].append({"name": f"{plugin}:Model", "as": "good", "params": {"victim": "none"}})
    run = bench.run(config, tmp_path / "out")
    reasons = [failure.reason for failure in run.failures()]
    assert {failure.model for failure in run.failures()} == {"mine"}
    assert reasons.count("ValueError: this prompt never works") == tried
    stopped = [reason for reason in reasons if reason.startswith("not tried, ")]
    assert len(stopped) == 12 - tried
    assert all("executor.fail_limit" in reason and "this prompt never works" in reason for reason in stopped)
    # A resumed run tries what it left.
    (tmp_path / "mended").touch()
    assert bench.run(config, tmp_path / "out").failures() == []


def test_a_stopped_model_is_told(plugin: Path, tmp_path: Path, tunebench: Command) -> None:
    (tmp_path / "c.yaml").write_text(
        json.dumps(_config(plugin, {"workers": 0, "fail_limit": 2}, how="always", succeeds=99))
    )
    ran = tunebench("run", "c.yaml", "--out", "out")
    assert ran.returncode == 4
    assert all(word in ran.stderr for word in ("mine ", "2 of 2 clips", "executor.fail_limit: 2"))


def test_waiting_ends_with_ctrl_c(plugin: Path, tmp_path: Path) -> None:
    import signal
    import threading

    config = _config(plugin, {"workers": 0, "retries": 9}, how="raise", victim="jazz-2", succeeds=99)
    out, begun = tmp_path / "out", time.monotonic()
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while len(list(out.glob("audio/mine/*.flac"))) < 11:
            time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        bench.run(config, out)
    assert time.monotonic() - begun < 60
    (tmp_path / "mended").touch()
    assert bench.run(config, out).failures() == []


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TransientError("busy"), True),
        (MemoryError(), True),
        (type("OutOfMemoryError", (RuntimeError,), {})(), True),
        (type("Mine", (type("OutOfMemoryError", (RuntimeError,), {}),), {})(), True),
        (bench.GenerationError("no"), False),
        (ValueError("no"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_may_pass(error: BaseException, passes: bool) -> None:
    assert may_pass(error) is passes


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("8 GB", 8 * 10**9),
        ("1.5GiB", 3 * 2**29),
        ("500 MB", 5 * 10**8),
        (123_000_000, 123_000_000),
        ("90000000B", 90_000_000),
        ("20000 kB", 20_000_000),
        (None, None),
    ],
)
def test_sizes_of_memory(written: object, size: int | None) -> None:
    config = parse_config({"executor": {"memory": written}})
    assert config.executor.memory == size
    assert parse_config(config.model_dump(mode="json", by_alias=True)) == config


@pytest.mark.parametrize(
    "executor",
    [
        {"memory": "8"},
        {"memory": "8 XB"},
        {"memory": "-8 GB"},
        {"memory": "inf GB"},
        {"memory": 0},
        {"memory": 0.5},
        {"memory": True},
        {"kind": "ray", "memory": "8 GB"},
        {"retries": -1},
        {"retries": 1.5},
        {"fail_limit": 0},
        {"fail_limit": 1.5},
        {"fail_limit": -0.1},
        {"fail_limit": float("nan")},
        {"fail_limit": float("inf")},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": 0},
    ],
)
def test_impossible_settings_are_refused(executor: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        parse_config({"executor": executor})


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    for config in ({"duration": number}, {"common": {"seconds": number}}, {"common": {"band": number}}):
        with pytest.raises(UsageError):
            parse_config(config)


def test_defaults_are_those_of_the_docs() -> None:
    defaults = ExecutorConfig()
    assert (defaults.retries, defaults.fail_limit, defaults.memory) == (2, None, None)
