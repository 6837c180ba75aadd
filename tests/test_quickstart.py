"""`make quickstart` prints the leaderboard of the README."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.slow(40)
def test_quickstart_prints_the_leaderboard_of_the_readme(tmp_path: Path) -> None:
    """`make quickstart` in an empty folder, with an environment that is already set up."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    venv = Path(sys.executable).parent.parent
    command = ["make", "--silent", "--old-file", "core", f"VENV={venv}", "quickstart"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.splitlines()[-1].endswith(f"source {venv}/bin/activate")
    blocks = re.findall(
        r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    (shown,) = [block for block in blocks if "composer-offkey" in block]
    number = re.compile(r"\d+(?:\.\d+)?")
    printed, documented = ran.stdout.strip().splitlines(), shown.strip().splitlines()
    assert [number.sub("#", line).split() for line in printed] == [number.sub("#", line).split() for line in documented]
    for ours, theirs in zip(printed, documented, strict=True):
        # Another processor may round a little differently, and an onset or a note more or less follows from it.
        pairs = zip(number.findall(ours), number.findall(theirs), strict=True)
        assert all(float(a) == pytest.approx(float(b), rel=0.1, abs=1.0) for a, b in pairs), (ours, theirs)
