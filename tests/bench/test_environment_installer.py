"""Environments that are really made, of wheels on the disk: by two at once, killed midway, broken, and removed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

import bench
from bench.config.run_config import MetricConfig
from bench.environment_installer import (
    Leftover,
    last_error,
    list_environments,
    make_environment,
    remove_environments,
)
from bench.environment_spec import EnvironmentSpec, parse_environment
from bench.errors import MissingError, UsageError
from bench.kept_environment import RECORD, EnvironmentMissing, KeptEnvironment, kept_environment
from bench.planning.metric_plan import plan_metric
from bench.run_lock import take
from metrics.command import CommandMetric
from metrics.embedders.command import CommandEmbedder
from models.command import CommandModel
from tests.wheels import write_wheel

MAKE = """
import json, sys
from pathlib import Path
from bench.environment_installer import make_environment
from bench.environment_spec import parse_environment
given, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
print("made" if make_environment(parse_environment("test", given, folder), "pip", lambda _: None) else "")
"""
JUDGE = """
import json, sys
import measure
with open(sys.argv[2], "w") as out:
    for line in open(sys.argv[1]):
        request = json.loads(line)
        print(json.dumps({"id": request["id"], "value": measure.value(request)}), file=out)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for caches of its own, and wheels in it."""
    folder = tmp_path_factory.mktemp("home")
    write_wheel(folder, "measure", "def value(request):\n    return request['duration'] * 2\n")
    (folder / "judge.py").write_text(JUDGE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("PATH", "/usr/bin:/bin")  # without uv
        patch.setattr("tempfile.tempdir", str(folder))  # for logs that are kept
        yield folder


GIVEN = {"requirements": ["--no-index", "./measure-1.0-py3-none-any.whl"]}


@pytest.fixture(scope="module")
def made(home: Path) -> EnvironmentSpec:
    """An environment that two processes made at once."""
    spec = parse_environment("test", GIVEN, home)
    both = [_start(home) for _ in range(2)]
    assert [process.communicate(timeout=200)[0] for process in both] == ["made\n"] * 2
    kept = kept_environment(spec)
    assert kept and kept.installer == "pip"
    return spec


def _start(home: Path, given: Mapping[str, object] = GIVEN) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MAKE, json.dumps(given), str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _params(home: Path, **more: object) -> dict[str, object]:
    return {
        "command": ["{python}", "judge.py", "{requests}", "{scores}"],
        "cwd": str(home),
        "environment": dict(GIVEN),
        **more,
    }


@pytest.mark.slow(12)
def test_a_judge_runs_in_its_environment_and_sees_nothing_else(
    made: EnvironmentSpec, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "elsewhere").mkdir()
    (home / "elsewhere" / "measure.py").write_text("def value(request):\n    return -1\n")
    monkeypatch.setenv("PYTHONPATH", str(home / "elsewhere"))
    entry = {"name": "command", "as": "mine", "params": _params(home)}
    config = {"models": ["noise"], "metrics": [entry], "limit": 2, "duration": 1.0, "executor": {"workers": 0}}
    run = bench.run(config, home / "run")
    assert run.failures() == []
    assert run.scores()["value"].tolist() == [2.0, 2.0]
    kept = kept_environment(made)
    assert kept
    assert len(kept.packages) == 1  # what pip freeze says: neither pip nor setuptools
    assert kept.packages[0].startswith("measure==1.0 sha256:")
    assert str(home) not in json.dumps(CommandMetric(**_params(home)).fingerprint())  # type: ignore[arg-type]


def test_identity_is_what_is_installed(made: EnvironmentSpec, home: Path) -> None:
    def planned() -> str:
        entry = {"name": "command", "as": "mine", "params": _params(home)}
        return plan_metric(MetricConfig.model_validate(entry)).params_hash

    kept = kept_environment(made)
    assert kept
    first, [site] = planned(), kept.folder.glob("lib/*/site-packages")
    another = site / "another-2.0.dist-info"
    another.mkdir()
    (another / "METADATA").write_text("Metadata-Version: 2.1\nName: An.other\nVersion: 2.0\n")
    assert kept.packages[0] == "an-other==2.0"
    assert planned() != first
    (another / "METADATA").unlink()
    another.rmdir()
    assert planned() == first


def test_all_three_kinds_take_an_environment(made: EnvironmentSpec, home: Path) -> None:
    kept = kept_environment(made)
    assert kept
    paths = {"command": ["{python}", "{requests}", "{out}{vectors}"]}
    model = CommandModel(**_params(home, **paths))  # type: ignore[arg-type]
    embedder = CommandEmbedder(dimension=2, **_params(home, **paths))  # type: ignore[arg-type]
    for found in (model.fingerprint(), embedder.fingerprint(), CommandMetric(**_params(home)).fingerprint()):  # type: ignore[arg-type]
        assert found["environment"]["packages"] == list(kept.packages)
        assert set(found["environment"]) == {"python", "requirements", "packages"}
    without = CommandModel(["python", "x.py", "{requests}", "{out}"])
    assert set(without.fingerprint()) == {"files"}  # identities from before stay


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"command": ["python", "judge.py", "{requests}", "{scores}"]}, UsageError),
        ({"environment": None}, UsageError),
        ({"environment": {"requirements": ["measure==3"]}}, EnvironmentMissing),
        ({"environment": {"requirements": ["./gone.whl"]}}, MissingError),
    ],
)
def test_python_and_its_environment_go_together(params: dict[str, object], kind: type[Exception], home: Path) -> None:
    with pytest.raises(kind):
        CommandMetric(**_params(home, **params))  # type: ignore[arg-type]


@pytest.mark.slow(5)
def test_one_that_was_killed_midway_is_never_used(home: Path) -> None:
    given = {"requirements": ["--no-index", "./measure-1.0-py3-none-any.whl", "./measure-1.0-py3-none-any.whl"]}
    spec = parse_environment("test", given, home)
    process = _start(home, given)
    folder = home / "cache" / "tunebench" / "environments" / spec.key
    deadline = time.monotonic() + 100
    while not (folder / "bin").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(UsageError):
        remove_environments([spec.key])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert folder.exists()
    assert kept_environment(spec) is None
    assert [found.key for found in list_environments() if isinstance(found, Leftover)] == [spec.key]
    assert remove_environments([spec.key[:8]]) == [spec.key]
    assert not folder.exists()


@pytest.mark.slow(5)
def test_a_broken_requirement_is_one_line_and_leaves_nothing(home: Path, tmp_path: Path) -> None:
    write_wheel(tmp_path, "broken", "", requires="no-such-package-here==1")
    spec = parse_environment("test", {"requirements": ["--no-index", "./broken-1.0-py3-none-any.whl"]}, tmp_path)
    with pytest.raises(MissingError) as refused:
        make_environment(spec, "pip", lambda _: None)
    assert "No matching distribution found for no-such-package-here==1" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (home / "cache" / "tunebench" / "environments" / spec.key).exists()
    assert kept_environment(spec) is None


def test_a_python_that_is_not_there_is_said(home: Path, tmp_path: Path) -> None:
    for python in ("3.99", "./python"):
        spec = parse_environment("test", {"requirements": ["a"], "python": python}, tmp_path)
        with pytest.raises(MissingError):
            make_environment(spec, "pip", lambda _: None)
    with pytest.raises(MissingError):
        make_environment(spec, "uv")
    assert str(home) not in sys.path


def test_the_command_makes_lists_and_removes(
    made: EnvironmentSpec,
    home: Path,
    tunebench: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    entry = {"name": "command", "as": "mine", "params": _params(home, environment={"requirements": ["measure==9"]})}
    (home / "run.yaml").write_text(yaml.safe_dump({"models": ["noise"], "metrics": [entry], "limit": 1}))
    refused = tunebench("run", "run.yaml", "--out", "refused", cwd=home)
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[1] == "  tunebench environment make run.yaml"
    assert not (home / "refused").exists()
    entry["params"] = {"embedder_params": _params(home)}
    (home / "run.yaml").write_text(yaml.safe_dump({"models": ["noise"], "metrics": [entry], "limit": 1}))
    there = json.loads(tunebench("environment", "make", "run.yaml", "--json", cwd=home).stdout)
    assert [one["environment"] for one in there] == [made.key]
    assert there[0]["packages"][0].startswith("measure==1.0")
    listed = json.loads(tunebench("environment", "list", "--json").stdout)
    assert [one["environment"] for one in listed] == [made.key]
    assert listed[0]["bytes"] > 1e5
    shown = tunebench("environment", "list", COLUMNS="80").stdout
    assert made.key in shown
    assert max(map(len, shown.splitlines())) <= 80
    kept = kept_environment(made)
    assert kept
    with kept.in_use(), kept.in_use(), pytest.raises(UsageError):
        remove_environments([made.key])
    assert tunebench("environment", "remove").returncode == 2
    assert tunebench("environment", "remove", "nothing").returncode == 2
    assert tunebench("environment", "remove", made.key[:6]).stdout == f"{made.key}: removed\n"
    assert kept_environment(made) is None
    assert json.loads(tunebench("environment", "list", "--json").stdout) == []
    with pytest.raises(EnvironmentMissing):
        CommandMetric(**_params(home))  # type: ignore[arg-type]


def test_what_is_damaged_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spec = parse_environment("test", {"requirements": ["a"]}, tmp_path)
    folder = tmp_path / "tunebench" / "environments" / spec.key
    (folder / "bin").mkdir(parents=True)
    record = {"python": "3.11.7", "requirements": ["a"], "installer": "uv", "made": "2026-11-29T00:00:00+00:00"}
    (folder / RECORD).write_text(json.dumps(record))
    assert kept_environment(spec) is None  # without an interpreter
    (folder / "bin" / "python").symlink_to(tmp_path / "gone")
    assert kept_environment(spec) is None
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(sys.executable)
    found = kept_environment(spec)
    assert isinstance(found, KeptEnvironment)
    assert found.packages == ()
    for text in ("{", "[]", json.dumps({"python": "3.11.7"}), json.dumps({**record, "requirements": None})):
        (folder / RECORD).write_text(text)
        assert kept_environment(spec) is None
    with take(folder.with_name(f"{folder.name}.lock")) or pytest.fail(), pytest.raises(UsageError):
        remove_environments(everything=True)


PIP_BUILD = """
  error: subprocess-exited-with-error
  × Getting requirements to build wheel did not run successfully.
  │ exit code: 1
  ╰─> [2 lines of output]
      ValueError: boom
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
ERROR: Failed to build 'broken' when getting requirements to build wheel

