"""The tutorial on surveys: commands analyze the tables above them, and it names the columns that are known."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.survey.forms.column_names import SYNONYMS

PAGE = (Path(__file__).parents[2] / "docs" / "tutorials" / "survey.md").read_text(encoding="utf-8")
PAIRS = re.findall(r"^```csv\n(.*?)^```\n\n```text\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow(5)
@pytest.mark.parametrize(("table", "command"), PAIRS)
def test_a_command_reads_the_table_above_it(
    table: str, command: str, tunebench: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    words = shlex.split(command)
    (tmp_path / words[3]).write_text(table)
    ran = tunebench(*words[1:], cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"Models: base, lora\.", ran.stdout)
    assert "none left out" in ran.stdout


def test_known_names_are_listed() -> None:
    assert len(PAIRS) == 2
    told = {role: names.split(", ") for role, names in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)}
    assert {"listener", "prompt", "model", "scale", "value", "a", "b", "choice"} == told.keys()
    assert all(tuple(names) == SYNONYMS[role] for role, names in told.items())
