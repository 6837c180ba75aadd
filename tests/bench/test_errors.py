"""Each error has a code and an exit status that never change, and the command line leaves with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import errors
from bench.errors import TunebenchError

Command = Callable[..., "subprocess.CompletedProcess[str]"]
STABLE = {
    "TunebenchError": ("error", 1),
    "UsageError": ("usage", 2),
    "Unstorable": ("storage", 2),
    "MissingError": ("missing", 3),
    "FailuresRecorded": ("failures", 4),
    "GenerationError": ("generation", 4),
    "TransientError": ("transient", 4),
    "Undefined": ("undefined", 4),
    "DataError": ("data", 5),
}


def _classes() -> dict[str, tuple[str, int]]:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TunebenchError)]
    return {kind.__name__: (kind.code, kind.exit_code) for kind in classes}


def test_codes_are_stable_and_each_class_has_its_own() -> None:
    assert _classes() == STABLE
    assert len({code for code, _ in STABLE.values()}) == len(STABLE)
    assert errors.INTERRUPTED == 130


def test_the_table_of_the_module_says_the_same() -> None:
    rows = [line.split() for line in (errors.__doc__ or "").splitlines()]
    told = {row[1]: (row[0], int(row[2])) for row in rows if row[1:] and row[1] in STABLE}
    assert told == STABLE
    without = {row[0]: int(row[2]) for row in rows if row[1:2] == ["(none)"]}
    assert without == {"(none)": 0, "interrupted": errors.INTERRUPTED}


def test_a_class_of_a_plugin_has_the_code_of_its_base() -> None:
    class NoLicence(errors.MissingError):
        """Weights that need a signature."""

    assert (NoLicence("sign first").code, NoLicence.exit_code) == ("missing", 3)


def _leaderboard_of_text(folder: Path) -> list[str]:
    (folder / "run").mkdir()
    (folder / "run" / "run.db").write_text("no database")
    return ["leaderboard", "run"]


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (lambda _: ["leaderboard", "nowhere"], errors.UsageError),
        (lambda _: ["run", "sheet.yaml", "--workers", "0"], errors.DataError),
        (_leaderboard_of_text, errors.DataError),
    ],
)
def test_programs_are_given_the_code(
    tunebench: Command, tmp_path: Path, arguments: Callable[[Path], list[str]], kind: type[TunebenchError]
) -> None:
    (tmp_path / "sheet.yaml").write_text("models: [")
    words = arguments(tmp_path)
    plain, told = tunebench(*words), tunebench(*words, "--json")
    assert plain.stdout == ""
    assert plain.returncode == told.returncode == kind.exit_code
    error = json.loads(told.stdout)["error"]
    assert error["code"] == kind.code
    assert told.stderr == plain.stderr == f"tunebench: {error['message']}\n"


def test_failures_come_after_the_result(tunebench: Command, tiny: Path, write_config: Callable[..., Path]) -> None:
    ran = tunebench("run", write_config(models=[{"name": f"{tiny}:Sine", "params": {"bad": "raise"}}]), "--json")
    assert ran.returncode == errors.FailuresRecorded.exit_code
    assert "error" not in json.loads(ran.stdout)
