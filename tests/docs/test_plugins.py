"""The page on plugins: its package is declared as the page says, and its commands work."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import Audio
from bench.contracts.audio import write_flac
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
FILES = {name: block for block in code_blocks(PAGE, "python|toml|yaml") for name in re.findall(r"\A# (\S+)\n", block)}
MODULES = [name for name in FILES if name.endswith(".py")]


def _commands() -> list[list[str]]:
    blocks = code_blocks(PAGE, "sh")
    return [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The page's files, some recordings, and what pip would write for Python to find the package by."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    package = tmp_path / "my_package"
    (package / "my_plugins" / "__init__.py").touch()
    project = tomllib.loads(FILES["my_package/pyproject.toml"])["project"]
    about = package / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    lines = (
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in names.items()) for group, names in groups
    )
    about.joinpath("entry_points.txt").write_text("\n".join(lines))
    rng = np.random.default_rng(0)
    for number in range(6):
        write_flac(tmp_path / "my_music" / f"{number}.flac", Audio(0.1 * rng.normal(size=64_000), 16_000))
    return tmp_path


@pytest.mark.parametrize("name", MODULES)
def test_a_file_has_at_most_fifteen_lines(name: str) -> None:
    assert len([line for line in FILES[name].splitlines()[1:] if line.strip()]) <= 15


def test_every_kind_has_a_file_and_an_entry_point() -> None:
    declared = tomllib.loads(FILES["my_package/pyproject.toml"])["project"]["entry-points"]
    assert set(declared) == {f"tunebench.{kind}s" for kind in ("model", "metric", "embedder", "suite", "reference")}
    targets = [value.partition(":") for names in declared.values() for value in names.values()]
    for module, _, attribute in targets:
        text = FILES[f"my_package/{module.replace('.', '/')}.py"]
        assert re.search(rf"^(?:class|def) {attribute}\b", text, re.MULTILINE)


@pytest.mark.slow(40)
def test_the_commands_work_one_after_the_other(folder: Path, tunebench_path: str) -> None:
    path = os.pathsep.join([str(folder / "my_package"), *filter(None, [os.environ.get("PYTHONPATH")])])
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    printed = {}
    for command in _commands():
        ran = subprocess.run(
            [tunebench_path, *command[1:]],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PATH": programs},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        printed[" ".join(command)] = ran.stdout
    assert "crest-factor" in printed["tunebench list metrics"]
    board = printed["tunebench run plugins_run.yaml"]
    assert all(name in board for name in ("crest-factor@1", "mean-distance@1", "kad[embedder=band-levels]@2"))
    assert "crest@1" in printed["tunebench run program_run.yaml"]


@pytest.mark.slow(5)
def test_a_suite_in_a_file_is_named_by_its_function(folder: Path, tunebench: Callable[..., object]) -> None:
    listed = tunebench("list", "prompts", "my_package/my_plugins/marches.py:marches", cwd=folder)
    assert "march-120" in listed.stdout  # type: ignore[attr-defined]
