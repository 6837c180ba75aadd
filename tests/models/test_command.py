"""Generators in an environment of their own: a program gets requests, and its files are the clips."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import bench
import models.command
from bench import Audio, GenerationError, GenerationRequest, MissingError, Prompt, UsageError
from models.command import CommandModel

REQUESTS = [
    GenerationRequest(Prompt("jazz-1", "A slow “jazz” ballad", "jazz", bpm=70, key="Bb major"), 3, 0.5),
    GenerationRequest(Prompt("rock-1", "Loud\nguitars", "rock"), 0, 0.25),
    GenerationRequest(Prompt("pop-1", "A hook", "pop"), 1, 0.5),
]
HEAD = """
import json, os, sys, time
from pathlib import Path
import numpy as np, soundfile
out = Path(sys.argv[2])
requests = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
def play(request, name=None, seconds=None):
    frames = round((seconds or request["duration"]) * 8000)
    soundfile.write(out / (name or request["file"]), np.full(frames, 0.1 + request["seed"] / 8), 8000)
"""


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., CommandModel]:
    """A command model of a program with this body."""

    def make(body: str, **params: object) -> CommandModel:
        (tmp_path / "program.py").write_text(HEAD + textwrap.dedent(body))
        command = [sys.executable, str(tmp_path / "program.py"), "{requests}", "{out}"]
        return CommandModel(command, **params)  # type: ignore[arg-type]

    return make


def _documented(folder: Path) -> Path:
    """The program that the module's documentation shows."""
    assert models.command.__doc__
    shown = textwrap.dedent(models.command.__doc__.partition("A whole program::\n")[2])
    path = folder / "generate.py"
    path.write_text(shown)
    return path


def _errors(results: Sequence[Audio | GenerationError]) -> list[str]:
    return [str(result) if isinstance(result, GenerationError) else "" for result in results]


