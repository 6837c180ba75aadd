"""The README is true: its examples run, its commands work, its leaderboard is the one that is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in _blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


def _named(block: str) -> tuple[str, str]:
    """A block's file name stands in its first line."""
    name = re.match(r"# (\S+)\n", block)
    assert name, block
    return name[1], block


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the README's files in it."""
    folder = tmp_path_factory.mktemp("readme")
    for name, content in map(_named, _blocks("python") + _blocks("yaml")):
        (folder / name).write_text(content)
    (folder / "my_clips").mkdir()
    rng = np.random.default_rng(0)
    for name in ("jazz-3", "jazz-3_1", "pop-2"):
        soundfile.write(folder / "my_clips" / f"{name}.wav", rng.normal(0, 0.1, 16_000), 16_000)
    (folder / "manifest.csv").write_text("prompt,file\njazz-2,my_clips/jazz-3.wav\npop-2,my_clips/pop-2.wav\n")
    rows = [
        f"{listener},{genre}-{level},{model},Harmony,{rng.integers(1, 6)}"
        for listener in ("ann", "bob", "cleo")
        for genre in ("jazz", "pop")
        for level in (1, 2, 3)
        for model in ("composer", "pluck")
    ]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,scale,value", *rows]) + "\n")
    return folder


@pytest.mark.slow
def test_every_tunebench_command_works(folder: Path, tunebench_path: str) -> None:
    pytest.importorskip("diffusers")
    commands = [shlex.split(command) for command in _commands() if command.startswith("tunebench ")]
    assert len(commands) >= 9
    for command in commands:
        ran = subprocess.run(
            [tunebench_path, *command[1:]],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        # Scoring two of a suite's clips says that the others are missing.
        expected = 4 if command[1] == "score" else 0
        assert ran.returncode == expected, (command, ran.stderr)
        assert ran.stdout.strip(), command
        assert "Traceback" not in ran.stderr


def test_other_commands_are_the_makefile_targets() -> None:
    others = [command for command in _commands() if not command.startswith("tunebench ")]
    assert others == ["make quickstart", "make test"]


def test_model_example_is_short(folder: Path) -> None:
    lines = [line for line in (folder / "my_model.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 15


@pytest.mark.slow
def test_quickstart_prints_the_leaderboard_of_the_readme(tmp_path: Path) -> None:
    """`make quickstart` in an empty folder, with an environment that is already set up."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "constraints-nodeps.txt"):
        shutil.copy(ROOT / name, tmp_path)
    venv = Path(sys.executable).parent.parent
    command = ["make", "--silent", "--old-file", f"{venv}/core", f"VENV={venv}", "quickstart"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    (shown,) = [block for block in _blocks("text") if "composer-offkey" in block]
    number = re.compile(r"\d+(?:\.\d+)?")
    printed, documented = ran.stdout.strip().splitlines(), shown.strip().splitlines()
    assert [number.sub("#", line).split() for line in printed] == [number.sub("#", line).split() for line in documented]
    for ours, theirs in zip(printed, documented, strict=True):
        # Another processor may round a little differently, and an onset or a note more or less follows from it.
        pairs = zip(number.findall(ours), number.findall(theirs), strict=True)
        assert all(float(a) == pytest.approx(float(b), rel=0.1, abs=1.0) for a, b in pairs), (ours, theirs)
