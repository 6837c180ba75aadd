"""Runs: what exists is not made again, what failed is tried again, and nothing that was made is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import bench
from bench import DataError, MissingError, UsageError, read_audio
from bench.contracts.audio import content_hash
from bench.pipeline.dry_run import preview
from bench.storage.store import Store

Write = Callable[..., Path]

PROCESSES = {"workers": 2}
BAD = {
    "raise": "RuntimeError: the model stumbled over two lines",
    "error": "this one prompt cannot be played",
    "abort": "the worker was killed by SIGABRT",
    "exit": "the worker ended with exit code 7",
    "nan": "samples that are not finite",
    "empty": "audio without frames",
    "type": "not bench.Audio but str",
}
"""How one clip of the tiny model goes wrong, and what is said of it."""


def _contents(folder: Path) -> dict[str, Any]:
    """All that a run is, without times: clips by identity with their sound, and scores."""
    with Store.read(folder) as store:
        clips = store.rows("SELECT id, model, prompt, seed, state, content, frames, error FROM clips ORDER BY id")
        scores = store.rows("SELECT clip, metric, version, value, reason, error, details FROM scores ORDER BY 1, 2")
        notes = store.rows("SELECT clip, notes FROM notes ORDER BY 1")
    for id, model, *_, content, _frames, _error in clips:
        if content:
            assert content_hash(read_audio(folder / f"audio/{model}/{id[:16]}.flac")) == content
    return {"clips": clips, "scores": scores, "notes": notes}


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("audio/*/*"))


def _has(folder: Path, made: int) -> bool:
    return len(_files(folder)) >= made


def _models(tiny: Path, **params: object) -> list[dict[str, object]]:
    return [{"name": f"{tiny}:Sine", "as": "sine", "params": params}]


def test_run_makes_and_scores_everything(tmp_path: Path, write_config: Write) -> None:
    run = bench.run(write_config(seeds=[0, 1], executor=PROCESSES), tmp_path / "out")
    contents = _contents(run.folder)
    assert len(contents["clips"]) == 24
    assert len(contents["scores"]) == 48
    assert len(_files(run.folder)) == 24
    assert run.failures() == []
    table = run.leaderboard()
    peak = table[table.metric == "Peak@1"].iloc[0]
    assert peak.value == pytest.approx(20, abs=0.1)
    assert (peak.n, peak.planned, peak.unit, peak.direction) == (24, 24, "%", "higher")
    assert peak.chance == 50
    frames = table[table.metric == "Frames@1"].iloc[0]
    assert (frames.value, frames.n, frames.planned) == (4000, 20, 24)


def test_second_call_makes_nothing(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    marks = tmp_path / "marks"
    config = write_config(models=_models(tiny, marks=str(marks)))
    bench.run(config, tmp_path / "out")
    before, made = _contents(tmp_path / "out"), marks.read_text()
    bench.run(config, tmp_path / "out")
    assert _contents(tmp_path / "out") == before
    assert marks.read_text() == made
    assert len(made.splitlines()) == 12


def test_run_can_be_extended(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    out = tmp_path / "out"
    bench.run(write_config(metrics=[f"{tiny}:Peak"]), out)
    before = _contents(out)["clips"]
    more = [*_models(tiny), {"name": f"{tiny}:Sine", "as": "low", "params": {"hz": 100}}]
    bench.run(write_config(models=more, seeds=[0, 1]), out)
    after = _contents(out)
    assert len(after["clips"]) == 48
    assert len(after["scores"]) == 96
    assert all(row in after["clips"] for row in before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"duration": 0.25}, "duration .*0.5 s.*0.25 s"),
        ({"suite": "genres@1"}, "suite .*quick@1.*genres@1"),
        ({"params": {"hz": 300}}, r"'sine': params\.hz .*200\.0.*300"),
    ],
)
def test_changed_meaning_is_refused_with_both_values(
    tmp_path: Path, tiny: Path, write_config: Write, change: dict[str, object], message: str
) -> None:
    out = tmp_path / "out"
    bench.run(write_config(), out)
    before = _contents(out)
    params = change.pop("params", {})
    with pytest.raises(UsageError, match=message):
        bench.run(write_config(models=_models(tiny, **params), **change), out)  # type: ignore[arg-type]
    assert _contents(out) == before


def test_changed_prompt_is_refused_and_new_prompts_extend(tmp_path: Path, write_config: Write) -> None:
    suite = tmp_path / "mine.yaml"
    entry = "  - {{id: a-{0}, text: tune {0}{1}, genre: pop, level: 1}}\n"
    head = "name: mine\nversion: 1\nprompts:\n"
    suite.write_text(head + "".join(entry.format(i, "") for i in range(4)))
    config = write_config(suite=str(suite))
    bench.run(config, tmp_path / "out")
    suite.write_text(head + "".join(entry.format(i, "") for i in range(6)))
    bench.run(config, tmp_path / "out")
    assert len(_contents(tmp_path / "out")["clips"]) == 6
    suite.write_text(head + "".join(entry.format(i, " faster") for i in range(6)))
    with pytest.raises(UsageError) as caught:
        bench.run(config, tmp_path / "out")
    assert all(word in str(caught.value) for word in ("'a-0'", "'tune 0'", "'tune 0 faster'"))


@pytest.mark.parametrize(
    ("bad", "batch", "error"),
    [
        *((bad, batch, error) for bad, error in BAD.items() for batch in (1, 5)),
        # Given the time of two clips, and after that, alone, of one.
        ("hang", 2, "took longer than 4 s"),
    ],
)
def test_one_bad_clip_costs_only_itself_and_is_tried_again(
    tmp_path: Path, tiny: Path, write_config: Write, bad: str, batch: int, error: str
) -> None:
    out, executor = tmp_path / "out", {"workers": 2, "timeout": 4 if bad == "hang" else 60}
    run = bench.run(write_config(models=_models(tiny, bad=bad, batch=batch), executor=executor), out)
    (failure,) = run.failures()
    assert (failure.model, failure.metric, failure.clip) == ("sine", "", "jazz-2, seed 0")
    assert error in failure.reason
    assert "\n" not in str(failure)
    assert len(_files(out)) == 11
    table = run.leaderboard().set_index("metric")
    assert (table.loc["Peak@1", "n"], table.loc["Peak@1", "planned"]) == (11, 12)
    mended = bench.run(write_config(models=_models(tiny, batch=batch), executor={"workers": 0}), out)
    assert mended.failures() == []
    assert len(_files(out)) == 12


def test_clip_over_full_scale_is_scaled_and_recorded(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    run = bench.run(write_config(models=_models(tiny, bad="loud")), tmp_path / "out")
    with Store.read(run.folder) as store:
        ((peak, gain, path),) = store.rows("SELECT peak, gain, path FROM clips WHERE prompt = 'jazz-2'")
    assert peak == pytest.approx(4, rel=0.01)
    assert gain == pytest.approx(1 / peak)
    assert read_audio(run.folder / path).peak == pytest.approx(1, abs=1e-3)


def test_model_that_cannot_run_here_stops_no_other(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    models = [{"name": f"{tiny}:Sine", "as": "poor", "params": {"bad": "missing", "hz": 50}}, *_models(tiny)]
    with pytest.raises(MissingError) as caught:
        bench.run(write_config(models=models, executor=PROCESSES), tmp_path / "out")
    assert all(word in str(caught.value) for word in ("model 'poor': ", "tiny.bin"))
    assert sum("audio/sine/" in path for path in _files(tmp_path / "out")) == 12


@pytest.mark.parametrize("how", ["raise", "abort"])
def test_failing_metric_fails_alone(tmp_path: Path, tiny: Path, write_config: Write, how: str) -> None:
    metrics = [f"{tiny}:Peak", {"name": f"{tiny}:Fragile", "params": {"how": how}}]
    run = bench.run(write_config(metrics=metrics, executor=PROCESSES), tmp_path / "out")
    failures = run.failures()
    assert len(failures) == 2
    assert all("rock" in failure.clip and "Fragile" in failure.metric for failure in failures)
    table = run.leaderboard().set_index("metric")
    assert table.loc["Peak@1", "n"] == 12
    assert table.loc["Fragile@1" if how == "raise" else "Fragile[how=abort]@1", "n"] == 10


def test_undefined_is_stored_and_not_tried_again(tmp_path: Path, write_config: Write) -> None:
    run = bench.run(write_config(), tmp_path / "out")
    with Store.read(run.folder) as store:
        rows = store.rows("SELECT value, reason, error FROM scores WHERE metric = 'Frames' AND value IS NULL")
    assert rows == [(None, "jazz is not counted", None)] * 2
    assert run.failures() == []
    assert preview(write_config(), run.folder).to_score == 0


def test_audio_and_rows_are_made_to_agree(tmp_path: Path, write_config: Write) -> None:
    out = tmp_path / "out"
    bench.run(write_config(), out)
    before = _contents(out)
    lost = next((out / "audio/sine").iterdir())
    lost.unlink()
    (out / "audio/sine/0123456789abcdef.flac").write_bytes(b"nobody vouches for this")
    (out / "audio/sine/.0123456789abcdef.flac.123.part").write_bytes(b"a write that was cut short")
    bench.run(write_config(), out)
    assert _contents(out) == before
    stray = out / "audio/unknown/sine-0123456789abcdef.flac"
    assert stray.read_bytes() == b"nobody vouches for this"
    assert len(_files(out)) == 12 + 1


def test_works_inside_the_calling_process(tmp_path: Path, write_config: Write) -> None:
    bench.run(write_config(executor=PROCESSES), tmp_path / "processes")
    bench.run(write_config(), tmp_path / "inline")
    assert _contents(tmp_path / "inline") == _contents(tmp_path / "processes")


def test_same_clips_under_two_names_are_refused(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    models = [{"name": f"{tiny}:Sine", "as": name} for name in ("a", "b")]
    with pytest.raises(UsageError, match="'a' and 'b'"):
        bench.run(write_config(models=models), tmp_path / "out")


def test_preview_writes_nothing(tmp_path: Path, write_config: Write) -> None:
    out = tmp_path / "out"
    plan = preview(write_config(), out)
    assert plan.to_make == {"sine": 12}
    assert plan.to_score == 12
    assert plan.seconds is not None and plan.seconds > 0
    assert plan.bytes == 12 * 4000 * 6
    assert not out.exists()
    bench.run(write_config(), out)
    plan = preview(write_config(seeds=[0, 1]), out)
    assert (plan.to_make, plan.existing, plan.to_score) == ({"sine": 12}, {"sine": 12}, 12)
    with pytest.raises(UsageError, match="duration"):
        preview(write_config(duration=3), out)


class TestSecondDriver:
    def test_is_refused_and_the_owner_named(self, tmp_path: Path, write_config: Write) -> None:
        with (
            Store.open(tmp_path / "out"),
            pytest.raises(UsageError, match=rf"\b{os.getpid()}\b"),
        ):
            bench.run(write_config(), tmp_path / "out")

    def test_readers_are_welcome(self, tmp_path: Path, write_config: Write) -> None:
        run = bench.run(write_config(), tmp_path / "out")
        with Store.open(tmp_path / "out"):
            assert len(run.leaderboard()) == 2


def test_damaged_database_is_named(tmp_path: Path, write_config: Write) -> None:
    out = tmp_path / "out"
    bench.run(write_config(), out)
    with (out / "run.db").open("r+b") as file:
        file.write(b"this is no database any more, it was overwritten")
    with pytest.raises(DataError, match=r"run\.db is damaged"):
        bench.run(write_config(), out)
    assert len(_files(out)) == 12


def test_database_of_a_newer_version_is_refused(tmp_path: Path, write_config: Write) -> None:
    out = tmp_path / "out"
    bench.run(write_config(), out)
    connection = sqlite3.connect(out / "run.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(DataError, match="layout 99"):
        bench.run(write_config(), out)


def test_nan_cannot_enter_the_database(tmp_path: Path, write_config: Write) -> None:
    run = bench.run(write_config(), tmp_path / "out")
    connection = sqlite3.connect(run.folder / "run.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE scores SET value = ? WHERE value IS NOT NULL", (float("nan"),))
    connection.close()


# -- sudden ends ---------------------------------------------------------------------------------------------------


def _start(config: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "bench", "run", str(config), "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def _children(pid: int) -> list[int]:
    listing = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listing.stdout.split()]


def _workers(driver: int) -> list[int]:
    """Each of them has a guard for parent, which is the driver's child."""
    return [worker for guard in _children(driver) for worker in _children(guard)]


