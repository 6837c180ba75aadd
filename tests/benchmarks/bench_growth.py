"""How time grows with the number of clips, and what the largest runs take.

Exponents are of the processor time of this process, which other work on the machine changes little: the slope of a line
through the logarithms at three sizes. As in `timeit`, the collector of reference cycles is at rest meanwhile. Limits of
seconds and memory are of the real command, started anew.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from large_run import Size, build_run, write_config
from row import Row

from bench.cli.compare import comparison
from bench.config.run_config import load_config, parse_config
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.leaderboard.render import render
from bench.pipeline.run import run
from bench.planning.plan import make_plan
from models.folder import FolderModel

SIZES = (1_000, 10_000, 100_000)
LARGEST = Size(1_000_000, seeds=100)
EXPONENT = 1.1
Work = Callable[[], object]


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=_fast_disk()) as name:
        folder = Path(name)
        seconds: dict[str, list[float]] = {}
        for clips in SIZES:
            for what, taken in _paths(folder / str(clips), clips):
                seconds.setdefault(what, []).append(taken)
        for what, each in seconds.items():
            slope = float(np.polyfit(np.log(SIZES), np.log(each), 1)[0])
            note = ", ".join(f"{n:,}: {s:.3g} s" for n, s in zip(SIZES, each, strict=True))
            yield Row(f"growth of {what}", slope, "exponent", EXPONENT, "lower", note)
        yield from _commands(folder / str(SIZES[-1]))
        config = write_config(folder / "largest", LARGEST)
        yield from limits(f"dry run of {LARGEST.clips:,} clips", 60, 2, "run", config, "--dry-run")


def _paths(folder: Path, clips: int) -> Iterator[tuple[str, float]]:
    """What is done to a run of so many clips × 10 metrics, and the processor time that it takes."""
    size = Size(clips)
    yield "storing a run", _timed(lambda: build_run(folder, size))
    config, out = folder / "run.yaml", folder / "run"
    settings = load_config(config)
    yield "planning", _timed(lambda: make_plan(settings))
    plan = make_plan(settings)
    # As many models as a sweep may have, of which each has its batches.
    models = [replace(plan.models[0], label=f"m{i}") for i in range(100)]
    spread = [replace(clip, model=f"m{place % 100}") for place, clip in enumerate(plan.clips)]
    many = replace(plan, models=tuple(models), clips=tuple(spread))
    yield "batches of 100 models", _timed(lambda: list(many.batches()))
    yield "resuming a finished run", _timed(lambda: run(settings, out))
    yield "a leaderboard", _timed(lambda: render(out))
    yield "a comparison", _timed(lambda: comparison(out, "m0", "m1"))
    yield "a manifest with misses", _timed(lambda: _misses(folder, clips))
    seeds = {"seeds": list(range(clips))}
    yield "a list of seeds", _timed(lambda: parse_config(seeds).as_yaml())


def _misses(folder: Path, lines: int) -> None:
    """Ask a folder for as many clips as its manifest has lines, none of which is one of these."""
    manifest = folder / "manifest.csv"
    manifest.write_text("prompt,file\n" + "".join(f"there-{i},{i}.wav\n" for i in range(lines)))
    model = FolderModel(folder, manifest.name)
    model.generate([GenerationRequest(Prompt(f"gone-{i}", "a tune"), 0, 1.0) for i in range(lines)])


def _timed(work: Work) -> float:
    """The processor time of a piece of work, in seconds; the least of three where it takes little."""
    taken: list[float] = []
    while not taken or (len(taken) < 3 and sum(taken) < 0.5):
        gc.collect()
        gc.disable()
        begin = time.process_time()
        with contextlib.redirect_stderr(io.StringIO()):
            work()
        taken.append(time.process_time() - begin)
        gc.enable()
    return min(taken)


def _commands(folder: Path) -> Iterator[Row]:
    config, out, size = folder / "run.yaml", folder / "run", f"{SIZES[-1]:,} clips × 10 metrics"
    yield from limits(f"resuming {size}", 10, 1, "run", config, "--out", out)
    yield from limits(f"leaderboard of {size}", 10, 1, "leaderboard", out)
    yield from limits(f"comparing two models of {size}", 10, 1, "compare", out, "m0", "m1")
    yield from limits(f"exporting scores of {size}", 20, 1, "export", "scores", out, folder / "scores.csv")


# What a process takes at most counts from its fork: of this large one, it would be as large.
_SMALL_PARENT = """
import json, os, resource, subprocess, sys, time
begin = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


def limits(what: str, seconds: float, gigabytes: float, *arguments: str | Path) -> Iterator[Row]:
    """The command's wall time and its largest resident memory."""
    command = [sys.executable, "-c", _SMALL_PARENT, Path(sys.executable).parent / "tunebench", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    code, taken, processor, resident = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{arguments[0]} left with {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    note = f"of which {processor:.1f} s of processor time; load {os.getloadavg()[0]:.1f}"
    yield Row(what, taken, "s", seconds, "lower", note)
    yield Row("… its memory", resident * unit / 1e9, "GB", gigabytes, "lower", "largest resident")


def _fast_disk() -> Path | None:
    """Where memory has a file system, the runs lie there: what is measured is not the disk."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 4e9 else None
