"""Plugins, terminals and folders that misbehave: one clear line, and nothing that was made is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile

import bench
from bench import DataError, MissingError, Score, UsageError, read_audio

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]

HEAD = """
import sys
from bench import Audio, ClipMetric, MissingError, MusicModel, Score
import numpy as np

class Model(MusicModel):
    sample_rate = 8000
    def generate(self, requests):
        return [Audio(np.full(round(r.duration * 8000), .1 + .01 * len(r.prompt.id)), 8000) for r in requests]

class Metric(ClipMetric):
    def score(self, clip):
        return Score.of(1)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str], Path]:
    def write(body: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(body))
        return path

    return write


def _config(path: Path, model: str = "Model", metric: str = "Metric", workers: int = 1) -> dict[str, object]:
    return {
        "models": [f"{path}:{model}"],
        "metrics": [f"{path}:{metric}"],
        "duration": 0.1,
        "executor": {"workers": workers},
    }


class TestForeignFolders:
    def test_audio_that_is_not_ours_is_never_touched(self, tmp_path: Path, write_config: Write) -> None:
        folder = tmp_path / "dataset"
        (folder / "audio" / "train").mkdir(parents=True)
        for i in range(3):
            soundfile.write(folder / "audio" / "train" / f"song{i}.flac", np.zeros(80), 8000)
        with pytest.raises(DataError):
            bench.run(write_config(), folder)
        assert len(list(folder.glob("audio/train/*.flac"))) == 3

    def test_strange_files_in_a_run_stay(self, tmp_path: Path, write_config: Write) -> None:
        run = bench.run(write_config(), tmp_path / "out")
        mine = run.folder / "audio" / "sine" / "my-favourite.flac"
        soundfile.write(mine, np.zeros(80), 8000)
        bench.run(write_config(), run.folder)
        assert mine.exists()

    def test_lost_database_does_not_cost_the_audio(self, tmp_path: Path, write_config: Write) -> None:
        run = bench.run(write_config(), tmp_path / "out")
        for file in run.folder.glob("run.db*"):
            file.unlink()
        with pytest.raises(DataError):
            bench.run(write_config(), run.folder)
        assert len(list(run.folder.glob("audio/sine/*.flac"))) == 12


def test_damaged_clip_is_made_again(tmp_path: Path, write_config: Write) -> None:
    run = bench.run(write_config(metrics=[]), tmp_path / "out")
    clip = next((run.folder / "audio/sine").iterdir())
    good = read_audio(clip)
    clip.write_bytes(b"")
    damaged = bench.run(write_config(), run.folder)
    assert any("empty" in failure.reason for failure in damaged.failures())
    mended = bench.run(write_config(), run.folder)
    assert mended.failures() == []
    assert np.array_equal(read_audio(clip).samples, good.samples)


class TestPluginIdentity:
    def test_two_metrics_of_one_name_are_refused(self, tmp_path: Path, plugin: Callable[..., Path]) -> None:
        a, b = plugin("", "a/x.py"), plugin("", "b/x.py")
        config = {**_config(a), "metrics": [f"{a}:Metric", f"{b}:Metric"]}
        with pytest.raises(UsageError) as caught:
            bench.run(config, tmp_path / "out")
        assert all(word in str(caught.value) for word in (str(a), str(b), "Metric@1"))

    def test_edited_metric_scores_again(self, tmp_path: Path, plugin: Callable[..., Path]) -> None:
        path = plugin("")
        config = {**_config(path), "models": [f"{plugin('', 'model.py')}:Model"]}
        assert bench.run(config, tmp_path / "out").leaderboard().value.tolist() == [1]
        path.write_text(path.read_text().replace("Score.of(1)", "Score.of(7)"))
        assert bench.run(config, tmp_path / "out").leaderboard().value.tolist() == [7]


def test_values_that_are_no_numbers_fail_alone(tmp_path: Path, plugin: Callable[..., Path]) -> None:
    values = [
        "Score(True)",
        "Score('x')",
        "Score(np.array([1., 2.]))",
        "Score.of(1, chance='high')",
        "Score(10**400)",
        "Score(float('nan'))",
        "Score.undefined('')",
        "Score(None, 5)",
        "Score.of(1e308)",
        "None",
        "3.0",
        "'high'",
    ]
    bodies = [f"def score(self, clip):\n        return {value}\n" for value in values]
    path = plugin("".join(f"class Bad{place}(ClipMetric):\n    {body}" for place, body in enumerate(bodies)))
    names = [f"Bad{place}" for place in range(len(values))]
    run = bench.run({**_config(path), "metrics": [f"{path}:{name}" for name in ("Metric", *names)]}, tmp_path / "out")
    assert len(run.failures()) == 12 * len(values)
    table = run.leaderboard().set_index("metric")
    assert table.loc["Metric@1", "n"] == 12
    assert {value: table.loc[f"{name}@1", "n"] for value, name in zip(values, names, strict=True)} == dict.fromkeys(
        values, 0
    )


