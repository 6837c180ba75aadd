"""The page on community leaderboards is true: its commands work, one after the other."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "community-leaderboard.md").read_text(encoding="utf-8")


@pytest.mark.slow(12)
def test_the_commands_work(tmp_path: Path, tunebench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    blocks = re.findall(r"^```(yaml|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = []
    for language, block in blocks:
        if language == "yaml":
            name = re.match(r"# (\S+)\n", block)
            assert name
            (tmp_path / name[1]).write_text(block)
        else:
            commands += [shlex.split(line) for line in block.splitlines()]
    assert len(commands) == 5
    for command in commands:
        assert command[0] == "tunebench"
        done = tunebench(*command[1:])
        assert done.returncode == 0, (command, done.stderr)
        assert done.stdout.strip() and "Traceback" not in done.stderr
    page = (tmp_path / "site" / "index.html").read_text()
    assert "Ann of Lab X" in page and "https://example.org/ann" in page
    assert list((tmp_path / "site" / "audio").iterdir())
