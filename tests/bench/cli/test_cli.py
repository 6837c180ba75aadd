"""The command line as a user meets it: what it prints where, and with which exit code it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., "subprocess.CompletedProcess[str]"]
Write = Callable[..., Path]

PROCESSES = {"workers": 2}

HEAVY = ("numpy", "pydantic", "torch", "scipy", "pandas", "rich", "yaml", "librosa", "essentia", "music21")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['tunebench', '--help']\n"
        "import bench.cli\n"
        "try: bench.cli.main()\n"
        f"except SystemExit: print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stderr.strip() == "[]"
    assert "leaderboard" in ran.stdout


@pytest.mark.parametrize("command", ["run", "score", "leaderboard", "list", "doctor"])
def test_every_command_explains_itself(tunebench: Command, command: str) -> None:
    ran = tunebench(command, "--help")
    assert ran.returncode == 0
    assert "Usage:" in ran.stdout


def test_version(tunebench: Command) -> None:
    from importlib.metadata import version

    assert tunebench("--version").stdout.strip() == f"tunebench {version('tunebench')}"


def test_run_prints_the_leaderboard_and_nothing_else_on_stdout(tunebench: Command, write_config: Write) -> None:
    ran = tunebench("run", write_config(executor=PROCESSES), "--out", "out", afresh=True)
    assert ran.returncode == 0, ran.stderr
    assert "\nchance " in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("protocol ")
    assert "generating clips: 12 of 12" in ran.stderr
    assert "scoring clips: 12 of 12" in ran.stderr
    again = tunebench("run", write_config(executor=PROCESSES), "--out", "out")
    assert again.stdout == ran.stdout
    assert "generating" not in again.stderr


def test_json_is_stable_and_parses(tunebench: Command, write_config: Write) -> None:
    first = tunebench("run", write_config(), "--json", afresh=True)
    shown = tunebench("leaderboard", "results/tiny", "--json")
    assert json.loads(first.stdout) == json.loads(shown.stdout)
    assert first.stdout == shown.stdout


def test_dry_run_prints_the_plan_and_makes_nothing(tunebench: Command, write_config: Write, tmp_path: Path) -> None:
    ran = tunebench("run", write_config(), "--dry-run")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[0] == "sine: 12 clips to make, 0 exist"
    assert "12 clips to score" in ran.stdout
    assert "time: about" in ran.stdout
    assert "disk: at most" in ran.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.yaml"], 2, "none.yaml"),
        (["run", "--shards"], 2, "--shards .*--shard[^s]"),
        (["run", "model.yaml"], 2, "'composr' .*'composer'"),
        (["run", "metric.yaml"], 2, "'harmony' .*'harmonic-accuracy'"),
        (["run", "suite.yaml"], 2, "'genre' .*'genres'"),
        (["run", "version.yaml"], 2, "'genres@9' .*'genres@1'"),
        (["run", "param.yaml"], 2, "'shar' .*'share'"),
        (["run", "broken.yaml"], 5, "broken.yaml: .*YAML"),
        (["run", "prompts.yaml"], 5, "mine.yaml"),
        (["leaderboard", "nowhere"], 2, "nowhere .*run.db"),
        (["leaderboard", "nowhere", "--by", "mood"], 2, "mood"),
        (["score", "nowhere"], 2, "nowhere"),
        (["list", "songs"], 2, "songs"),
        (["compose"], 2, "'compose'"),
    ],
)
def test_mistakes_give_one_line_and_the_right_code(
    tunebench: Command, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    files = {
        "model.yaml": "models: [composr]",
        "metric.yaml": "metrics: [harmony]",
        "suite.yaml": "suite: genre@1",
        "version.yaml": "suite: genres@9",
        "param.yaml": "models: [{name: composer-offkey, params: {shar: 0.1}}]",
        "broken.yaml": "models: [",
        "prompts.yaml": "suite: mine.yaml",
        "mine.yaml": "name: mine\nversion: 1\nprompts: [{id: a, genre: pop}]",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ran = tunebench(*arguments)
    assert ran.returncode == code, ran.stderr
    assert re.search(message, ran.stderr)
    assert ran.stderr.count("\n") == 1 and ran.stderr.startswith("tunebench: ")
    assert ran.stdout == ""


def test_mistakes_in_options_are_json_where_it_is_asked_for(tunebench: Command) -> None:
    for arguments in (["leaderboard"], ["leaderboard", "x", "--bye"], ["leaderboard", "x", "--by", "mood"], ["boards"]):
        ran = tunebench(*arguments, "--json")
        assert ran.returncode == 2
        assert json.loads(ran.stdout)["error"]["code"] == "usage"


def test_groups_of_commands_explain_themselves(tunebench: Command) -> None:
    for group in ([], ["survey"], ["export"]):
        ran = tunebench(*group)
        assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr.startswith("Usage: ")


def test_failures_are_listed_and_exit_4(tunebench: Command, tiny: Path, write_config: Write) -> None:
    config = write_config(models=[{"name": f"{tiny}:Sine", "params": {"bad": "raise"}}], executor=PROCESSES)
    ran = tunebench("run", config)
    assert ran.returncode == 4
    assert "failed: Sine, jazz-2, seed 0: RuntimeError: the model stumbled over two lines" in ran.stderr
    assert "(11/12)" in ran.stdout


def test_missing_weights_exit_3(tunebench: Command, tiny: Path, write_config: Write) -> None:
    config = write_config(models=[{"name": f"{tiny}:Sine", "params": {"bad": "missing"}}], executor=PROCESSES)
    ran = tunebench("run", config)
    assert ran.returncode == 3
    assert "weights tiny.bin are missing: fetch them" in ran.stderr


def test_second_driver_exits_2(tunebench: Command, write_config: Write, tmp_path: Path) -> None:
    from bench.storage.store import Store

    with Store.open(tmp_path / "out"):
        ran = tunebench("run", write_config(), "--out", "out")
    assert ran.returncode == 2
    assert f" {os.getpid()} " in ran.stderr


def test_output_into_head_ends_quietly(tunebench: Command, write_config: Write, tmp_path: Path) -> None:
    tunebench("run", write_config(), "--out", "out")
    script = Path(sys.executable).parent / "tunebench"
    for command in ("leaderboard out --format csv", "list", "leaderboard out --by genre --json"):
        ran = subprocess.run(
            f"{script} {command} | true", shell=True, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ran.stderr == ""


def test_rescoring_adds_metrics_without_generating(tunebench: Command, write_config: Write, tiny: Path) -> None:
    tunebench("run", write_config(metrics=[f"{tiny}:Peak"]), "--out", "out")
    ran = tunebench("score", "out", "--metric", f"{tiny}:Frames")
    assert ran.returncode == 0, ran.stderr
    assert "generating" not in ran.stderr
    assert "Frames@1" in ran.stdout and "Peak@1" in ran.stdout
    again = tunebench("score", "out", "--metric", f"{tiny}:Frames")
    assert "scoring" not in again.stderr
    forced = tunebench("score", "out", "--metric", f"{tiny}:Frames", "--force")
    assert "scoring clips: 12 of 12" in forced.stderr


def test_leaderboard_files(tunebench: Command, write_config: Write, tmp_path: Path) -> None:
    import pandas as pd

    tunebench("run", write_config(), "--out", "out")
    assert tunebench("leaderboard", "out", "--format", "parquet").returncode == 2
    assert tunebench("leaderboard", "out", "--format", "parquet", "-o", "t.parquet").returncode == 0
    shown = tunebench("leaderboard", "out", "--with-published")
    assert "Published, not comparable with the rows above" in shown.stdout
    refused = tunebench("leaderboard", "out", "--with-published", "--format", "csv")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1 and "csv" in refused.stderr
    assert all(style in refused.stderr for style in ("table", "markdown", "json"))
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 2
    failed = tunebench("leaderboard", "out", "-o", "no/such/folder/t.txt")
    assert failed.returncode == 2
    assert "cannot write" in failed.stderr


def test_everything_that_is_installed_can_be_listed(tunebench: Command) -> None:
    listed = json.loads(tunebench("list", "--json").stdout)
    names = {entry["name"] for entry in listed}
    assert {"composer", "noise", "folder", "harmonic-accuracy", "genres", "quick"} <= names
    assert all(entry["usable"] for entry in listed)


def test_notes_leave_as_midi(tunebench: Command, write_config: Write, tmp_path: Path) -> None:
    import pretty_midi

    tunebench("run", write_config(), "--out", "out")
    ran = tunebench("export", "midi", "out", "notes")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "12 MIDI files in notes\n"
    (note,) = pretty_midi.PrettyMIDI(str(tmp_path / "notes/sine/jazz-2_0.mid")).instruments[0].notes
    assert (note.pitch, note.start, note.end) == (60, 0, pytest.approx(0.5))
    wrong = tunebench("export", "midi", "out", "notes", "--model", "sin")
    assert wrong.returncode == 2
    assert "'sin'" in wrong.stderr and "'sine'" in wrong.stderr
