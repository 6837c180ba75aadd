"""The page on messages has the statuses and codes of the code, and its commands end as it says."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import errors
from tests.code_blocks import code_blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _rows(header: str) -> list[list[str]]:
    table = PAGE[PAGE.index(f"\n| {header} |") + 1 :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def _classes() -> dict[str, type[errors.TunebenchError]]:
    found = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TunebenchError)
    ]
    return {kind.__name__: kind for kind in found}


def test_classes_are_those_of_the_module() -> None:
    told = {row[1].strip("`"): (row[0].strip("`"), int(row[2])) for row in _rows("code | class")}
    assert told == {name: (kind.code, kind.exit_code) for name, kind in _classes().items()}


def test_statuses_are_those_of_the_classes() -> None:
    told = {int(row[0]) for row in _rows("status")}
    assert told == {0, errors.INTERRUPTED, *(kind.exit_code for kind in _classes().values())}


def _examples() -> list[tuple[str, int]]:
    block = code_blocks(PAGE, "sh")[0]
    return [
        (command.strip(), int(said[0])) for command, _, said in (line.partition(" # ") for line in block.splitlines())
    ]


@pytest.mark.slow(5)
@pytest.mark.parametrize(("command", "status"), _examples())
def test_a_command_ends_as_the_page_says(command: str, status: int, tunebench: Command, tmp_path: Path) -> None:
    for block in code_blocks(PAGE, "yaml"):
        (tmp_path / block.split()[1]).write_text(block)
    ran = tunebench(*command.split()[1:], cwd=tmp_path)
    assert ran.returncode == status, ran.stderr
    assert status == 0 or ran.stderr.splitlines()[-1].startswith("tunebench: ")


def test_the_object_for_programs_has_these_keys(tunebench: Command, tmp_path: Path) -> None:
    shown = json.loads(code_blocks(PAGE, "json")[0])
    printed = json.loads(tunebench("run", "--model", "composr", "--json", cwd=tmp_path).stdout)
    assert printed["error"].keys() == shown["error"].keys() and printed["error"]["code"] == shown["error"]["code"]
    assert printed["error"]["message"].startswith(shown["error"]["message"])
