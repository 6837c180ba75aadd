"""What is told of how far a run is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.progress import Lines, duration, time_left

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("elapsed", "done", "todo", "said"),
    [
        (10.0, 1, 11, ""),  # less than a tenth
        (10.0, 2, 20, "2 min left"),
        (10.0, 1, 2, "10 s left"),
        (10.0, 2, 2, "0 s left"),
        (0.0, 0, 3, ""),
        (5.0, 0, 0, ""),
    ],
)
def test_no_time_is_told_before_a_tenth_is_done(elapsed: float, done: int, todo: int, said: str) -> None:
    assert time_left(elapsed, done, todo) == said


def test_durations_have_a_unit_that_suits_them() -> None:
    assert [duration(seconds) for seconds in (0.4, 84, 420, 7570)] == ["0 s", "84 s", "7 min", "2.1 h"]


def test_what_was_there_before_says_nothing_of_the_speed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin("scoring clips", 100, 90)
    lines.advance(10)
    assert re.fullmatch(r"scoring clips: 90 of 100\nscoring clips: 100 of 100, took \d s\n", capsys.readouterr().err)
    lines.begin("scoring clips", 3, 3)
    assert capsys.readouterr().err == ""


def test_progress_never_passes_its_total(tunebench: Command, write_config: Callable[..., Path], tiny: Path) -> None:
    """Though clips are tried again, a metric at a time."""
    bad = {"how": "exit", "where": ""}
    metrics = [f"{tiny}:Peak", f"{tiny}:Frames", {"name": f"{tiny}:Fragile", "params": bad}]
    ran = tunebench("run", write_config(metrics=metrics, duration=0.25, executor={"workers": 2}))
    counts = re.findall(r"^(.*): (\d+) of (\d+)(.*)$", ran.stderr, re.MULTILINE)
    assert counts and all(int(done) <= int(total) for _, done, total, _ in counts)
    finished = [(stage, done) for stage, done, total, said in counts if "took" in said]
    assert finished == [("generating clips", "12"), ("scoring clips", "12")]
    assert ran.returncode == 4
    assert [line for line in ran.stderr.splitlines() if line.startswith("failed: sine, Fragile")]
