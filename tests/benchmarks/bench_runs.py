"""Starting, and resuming a large run that is finished."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from row import Row

TINY = Path(__file__).resolve().parent.parent / "plugins" / "tiny.py"
PROMPTS, SEEDS = 100, 100


def measure() -> Iterator[Row]:
    tunebench = str(Path(sys.executable).parent / "tunebench")
    yield Row(
        "tunebench --help",
        median(_seconds(tunebench, "--help") for _ in range(7)),
        "s",
        0.25,
        "lower",
        "wall, median of 7",
    )
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "large.yaml")
        _write(config)
        out = str(Path(folder, "out"))
        first = _seconds(tunebench, "run", str(config), "--out", out)
        clips = PROMPTS * SEEDS
        yield Row(
            "harness overhead, a clip made and scored",
            1000 * first / clips,
            "ms",
            None,
            "lower",
            f"{clips} clips of 10 ms",
        )
        again = median(_seconds(tunebench, "run", str(config), "--out", out) for _ in range(3))
        yield Row(f"resuming a finished run of {clips} clips", again, "s", 5, "lower", "wall, leaderboard included")


def _write(config: Path) -> None:
    prompts = "".join(f"  - {{id: p{i}, text: tune number {i}, genre: g{i % 6}, level: 1}}\n" for i in range(PROMPTS))
    suite = config.with_name("suite.yaml")
    suite.write_text(f"name: large\nversion: 1\nprompts:\n{prompts}")
    config.write_text(
        f"{{suite: {suite}, models: ['{TINY}:Sine'], metrics: ['{TINY}:Peak', '{TINY}:Frames'], duration: 0.01, "
        f"seeds: {list(range(SEEDS))}}}"
    )


def _seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=os.environ.copy())
    return time.perf_counter() - started