def _wait(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> dict[str, object]:
    import yaml

    folder = tmp_path_factory.mktemp("undisturbed")
    config = {
        "models": _models(tiny),
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
        "duration": 0.5,
        "seeds": [0, 1],
    }
    (folder / "c.yaml").write_text(yaml.safe_dump(config))
    return _contents(bench.run(folder / "c.yaml", folder / "out").folder)


@pytest.mark.slow
@pytest.mark.parametrize("made", [0, 1, 6, 13, 23, 24])
def test_killed_at_any_moment_a_run_ends_as_if_left_alone(
    tmp_path: Path, tiny: Path, write_config: Write, undisturbed: dict[str, Any], made: int
) -> None:
    out = tmp_path / "out"
    config = write_config(models=_models(tiny, seconds=0.05), seeds=[0, 1], executor=PROCESSES)
    driver = _start(config, out)
    _wait(lambda: len(_files(out)) >= made and bool(_workers(driver.pid)))
    workers = _workers(driver.pid)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    _wait(lambda: not any(_alive(pid) for pid in workers), 5)
    bench.run(config, out)  # the lock is free again, or this would be refused
    assert _contents(out) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 2])
def test_killed_workers_cost_only_what_they_were_doing(
    tmp_path: Path, tiny: Path, write_config: Write, undisturbed: dict[str, Any], retries: int
) -> None:
    out = tmp_path / "out"
    executor = {**PROCESSES, "retries": retries}
    config = write_config(models=_models(tiny, seconds=0.2), seeds=[0, 1], executor=executor)
    driver = _start(config, out)
    for made in (2, 8):
        _wait(partial(_has, out, made))
        os.kill(_workers(driver.pid)[0], signal.SIGKILL)
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == (0 if retries else 4)
    assert ("the worker was killed by SIGKILL" in errors) is (not retries)
    assert "Traceback" not in errors
    assert len(_files(out)) >= (24 if retries else 22)
    bench.run(config, out)
    assert _contents(out) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_saves_and_exits_130(
    tmp_path: Path, tiny: Path, write_config: Write, undisturbed: dict[str, Any], number: signal.Signals
) -> None:
    out = tmp_path / "out"
    config = write_config(models=_models(tiny, seconds=0.2), seeds=[0, 1], executor=PROCESSES)
    driver = _start(config, out)
    _wait(lambda: len(_files(out)) >= 3)
    workers = _workers(driver.pid)
    os.killpg(driver.pid, number) if number is signal.SIGINT else driver.send_signal(number)
    _, errors = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert not any(_alive(pid) for pid in workers)
    with Store.read(out) as store:
        assert len(store.made()) >= 2
    bench.run(config, out)
    assert _contents(out) == undisturbed