def test_numbers_of_numpy_are_numbers() -> None:
    score = Score.of(cast("float", np.float32(0.25)), chance=np.int64(3))
    assert (score.value, score.details["chance"]) == (0.25, 3.0)
    assert type(score.value) is float
    assert Score(cast("float", np.float64(2))).value == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("class Bad(ClipMetric):\n    direction = 'up'\n    score = None", "direction .*'up'"),
        ("class Bad(ClipMetric):\n    unit = None\n    score = None", "unit .*None"),
        ("class Bad(ClipMetric):\n    version = '1.2'\n    score = None", "version .*'1.2'"),
    ],
)
def test_impossible_attributes_of_a_metric(
    tmp_path: Path, plugin: Callable[..., Path], body: str, message: str
) -> None:
    path = plugin(body)
    with pytest.raises(UsageError, match=message):
        bench.run(_config(path, metric="Bad"), tmp_path / "out")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    def __init__(self): raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("    def __init__(self): sys.exit(0)", "SystemExit"),
        ("    def fingerprint(self): return None", "JSON values"),
        ("    def fingerprint(self): return {'a': object()}", "JSON values"),
        ("    batch_size = None", "batch_size .*None"),
        ("    sample_rate = 'x'", "sample_rate .*'x'"),
    ],
)
def test_impossible_model(tmp_path: Path, plugin: Callable[..., Path], body: str, message: str) -> None:
    path = plugin(f"class Bad(Model):\n{body}\n")
    with pytest.raises(UsageError, match=message):
        bench.run(_config(path, model="Bad"), tmp_path / "out")


@pytest.mark.parametrize("workers", [0, 1])
def test_model_that_leaves_the_process_fails_alone(tmp_path: Path, plugin: Callable[..., Path], workers: int) -> None:
    path = plugin("class Bad(Model):\n    def generate(self, requests): sys.exit(3)\n")
    run = bench.run(_config(path, model="Bad", workers=workers), tmp_path / "out")
    assert len(run.failures()) == 12
    assert all("sys.exit(3)" in failure.reason for failure in run.failures())


def test_clip_longer_than_asked_is_cut(tmp_path: Path, plugin: Callable[..., Path]) -> None:
    path = plugin(
        "class Long(Model):\n    def generate(self, requests):\n"
        "        return [Audio(np.full(80_000, .1 + i), 8000) for i, r in enumerate(requests)]\n"
    )
    run = bench.run(_config(path, model="Long"), tmp_path / "out")
    assert {read_audio(file).frames for file in run.folder.glob("audio/Long/*")} == {800}


def test_missing_metric_exits_3_with_the_others_scored(
    tunebench: Command, tmp_path: Path, plugin: Callable[..., Path]
) -> None:
    path = plugin("class Poor(ClipMetric):\n    def score(self, clip): raise MissingError('fetch the ear')\n")
    config = {**_config(path), "metrics": [f"{path}:Metric", f"{path}:Poor"]}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    ran = tunebench("run", "c.yaml")
    assert ran.returncode == 3
    assert "metric 'Poor': fetch the ear" in ran.stderr
    assert "Metric@1" in ran.stdout
    with pytest.raises(MissingError, match=r"'Poor': .*ear"):
        bench.run(config, tmp_path / "again")


@pytest.mark.parametrize("workers", ["0", "1"])
def test_what_plugins_print_stays_off_stdout(
    tunebench: Command, tmp_path: Path, plugin: Callable[..., Path], workers: str
) -> None:
    path = plugin(
        """
        print("HELLO import")
        import os
        class Loud(Model):
            def __init__(self): print("HELLO init")
            def generate(self, requests):
                print("HELLO generate"); os.write(1, b"HELLO fd")
                return super().generate(requests)
        """
    )
    (tmp_path / "c.yaml").write_text(json.dumps(_config(path, model="Loud")))
    ran = tunebench("run", "c.yaml", "--json", "--workers", workers)
    assert json.loads(ran.stdout)
    assert "HELLO generate" in ran.stderr


class TestStreams:
    @pytest.fixture
    def folder(self, tmp_path: Path, write_config: Write) -> Path:
        return bench.run(write_config(), tmp_path / "out").folder

    def test_terminal_that_knows_only_ascii(self, tunebench: Command, folder: Path) -> None:
        ran = tunebench("leaderboard", folder, LC_ALL="C", PYTHONIOENCODING="ascii")
        assert ran.returncode == 0, ran.stderr
        assert "Peak@1" in ran.stdout

    @pytest.mark.parametrize(("redirect", "code"), [(">&-", 0), ("2>&-", 0), ("> /dev/full", 2), ("| true", 0)])
    def test_streams_that_are_closed_or_full(self, folder: Path, redirect: str, code: int) -> None:
        script = Path(sys.executable).parent / "tunebench"
        shell = f"set -o pipefail; {script} leaderboard {folder} {redirect}"
        ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == code, ran.stderr
        assert "Traceback" not in ran.stderr and "Exception ignored" not in ran.stderr

    def test_doctor_in_a_folder_that_is_gone(self, tmp_path: Path) -> None:
        gone = tmp_path / "gone"
        gone.mkdir()
        script = Path(sys.executable).parent / "tunebench"
        shell = f"cd {gone} && rmdir {gone} && {script} doctor"
        ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr


