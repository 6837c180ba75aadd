"""A suite of MusicCaps' size and layout from the plan to the report, with a model that takes no time."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench_growth import limits
from row import Row

TINY = Path(__file__).resolve().parent.parent / "plugins" / "tiny.py"
PROMPTS, ODD = 5_521, 182
COLUMNS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval"
)


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        suite, run = Path(name, "captions.csv"), Path(name, "run")
        write_suite(suite)
        asked = ["--suite", suite, "--model", f"{TINY}:Sine", "--metric", f"{TINY}:Peak", "--set", "duration=0.05"]
        yield from limits(f"listing {PROMPTS:,} prompts of a CSV file", 5, 0.5, "list", "prompts", suite)
        yield from limits(f"dry run of {PROMPTS:,} prompts", 10, 0.5, "run", *asked, "--dry-run", "--out", run)
        yield from limits(f"running {PROMPTS:,} prompts, 0.05 s each", 300, 1, "run", *asked, "--out", run)
        yield from limits(f"leaderboard of {PROMPTS:,} prompts", 10, 0.5, "leaderboard", run)
        yield from limits(f"report of {PROMPTS:,} prompts", 300, 1, "report", run)


def write_suite(path: Path, prompts: int = PROMPTS) -> None:
    """Write a table of MusicCaps' layout with texts of our own; some ids begin with ``-`` or ``_``."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS.split(","))
        for place in range(prompts):
            first = "-_"[place % 2] if place < ODD else "y"
            caption = f'A tune, number {place}.\nIt is played "slowly", on {place % 7 + 2} strings.'
            writer.writerow([f"{first}{place:010d}", 30, 40, "/m/04rlf", "['slow']", caption, 4, False, True])