def test_full_disk_stops_with_one_line_and_loses_nothing(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    """RLIMIT_FSIZE makes every write beyond a size fail as a full disk does."""
    out = tmp_path / "out"
    bench.run(write_config(), out)
    before = _contents(out)
    long = {"name": f"{tiny}:Sine", "as": "long", "params": {"hz": 90}}
    config = write_config(models=[*_models(tiny), long], executor=PROCESSES)
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)); "
    arguments = ["tunebench", "run", str(config), "--out", str(out)]
    code = f"{limit}sys.argv = {arguments!r}; import bench.cli; bench.cli.main()"
    ran = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert ran.stderr.count("tunebench: cannot") == 1
    assert "free disk space" in ran.stderr
    assert "Traceback" not in ran.stderr
    after = _contents(out)
    assert all(clip in after["clips"] for clip in before["clips"])
    assert after["scores"] == before["scores"]
    bench.run(config, out)
    assert len(_files(out)) == 24


@pytest.mark.parametrize("place", ["/proc/tunebench-out", "/dev/null/out"])
def test_folder_that_cannot_be_written_to(write_config: Write, place: str) -> None:
    with pytest.raises(UsageError, match=re.escape(place)):
        bench.run(write_config(), place)


def test_results_leave_as_plain_json(tmp_path: Path, write_config: Write) -> None:
    from bench.leaderboard.render import render

    run = bench.run(write_config(), tmp_path / "out")
    text = render(run.folder, "json")
    assert isinstance(text, str)
    for row in json.loads(text):
        assert {"model", "metric", "value", "low", "high", "n", "planned", "unit", "direction"} <= set(row)


