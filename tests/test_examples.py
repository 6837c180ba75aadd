"""The examples run as their pages say: the plugin package is installed, and every command works."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.code_blocks import code_blocks

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def commands(name: str) -> list[list[str]]:
    page = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    return [shlex.split(line) for block in code_blocks(page, "sh") for line in block.splitlines() if line.strip()]


def run(command: list[str], folder: Path, path: str = "") -> str:
    program = {"tunebench": [sys.executable, "-P", "-m", "bench"], "python": [sys.executable]}[command[0]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (path, os.environ.get("PYTHONPATH", ""))))}
    ran = subprocess.run(
        [*program, *command[1:]], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, (command, ran.stdout[-2000:], ran.stderr[-2000:])
    return ran.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.mark.slow(40)
def test_a_survey_from_design_to_plot(folder: Path) -> None:
    for command in commands("survey"):
        assert run(command, folder).strip() or "-o" in command
    assert list((folder / "results/survey/plots").iterdir())


@pytest.mark.slow(90)
def test_a_paper_from_training_to_table(folder: Path) -> None:
    pytest.importorskip("diffusers")
    for command in commands("paper"):
        run(command, folder)
    table = (folder / "results/paper/table.tex").read_text(encoding="utf-8")
    assert "tabular" in table and "base" in table and "tuned" in table


@pytest.mark.slow(25)
def test_a_package_of_one_metric(folder: Path) -> None:
    """Installed as pip installs it, into a folder of its own that Python is told of."""
    install, *others = commands("silence_share")
    assert install[:3] == ["pip", "install", "-e"]
    source, site = folder / install[3], folder / "site"
    asked = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", str(site), str(source)]
    subprocess.run([sys.executable, *asked], check=True, capture_output=True, timeout=120)
    for command in others:
        printed = run(command, folder, str(site))
        assert "silence-share@1" in printed or "passed" in printed
    lines = (source / "silence_share.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 15