def test_missing_synthesizer_is_seen_by_doctor_and_run(tunebench: Command, tmp_path: Path) -> None:
    for module in ("tinysoundfont", "torch"):  # without the second, doctor has less to try
        (tmp_path / f"{module}.py").write_text("raise ImportError('blocked')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    report = json.loads(tunebench("doctor", "--json", **environment).stdout)
    assert "pip install --no-deps" in report["models"]["composer"]
    (tmp_path / "c.yaml").write_text("{models: [composer, noise], metrics: [], duration: 1, executor: {workers: 1}}")
    ran = tunebench("run", "c.yaml", **environment)
    assert ran.returncode == 3
    assert "pip install --no-deps" in ran.stderr
    assert len(list((tmp_path / "results/c/audio/noise").iterdir())) == 12


def test_damaged_pages_of_the_database_are_named(tunebench: Command, tmp_path: Path, write_config: Write) -> None:
    folder = bench.run(write_config(), tmp_path / "out").folder
    path = folder / "run.db"
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    for command in (["leaderboard", "out"], ["run", "tiny.yaml", "--out", "out"]):
        ran = tunebench(*command)
        assert ran.returncode == 5, ran.stderr
        assert "run.db is damaged" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_configuration_that_breaks_the_parser(tmp_path: Path) -> None:
    for text in ("a: 2024-99-99", "[" * 5000, "seeds: [0]\nseeds: [1]"):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(DataError, match=r"c\.yaml"):
            bench.load_config(tmp_path / "c.yaml")


class TestScoringOnesOwn:
    @pytest.fixture
    def clips(self, tmp_path: Path) -> Path:
        folder = tmp_path / "my clips"
        folder.mkdir()
        rng = np.random.default_rng(0)
        for name in ("jazz-2", "jazz-2_1", "pop-2", "zzz"):
            soundfile.write(folder / f"{name}.wav", rng.normal(0, 0.1, 4000), 8000)
        return folder

    def test_files_are_the_plan_and_strays_are_named(
        self, tunebench: Command, clips: Path, tiny: Path, tmp_path: Path
    ) -> None:
        ran = tunebench("score", clips, "--suite", "quick@1", "--metric", f"{tiny}:Peak", "--json")
        assert ran.returncode == 4
        (row,) = json.loads(ran.stdout)
        assert (row["model"], row["n"], row["planned"]) == ("my-clips", 3, 3 + 10)
        assert "zzz.wav" in ran.stderr
        assert (tmp_path / "results" / "my-clips" / "run.db").exists()

    def test_options_for_the_other_use_are_refused(
        self, tunebench: Command, clips: Path, tmp_path: Path, write_config: Write
    ) -> None:
        folder = bench.run(write_config(), tmp_path / "out").folder
        ran = tunebench("score", folder, "--suite", "genres@1")
        assert ran.returncode == 2 and "--suite" in ran.stderr and str(folder) in ran.stderr
        ran = tunebench("score", clips, "--force")
        assert ran.returncode == 2 and "--force" in ran.stderr and str(clips) in ran.stderr
        (folder / "config.yaml").unlink()
        ran = tunebench("score", folder)
        assert ran.returncode == 2 and "--metric" in ran.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
def test_worker_that_hogs_the_interpreter_goes_with_its_driver(tmp_path: Path, plugin: Callable[..., Path]) -> None:
    import re
    import signal
    import time

    path = plugin(
        """
        import os, re
        from pathlib import Path
        class Hog(Model):
            def generate(self, requests):
                Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
                re.match("(a+)+b", "a" * 60)
        """
    )
    (tmp_path / "c.yaml").write_text(json.dumps(_config(path, model="Hog")))
    pid_file = tmp_path / "pid"
    driver = subprocess.Popen(
        [sys.executable, "-P", "-m", "bench", "run", "c.yaml"],
        cwd=tmp_path,
        env={**os.environ, "PID_FILE": str(pid_file)},
        stderr=subprocess.DEVNULL,
    )
    while not (pid_file.exists() and re.fullmatch(r"\d+", pid_file.read_text())):
        time.sleep(0.05)
    worker = int(pid_file.read_text())
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{worker}/stat").exists() and " Z " not in Path(f"/proc/{worker}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
