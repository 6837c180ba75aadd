"""Help: whole sentences, and an example of every command that works as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer

from bench.cli import app
from bench.cli.examples import EXAMPLES
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt_suite import load_suite_named
from models.composer import Composer

Command = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = typer.main.get_command(app)


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group with the words that call it."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


COMMANDS = dict(_commands(ROOT))
LINES = [line for text in EXAMPLES.values() for line in text.splitlines()]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_ends_with_examples_of_the_command_in_80_columns(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    context = command.make_context("tunebench", [], resilient_parsing=True, terminal_width=80)
    lines = command.get_help(context).rstrip().splitlines()
    heading = next(place for place, line in enumerate(lines) if re.fullmatch(r"  Examples?:", line))
    examples = [line.strip() for line in lines[heading + 1 :]]
    assert examples
    assert all(line.startswith(" ".join(("tunebench", *path))) for line in examples)
    assert max(map(len, lines)) <= 80


def test_every_example_is_one_of_a_command() -> None:
    assert {tuple(path.split()) for path in EXAMPLES} == set(COMMANDS)


@pytest.mark.parametrize("line", dict.fromkeys(LINES))
def test_examples_name_options_that_exist(line: str) -> None:
    command, (program, *words) = ROOT, shlex.split(line)
    assert program == "tunebench"
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(program, words)  # raises where one does not


def test_lists_of_commands_have_whole_sentences(tunebench: Command) -> None:
    for path, command in COMMANDS.items():
        if not hasattr(command, "commands"):
            continue
        shown = " ".join(tunebench(*path, "--help", COLUMNS="80").stdout.split())
        for inner in command.commands.values():
            sentence = re.split(r"(?<=\.)\s", inner.help.strip(), maxsplit=1)[0]
            assert " ".join(sentence.split()) in shown


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples work with: clips, ratings and a run of the README."""
    folder = tmp_path_factory.mktemp("examples")
    prompts = {prompt.id: prompt for prompt in load_suite_named("quick@1").prompts}
    for name in ("music", "my_clips", "more_clips"):
        (folder / name).mkdir()
    for id in ("choral-2", "choral-5"):
        (clip,) = Composer().generate([GenerationRequest(prompts[id], 0, 4.0)])
        for name in ("music", "my_clips", "more_clips"):
            soundfile.write(folder / name / f"{id}.wav", clip.samples.T, clip.rate)
    rng = np.random.default_rng(0)
    rows = [
        f"{listener},{prompt},{model},Harmony,{rng.integers(1, 6)}"
        for listener in ("ann", "bob", "cleo")
        for prompt in list(prompts)[:4]
        for model in ("composer", "composer-offkey")
    ]
    (folder / "ratings.csv").write_text("\n".join(["listener,prompt,model,scale,value", *rows]) + "\n")
    scores = [f"{model},{prompt},3" for prompt in list(prompts)[:4] for model in ("composer", "composer-offkey")]
    (folder / "mos.csv").write_text("\n".join(["model,prompt,value", *scores]) + "\n")
    (folder / "my_run.yaml").write_text("models: [composer]\nmetrics: [harmonic-accuracy]\nduration: 3\n")
    return folder


# Those that come cheap, each after what it needs. The others are in tests of their own, and in those of the README.
FIRST = (
    "tunebench run --model composer --model composer-offkey --metric harmonic-accuracy --limit 4 --out results/quick "
    "--set duration=3 --set executor.workers=0"
)
CHEAP = (
    "run", "score", "leaderboard", "compare", "export scores", "export bundle", "export hf", "export midi",
    "reference build", "reference show", "check run", "survey analyze", "survey agree", "list", "schema",
)  # fmt: skip


@pytest.mark.slow(12)
def test_examples_work(folder: Path, tunebench: Command) -> None:
    assert tunebench(*shlex.split(FIRST)[1:], cwd=folder).returncode == 0
    for line in (line for path in CHEAP for line in EXAMPLES[path].splitlines()):
        ran = tunebench(*shlex.split(line)[1:], cwd=folder)
        # Scoring two of six prompts says that the others are missing.
        assert ran.returncode == (4 if " score my_clips" in line else 0), (line, ran.stderr)
        assert ran.stdout.strip(), line