[notice] A new release of pip is available: 23.2.1 -> 25.0
"""
PIP_OTHER = PIP_BUILD.partition("ERROR")[0]
UV_OTHER = """error: The build backend returned an error
  cause: Call to `build_wheel` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 1, in <module>
         ValueError: boom
"""
UV_UNSATISFIABLE = """Using Python 3.11.7 environment at: venv
  × No solution found when resolving dependencies:
  ╰─▶ Because nosuch was not found in the package registry and you require
      nosuch, we can conclude that your requirements are unsatisfiable.

      hint: Packages were unavailable because index lookups were disabled
"""
UV_BUILD = """  × Failed to build `broken @ file:///x/broken`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `build_wheel` failed (exit status: 1)

      [stderr]
      Traceback (most recent call last):
      ValueError: boom

      hint: This usually indicates a problem with the package or the build environment.
"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (PIP_BUILD, "Failed to build 'broken' when getting requirements to build wheel (ValueError: boom)"),
        (PIP_OTHER, "Getting requirements to build wheel did not run successfully. (ValueError: boom)"),
        (
            UV_OTHER,
            "The build backend returned an error; Call to `build_wheel` failed (exit status: 1) (ValueError: boom)",
        ),
        (
            UV_UNSATISFIABLE,
            "No solution found when resolving dependencies: Because nosuch was not found in the package registry and "
            "you require nosuch, we can conclude that your requirements are unsatisfiable.",
        ),
        (
            UV_BUILD,
            "Failed to build `broken @ file:///x/broken`; The build backend returned an error; Call to `build_wheel` "
            "failed (exit status: 1) (ValueError: boom)",
        ),
        (
            "error: No interpreter found for Python 3.99 in managed installations or search path\n",
            "No interpreter found for Python 3.99 in managed installations or search path",
        ),
        ("one\ntwo\nWARNING: old\n", "two"),
        ("", "it printed nothing"),
    ],
)
def test_the_line_that_says_why(said: str, line: str) -> None:
    assert last_error(said) == line
