"""`make quickstart` prints the leaderboard of the tutorial, as a terminal of 80 columns shows it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.code_blocks import code_blocks

ROOT = Path(__file__).parent.parent


def _tables(page: str) -> list[str]:
    blocks = code_blocks((ROOT / page).read_text(encoding="utf-8"), "text")
    return [block for block in blocks if "composer-offkey" in block]


@pytest.mark.slow(40)
def test_quickstart_prints_the_leaderboard_of_the_tutorial(
    tmp_path: Path, in_terminal: Callable[..., str], tunebench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`make quickstart` in an empty folder, with an environment that is already set up."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    venv = Path(sys.executable).parent.parent
    command = ["make", "--silent", "--old-file", "core", f"VENV={venv}", "quickstart"]
    environment = {**os.environ, "COLUMNS": "80"}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert ran.returncode == 0, ran.stderr
    *_, entered, further = ran.stderr.splitlines()
    assert entered.endswith(f"source {venv}/bin/activate") and "make demo" in further
    (shown,) = _tables("docs/tutorials/leaderboard.md")
    (part,) = _tables("README.md")
    assert part.strip() in shown
    number = re.compile(r"\d+(?:\.\d+)?")
    printed, documented = ran.stdout.strip().splitlines(), shown.strip().splitlines()
    assert [number.sub("#", line).split() for line in printed] == [number.sub("#", line).split() for line in documented]
    for ours, theirs in zip(printed, documented, strict=True):
        # Another processor may round a little differently, and an onset or a note more or less follows from it.
        pairs = zip(number.findall(ours), number.findall(theirs), strict=True)
        assert all(float(a) == pytest.approx(float(b), rel=0.1, abs=1.0) for a, b in pairs), (ours, theirs)

    run = tmp_path / "results" / "quick"
    assert in_terminal("leaderboard", run, columns=80) == ran.stdout
    assert in_terminal("leaderboard", run, columns=80, NO_COLOR="1") == ran.stdout
    for columns, locale in ((80, "C"), (120, "C"), (120, "C.UTF-8")):
        lines = in_terminal("leaderboard", run, columns=columns, LC_ALL=locale).splitlines()
        assert max(map(len, lines)) <= columns
        assert locale != "C" or ("".join(lines).isascii() and "?" not in "".join(lines))
    piped = tunebench("leaderboard", run, cwd=tmp_path).stdout
    assert sorted(set(piped.split())) == sorted(set(ran.stdout.split()))
    assert max(map(len, shown.splitlines())) <= 80 < max(map(len, piped.splitlines()))
