"""The long form of what tests/bench/test_numba_cache.py holds: eight cold processes at once, twenty times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.faults
def test_processes_that_start_at_once_in_a_new_environment_all_score() -> None:
    program = Path(__file__).with_name("cold_start.py")
    subprocess.run([sys.executable, program], check=True, timeout=3000)