def test_documented_program_is_short_and_joins_a_run(tmp_path: Path) -> None:
    script = _documented(tmp_path)
    assert sum(bool(line.strip()) for line in script.read_text().splitlines()) <= 15
    params = {"command": [sys.executable, str(script), "{requests}", "{out}"], "batch_size": 5}
    config = {
        "models": [{"name": "command", "as": "mine", "params": params}],
        "metrics": [],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    run = bench.run(config, tmp_path / "out")
    assert run.failures() == []
    clips = [bench.read_audio(path) for path in (tmp_path / "out").glob("audio/mine/*.flac")]
    assert len(clips) == 12
    assert {(clip.rate, clip.frames) for clip in clips} == {(32_000, 16_000)}


def test_program_is_told_everything(program: Callable[..., CommandModel], tmp_path: Path) -> None:
    model = program(f"Path({str(tmp_path / 'seen')!r}).write_bytes(Path(sys.argv[1]).read_bytes())")
    model.generate(REQUESTS)
    first, second, _ = map(json.loads, (tmp_path / "seen").read_text().splitlines())
    assert first == {
        "id": "jazz-1",
        "prompt": "A slow “jazz” ballad",
        "genre": "jazz",
        "level": None,
        "bpm": 70,
        "key": "Bb major",
        "lyrics": None,
        "seed": 3,
        "duration": 0.5,
        "file": "0001.wav",
    }
    assert (second["prompt"], second["bpm"], second["key"]) == ("Loud\nguitars", None, None)


def test_clips_come_back_in_order_cropped_and_from_any_format(program: Callable[..., CommandModel]) -> None:
    model = program(
        """
        play(requests[2], "0003.ogg")
        play(requests[1], "0002.flac", seconds=2)
        play(requests[0], seconds=0.4)
        """
    )
    clips = model.generate(REQUESTS)
    assert [clip.frames for clip in clips if isinstance(clip, Audio)] == [3200, 2000, 4000]
    levels = [float(np.median(clip.samples)) for clip in clips if isinstance(clip, Audio)]
    assert levels == pytest.approx([0.1 + 3 / 8, 0.1, 0.1 + 1 / 8], abs=1e-2)


def test_what_was_made_before_a_failure_is_kept(program: Callable[..., CommandModel], temporary_files: Path) -> None:
    model = program(
        """
        play(requests[0])
        play(requests[2], seconds=0.1)
        print("loading took long")
        sys.exit("out of memory")
        """
    )
    clip, missing, cut = model.generate(REQUESTS)
    assert isinstance(clip, Audio)
    (log,) = temporary_files.iterdir()
    assert set(log.read_text().splitlines()) == {"out of memory", "loading took long"}
    assert str(missing).startswith("the command ended with exit code 1: made no file 0002.wav; it printed '")
    assert str(missing).endswith(f"see {log}")
    assert "left 0003.wav with 0.1 s of 0.5 s" in str(cut)


def test_a_program_in_the_working_folder_is_found(
    program: Callable[..., CommandModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = [Path(part) for part in program("[play(request) for request in requests]").command if ".py" in part]
    command.write_text(f"#!{sys.executable}\n{command.read_text()}")
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    clips = CommandModel([f"./{command.name}", "{requests}", "{out}"]).generate(REQUESTS)
    assert [clip.frames for clip in clips if isinstance(clip, Audio)] == [4000, 2000, 4000]
    with pytest.raises(MissingError, match=command.name):
        CommandModel([command.name, "{requests}", "{out}"]).generate(REQUESTS)


def test_files_that_are_no_audio_fail_alone(program: Callable[..., CommandModel]) -> None:
    body = "play(requests[0]); (out / '0002.wav').write_text('no sound'); (out / '0003.wav').touch()"
    clip, broken, empty = program(body).generate(REQUESTS)
    assert isinstance(clip, Audio)
    assert str(broken).startswith("the command ended with exit code 0: 0002.wav: cannot be decoded as audio")
    assert isinstance(empty, GenerationError) and "0003.wav" in str(empty) and "empty" in str(empty)


def test_nothing_is_left_behind(program: Callable[..., CommandModel], temporary_files: Path) -> None:
    model = program("print('all is well')\nfor request in requests: play(request)")
    assert all(isinstance(clip, Audio) for clip in model.generate(REQUESTS))
    assert list(temporary_files.iterdir()) == []
    assert model.generate([]) == []


def test_output_is_logged_where_asked(program: Callable[..., CommandModel], tmp_path: Path) -> None:
    model = program("print('step 1'); [play(request) for request in requests]", logs=str(tmp_path / "a" / "logs"))
    model.generate(REQUESTS)
    assert (tmp_path / "a" / "logs" / "jazz-1_3.log").read_text() == "step 1\n"


def _alive(pid: int) -> bool:
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


def _gone(pid: int) -> bool:
    """Whether a process ends within ten seconds."""
    deadline = time.monotonic() + 10
    while _alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not _alive(pid)


SPAWN = """
import subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(PIDS).write_text(f"{os.getpid()} {child.pid}")
"""


class TestProcesses:
    def test_time_limit_ends_the_whole_family(self, program: Callable[..., CommandModel], tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        body = SPAWN.replace("PIDS", repr(str(pids))) + "play(requests[1]); time.sleep(600)"
        late, clip, _ = program(body, timeout=1.5).generate(REQUESTS)
        assert isinstance(clip, Audio)
        assert isinstance(late, GenerationError) and "4.5 s" in str(late) and "0001.wav" in str(late)
        assert all(_gone(int(pid)) for pid in pids.read_text().split())

    def test_children_do_not_outlive_the_program(self, program: Callable[..., CommandModel], tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        program(SPAWN.replace("PIDS", repr(str(pids)))).generate(REQUESTS)
        assert all(_gone(int(pid)) for pid in pids.read_text().split())

    @pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody finds what has left for another session")
    def test_daemons_do_not_outlive_the_program(self, program: Callable[..., CommandModel], tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        body = SPAWN.replace("PIDS", repr(str(pids))).replace("])\n", "], start_new_session=True)\n", 1)
        assert "start_new_session" in body
        program(body).generate(REQUESTS)
        assert all(_gone(int(pid)) for pid in pids.read_text().split())

    def test_program_does_not_outlive_a_killed_tunebench(self, tmp_path: Path) -> None:
        pids = tmp_path / "pids"
        (tmp_path / "program.py").write_text(
            HEAD + SPAWN.replace("PIDS", repr(str(pids))) + "Path('ready').touch(); time.sleep(600)"
        )
        code = (
            "from bench import GenerationRequest, Prompt; from models.command import CommandModel; import sys; "
            "CommandModel([sys.executable, 'program.py', '{requests}', '{out}'])"
            ".generate([GenerationRequest(Prompt('a', 'b', 'c'), 0, 1)])"
        )
        driver = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "TMPDIR": str(tmp_path)}
        )
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        family = [int(pid) for pid in pids.read_text().split()]
        assert all(map(_alive, family))
        driver.kill()
        driver.wait()
        assert all(map(_gone, family))

    def test_crash_is_named(self, program: Callable[..., CommandModel]) -> None:
        errors = _errors(program("os.kill(os.getpid(), 11)").generate(REQUESTS))
        assert all("ended with exit code 139 (SIGSEGV)" in error for error in errors)


@pytest.mark.parametrize(
    ("ending", "passes"),
    [
        ("sys.exit(75)", True),  # EX_TEMPFAIL
        ("os.kill(os.getpid(), 9)", True),  # as the system does for want of memory
        ("sys.exit(1)", False),
        ("os.kill(os.getpid(), 11)", False),
        ("pass", False),
    ],
)
def test_what_may_pass_is_told_from_what_will_not(
    program: Callable[..., CommandModel], ending: str, passes: bool
) -> None:
    clip, *missing = program(f"play(requests[0]); {ending}").generate(REQUESTS)
    assert isinstance(clip, Audio)
    assert [isinstance(result, bench.TransientError) for result in missing] == [passes] * 2


@pytest.mark.parametrize(
    ("command", "params", "message"),
    [
        ("python generate.py {requests} {out}", {}, "command .*a list"),
        (["python", True, "{requests}", "{out}"], {}, "command .*a list"),
        ([], {}, r"\{requests\}"),
        (["python", "{requests}"], {}, r"\{out\}"),
        (["python", "{requests}", "{out}"], {"timeout": 0}, "timeout is 0"),
        (["python", "{requests}", "{out}"], {"timeout": float("inf")}, "timeout is inf"),
        (["python", "{requests}", "{out}"], {"timeout": float("nan")}, "timeout is nan"),
        (["python", "{requests}", "{out}"], {"cwd": "nowhere"}, "'nowhere'"),
    ],
)
def test_mistakes_are_named(command: list[str], params: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CommandModel(command, **params)  # type: ignore[arg-type]


def test_absent_program_is_missing_not_failed(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="'no-such-program'"):
        CommandModel(["no-such-program", "{requests}", "{out}"]).generate(REQUESTS)
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    with pytest.raises(MissingError, match=re.escape(f"{tmp_path}/run.sh")):
        CommandModel(["./run.sh", "{requests}", "{out}"], cwd=str(tmp_path)).generate(REQUESTS)


def test_no_shell_reads_the_command(tmp_path: Path) -> None:
    hostile = f"; touch {tmp_path}/hacked"
    model = CommandModel([sys.executable, "-c", "pass", hostile, f"$(touch {tmp_path}/hacked)", "{requests}{out}"])
    assert len(_errors(model.generate(REQUESTS))) == 3
    assert not (tmp_path / "hacked").exists()


def test_identity_follows_the_content_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("generate.py", "weights.bin"):
        (tmp_path / name).write_text(name)
    command = [sys.executable, "generate.py", "--weights=weights.bin", "{requests}", "{out}"]
    before = CommandModel(command, cwd=str(tmp_path)).fingerprint()
    assert set(before["files"]) == {"generate.py", "--weights=weights.bin"}
    monkeypatch.chdir(tmp_path)
    assert CommandModel(command).fingerprint() == before
    (tmp_path / "weights.bin").write_text("trained on")
    after = CommandModel(command).fingerprint()
    assert after["files"]["generate.py"] == before["files"]["generate.py"]
    assert after["files"]["--weights=weights.bin"] != before["files"]["--weights=weights.bin"]


def test_program_counts_if_it_is_a_script(tmp_path: Path) -> None:
    script = tmp_path / "generate"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    model = CommandModel([str(script), "{requests}", "{out}"])
    assert list(model.fingerprint()["files"]) == [str(script)]
    assert all("exit code 3" in error for error in _errors(model.generate(REQUESTS)))
