"""The README is true: its examples run and its commands work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _commands(text: str = README) -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in _blocks("sh", text) for line in block.splitlines()]
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
        for genre in ("choral", "jazz", "pop", "rock")
        for level in (2, 5)
        for model in ("composer", "pluck")
    ]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,scale,value", *rows]) + "\n")
    return folder


def _tried(text: str = README) -> list[list[str]]:
    return [shlex.split(command) for command in _commands(text) if command.startswith("tunebench ")]


SECTIONS = {text.partition("\n")[0]: text for text in re.split(r"^## ", README, flags=re.MULTILINE)[1:] if _tried(text)}


@pytest.mark.slow(15)
@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_of_a_section_work(title: str, folder: Path, tunebench_path: str) -> None:
    """One after the other, where the runs that other sections make are at hand."""
    pytest.importorskip("diffusers")

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tunebench_path, *command[1:]],
            cwd=folder,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    commands = _tried(SECTIONS[title])
    own = {command[2] for command in commands if command[1] == "run"}
    for name in dict.fromkeys(re.findall(r"results/(\w+)", str(commands))):
        if (
            f"{name}.yaml" not in own
            and (folder / f"{name}.yaml").exists()
            and not (folder / "results" / name).exists()
        ):
            run(["tunebench", "run", f"{name}.yaml"])
    for command in commands:
        ran = run(command)
        # Scoring two of a suite's clips says that the others are missing.
        assert ran.returncode == (4 if command[1] == "score" else 0), (command, ran.stderr)
        assert ran.stdout.strip(), command
        assert "Traceback" not in ran.stderr


def test_every_command_stands_in_a_section() -> None:
    assert sum(len(_tried(text)) for text in SECTIONS.values()) == len(_tried()) >= 25


def test_other_commands_are_the_makefile_targets() -> None:
    others = [command for command in _commands() if not command.startswith("tunebench ")]
    assert others == ["make quickstart", "make test"]


def test_model_example_is_short(folder: Path) -> None:
    lines = [line for line in (folder / "my_model.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