def test_silence_and_odd_files_are_scored_or_have_a_reason(tmp_path: Path) -> None:
    """Every shipped metric on clips at the edges of what a file can be: numbers or reasons, and no failure."""
    rng = np.random.default_rng(0)
    edges = {
        "jazz-2": (np.zeros(44_100), 44_100),
        "jazz-5": (np.array([0.5]), 44_100),
        "pop-2": (rng.normal(0, 0.1, (20_000, 8)), 48_000),
        "pop-5": (rng.normal(0, 0.1, 8000), 8000),
        "rock-2": (rng.normal(0, 0.1, (192_000, 2)), 192_000),
        "rock-5": (np.full(30_000, 0.9), 22_050),
    }
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, (samples, rate) in edges.items():
        soundfile.write(clips / f"{name}.wav", samples, rate)
    (clips / "dance-2.wav").write_text("no audio")
    (clips / "dance-5.wav").touch()
    soundfile.write(clips / "choral-2.wav", np.array([0.0, np.nan] * 500), 8000, subtype="FLOAT")
    models = [{"name": "folder", "params": {"path": str(clips)}}]
    run = bench.run({"models": models, "executor": {"workers": 0}}, tmp_path / "out")
    failures = run.failures()
    with Store.read(run.folder) as store:
        assert len(store.made()) == len(edges)
        scores = store.rows("SELECT value, reason, error FROM scores")
    assert len(scores) == 8 * len(edges)
    assert all(error is None for *_, error in scores), [e for *_, e in scores if e]
    assert len(failures) == 12 - len(edges)
    assert any("dance-5" in failure.clip and "empty" in failure.reason for failure in failures)
    assert any("choral-2" in failure.clip and "not finite" in failure.reason for failure in failures)
