"""The README and the tutorials are true: their examples run and their commands work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench.contracts.model import GenerationRequest
from bench.contracts.prompt_suite import load_suite_named
from models.composer import Composer
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs/tutorials").glob("*.md")), ROOT / "docs/metrics.md")
}
README = PAGES["README.md"]
EVERYTHING = "\n".join(PAGES.values())


def _blocks(language: str, text: str = EVERYTHING) -> list[str]:
    return code_blocks(text, language)


def _commands(text: str = EVERYTHING) -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in _blocks("sh", text) for line in block.splitlines()]
    return [line for line in lines if line]


def _named(block: str) -> tuple[str, str]:
    """A block's file name stands in its first line."""
    name = re.match(r"# (\S+)\n", block)
    assert name, block
    return name[1], block


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the pages' files in it."""
    folder = tmp_path_factory.mktemp("readme")
    for name, content in map(_named, _blocks("python") + _blocks("yaml")):
        (folder / name).write_text(content)
    _write_clips(folder / "my_clips", (("jazz-5", 0), ("jazz-5", 1), ("pop-5", 0)))
    _write_clips(folder / "more_clips", (("jazz-5", 2), ("pop-5", 2)))
    (folder / "manifest.csv").write_text("prompt,file\njazz-5,my_clips/jazz-5.wav\npop-5,my_clips/pop-5.wav\n")
    rng = np.random.default_rng(0)
    rows = [
        f"{listener},{genre}-{level},{model},Harmony,{rng.integers(1, 6)}"
        for listener in ("ann", "bob", "cleo")
        for genre in ("choral", "jazz", "pop", "rock")
        for level in (2, 5)
        for model in ("composer", "pluck")
    ]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,scale,value", *rows]) + "\n")
    return folder


def _write_clips(folder: Path, wanted: Sequence[tuple[str, int]]) -> None:
    """Music of a user's own for prompts that state tempo and key, long enough for every metric."""
    folder.mkdir()
    prompts = {prompt.id: prompt for prompt in load_suite_named("quick@1").prompts}
    for id, seed in wanted:
        (clip,) = Composer().generate([GenerationRequest(prompts[id], seed, 8.0)])
        soundfile.write(folder / (f"{id}_{seed}.wav" if seed else f"{id}.wav"), clip.samples.T, clip.rate)


def _without_number(command: list[str], printed: str) -> list[str]:
    """The lines of tables with a cell that holds no number.

    Apart from those of published figures, which are not ours to fill, and of genres that have no clip.
    """
    lines = printed.partition("\nPublished, ")[0].splitlines()
    if "--by" in command:
        lines = [line for line in lines if line.startswith("all ")]
    return [line for line in lines if re.search(r"(?<!\S)–(?!\S)", line)]


def test_a_cell_without_number_is_seen() -> None:
    assert _without_number(["run"], "model  a (%)\nx          –") == ["x          –"]
    assert _without_number(["run"], "model  a (%)\nx    – (0/12)  3.1") == ["x    – (0/12)  3.1"]
    assert _without_number(["run"], "x  1–2  3.1 ± 0.2  −4 [−5, −3]\n1st: x; no value: y") == []
    assert _without_number(["leaderboard", "--by", "genre"], "all  m  3\njazz  m  –") == []


def _tried(text: str = EVERYTHING) -> list[list[str]]:
    return [shlex.split(command) for command in _commands(text) if command.startswith("tunebench ")]


def _sections(page: str) -> dict[str, str]:
    """By title, the parts of a page that have commands; of the README, which is short, all of it."""
    text = PAGES[page]
    parts = [text] if page == "README.md" else re.split(r"^## ", text, flags=re.MULTILINE)
    return {f"{page}: {part.partition(chr(10))[0]}": part for part in parts if _tried(part)}


SECTIONS = {title: text for page in PAGES for title, text in _sections(page).items()}


@pytest.mark.slow(15)
@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_of_a_section_work(
    title: str, folder: Path, tunebench: Callable[..., subprocess.CompletedProcess[str]], tunebench_path: str
) -> None:
    """One after the other, where the runs that other sections make are at hand."""
    pytest.importorskip("diffusers")

    def run(command: list[str]) -> subprocess.CompletedProcess[str]:
        if command[1] in ("models", "train"):  # most of their time would be that of importing torch
            return tunebench(*command[1:], cwd=folder)
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
        assert not _without_number(command, ran.stdout), (command, ran.stdout)
        assert "Traceback" not in ran.stderr


@pytest.mark.slow(8)
def test_the_script_runs_as_it_stands(folder: Path) -> None:
    lines = [line for line in (folder / "script.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    ran = subprocess.run(
        [sys.executable, "-P", "script.py"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^pluck +\d", ran.stdout, re.MULTILINE) and "harmonic-accuracy@2" in ran.stdout
    assert "hold for new listeners and new prompts" in ran.stdout
    assert (folder / "results" / "my_run" / "report" / "index.html").is_file()


def test_every_command_stands_in_a_section() -> None:
    assert sum(len(_tried(text)) for text in SECTIONS.values()) == len(_tried()) >= 25


def test_other_commands_make_and_enter_the_environment() -> None:
    others = [command for command in _commands() if not command.startswith("tunebench ")]
    assert set(others) == {"make quickstart", "make test", "source .venv/bin/activate"}


@pytest.mark.parametrize("name", ["my_model.py", "hum.py"])
def test_model_examples_are_short(folder: Path, name: str) -> None:
    lines = [line for line in (folder / name).read_text().splitlines() if line.strip()]
    assert len(lines) <= 15


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130


def test_files_of_one_name_are_one_file() -> None:
    """Pages share a working folder, so none may overwrite what another is about."""
    named = [_named(block) for language in ("python", "yaml") for block in _blocks(language)]
    assert len(dict(named)) == len(named)
