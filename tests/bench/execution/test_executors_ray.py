"""Ray gives what local workers give, and survives what they survive."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bench.config.run_config import ExecutorConfig, parse_config
from bench.errors import MissingError, UsageError
from bench.execution.executors.choose import make_executor
from bench.pipeline.run import run
from bench.storage.store import Store

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow(4),
    # Ray 2.49, the last for Intel Macs, leaves files open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a small cluster on this machine, started once since that takes seconds."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    context = ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield context.address_info["gcs_address"]
    ray.shutdown()


def config(tiny: Path, kind: str = "ray", metrics: list[str] | None = None, **params: Any) -> dict[str, Any]:
    executor: dict[str, Any] = {"kind": kind, "workers": 2, "timeout": params.pop("timeout", 60), "retries": 0}
    return {
        "suite": "quick@1",
        "models": [{"name": f"{tiny}:Sine", "as": "sine", "params": {"batch": 3, **params}}],
        "metrics": metrics or [f"{tiny}:Peak", f"{tiny}:Frames"],
        "duration": 0.25,
        "executor": executor,
    }


def results(folder: Path) -> tuple[list[Any], list[Any]]:
    with Store.read(folder) as store:
        clips = store.rows(
            "SELECT id, state, content, peak, gain, notes FROM clips LEFT JOIN notes ON clip = id ORDER BY id"
        )
        scores = store.rows("SELECT clip, metric, value, reason, details FROM scores ORDER BY clip, metric")
    return clips, scores


def states(folder: Path) -> dict[str, str]:
    with Store.read(folder) as store:
        return dict(store.rows("SELECT prompt, state FROM clips"))


@pytest.mark.usefixtures("cluster")
def test_same_results_as_local_workers(tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny)
    on_ray = run(settings, tmp_path / "ray").folder
    local = run({**settings, "executor": {"workers": 0}}, tmp_path / "local").folder

    assert results(on_ray) == results(local)
    assert not (on_ray / "crashes").exists(), "nobody crashed"
    assert all(state == "made" for state in states(on_ray).values())
    assert ray.is_initialized(), "a cluster that somebody else started stays"


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("bad", ["abort", "exit", "hang"])
def test_a_worker_that_dies_or_hangs_costs_its_own_clip_only(tiny: Path, tmp_path: Path, bad: str) -> None:
    batch = 1 if bad == "hang" else 3  # a batch is given the time of all its clips
    finished = run(config(tiny, bad=bad, batch=batch, timeout=3), tmp_path / "out")

    (failure,) = finished.failures()
    reasons = {
        "abort": "its Ray worker was killed by SIGABRT in tiny.py (line ",
        "exit": "its Ray worker is gone: ",
        "hang": "took longer than 3 s (executor.timeout)",
    }
    assert (failure.model, failure.metric, failure.clip) == ("sine", "", "jazz-2, seed 0")
    assert failure.reason.startswith(reasons[bad])
    assert "\n" not in failure.reason
    stacks = list(finished.folder.glob("crashes/*"))
    assert [stack.name in failure.reason for stack in stacks] == [True] * (bad == "abort")
    assert all("in _one" in stack.read_text() for stack in stacks)
    assert {prompt for prompt, state in states(finished.folder).items() if state != "made"} == {"jazz-2"}


@pytest.mark.usefixtures("cluster")
def test_a_metric_that_kills_its_worker_fails_alone(tiny: Path, tmp_path: Path) -> None:
    settings = config(tiny)
    settings["metrics"] = [f"{tiny}:Peak", {"name": f"{tiny}:Fragile", "params": {"how": "abort"}}]
    settings["suite"] = _small_suite(tmp_path)
    finished = run(settings, tmp_path / "out")
    assert [(f.clip, f.metric) for f in finished.failures()] == [("rock-1, seed 0", "Fragile[how=abort]")]
    _, scores = results(finished.folder)
    assert sum(value is not None for _, _, value, *_ in scores) == 2 * 3 - 1


def _small_suite(folder: Path) -> str:
    import yaml

    prompts = [
        {"id": f"{genre}-1", "genre": genre, "level": 1, "text": f"some {genre}"} for genre in ("pop", "rock", "folk")
    ]
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump({"name": "three", "version": 1, "prompts": prompts}))
    return str(path)


@pytest.mark.usefixtures("cluster")
def test_a_model_that_misses_something_stops_with_its_message(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError) as caught:
        run(config(tiny, bad="missing"), tmp_path / "out")
    assert all(word in str(caught.value) for word in ("model 'sine': ", "tiny.bin"))


@pytest.mark.usefixtures("cluster")
def test_numerical_libraries_get_the_threads_asked_for(tmp_path: Path) -> None:
    plugin = tmp_path / "threads.py"
    plugin.write_text(
        "import os\nfrom bench import ClipMetric, Score\n"
        "class Threads(ClipMetric):\n"
        "    def score(self, clip):\n"
        "        return Score.of(int(os.environ['OPENBLAS_NUM_THREADS']) * int(os.environ['OMP_NUM_THREADS']))\n"
    )
    settings = {
        "suite": _small_suite(tmp_path), "models": ["noise"], "metrics": [f"{plugin}:Threads"], "duration": 0.25,
        "executor": {"kind": "ray", "workers": 1, "threads": 3},
    }  # fmt: skip
    _, scores = results(run(settings, tmp_path / "out").folder)
    assert [value for _, _, value, *_ in scores] == [9.0] * 3


def test_folders_of_the_user_named_like_ours_do_not_mislead_workers(
    cluster: str, tunebench: Callable, write_config: Callable, tiny: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    for package in ("bench", "models", "metrics", "prompts"):
        (home / package).mkdir(parents=True)
        (home / package / "__init__.py").write_text("raise RuntimeError('this is not tunebench')\n")
    settings = write_config(
        models=["noise", {"name": f"{tiny}:Sine", "as": "sine"}],
        executor={"kind": "ray", "workers": 2, "address": cluster},
    )
    done = tunebench("run", settings, "--out", tmp_path / "out", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")  # nothing of Ray's gets among the results
    assert set(states(tmp_path / "out").values()) == {"made"}


def test_a_cluster_that_is_not_there_is_one_line(tunebench: Callable, write_config: Callable, tmp_path: Path) -> None:
    settings = write_config(executor={"kind": "ray", "address": "127.0.0.1:1"})
    refused = tunebench("run", settings, "--out", tmp_path / "out")
    assert refused.returncode == 2
    assert all(word in refused.stderr for word in ("Ray", "127.0.0.1:1", "executor.address"))
    assert "Traceback" not in refused.stderr


def test_ctrl_c_stores_what_is_finished_and_leaves_no_process(
    tunebench_path: str, write_config: Callable, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    model = {"name": f"{tiny}:Sine", "as": "sine", "params": {"seconds": 0.2}}
    settings = write_config(models=[model], executor={"kind": "ray", "workers": 2}, seeds=list(range(20)))
    with subprocess.Popen(
        [tunebench_path, "run", settings, "--out", out],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        _wait_until(lambda: _made(out) > 2 or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert 2 < _made(out) < 240
    assert len(list(out.glob("audio/*/*.flac"))) >= _made(out)
    _wait_until(lambda: not _session(process.pid))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody finds what has left for a session of its own")
def test_nothing_of_a_cluster_of_our_own_outlives_a_driver_that_is_killed(
    tunebench_path: str, write_config: Callable, tiny: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    model = {"name": f"{tiny}:Sine", "as": "sine", "params": {"seconds": 0.2}}
    settings = write_config(models=[model], executor={"kind": "ray", "workers": 2}, seeds=list(range(20)))
    mark = f"TUNEBENCH_TEST={out}"
    with subprocess.Popen(
        [tunebench_path, "run", settings, "--out", out], env={**os.environ, "TUNEBENCH_TEST": str(out)},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        _wait_until(lambda: _made(out) > 2 or process.poll() is not None)
        assert len(_with_variable(mark)) > 5
        process.kill()
    _wait_until(lambda: not _with_variable(mark))


def _with_variable(variable: str) -> list[int]:
    """The processes that have inherited an environment variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{variable}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def _made(folder: Path) -> int:
    if not (folder / "run.db").exists():
        return 0
    try:
        with closing(sqlite3.connect(folder / "run.db")) as database:
            return int(database.execute("SELECT COUNT(*) FROM clips WHERE state = 'made'").fetchone()[0])
    except sqlite3.OperationalError:  # it is being made
        return 0


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
    for pid, state in map(str.split, listing.splitlines()):
        with suppress(ProcessLookupError):
            if not state.startswith("Z") and os.getsid(int(pid)) == leader:
                found.append(int(pid))
    return found


def _wait_until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.1)
    pytest.fail("nothing happened for a minute")


def test_without_ray_the_command_that_helps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # what Python itself does for a module it must not find
    with pytest.raises(MissingError, match=r"ray .*'tunebench\[ray\]'"):
        make_executor(ExecutorConfig(kind="ray", workers=1))


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ({"address": "auto"}, "'address' .*kind: ray"),
        ({"kind": "local", "gpus": 1}, "'gpus' .*kind: ray"),
        ({"kind": "ray", "gpus": 1.5}, "gpus is 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(executor: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_config({"executor": executor})
