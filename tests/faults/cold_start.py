"""Many processes start at once where nothing is compiled yet: all of them score, and none crashes.

    python tests/faults/cold_start.py [--quick] [--turns N] [--homes FOLDER]

In full: in a virtual environment made from nothing, with an empty home folder, eight processes score composed music and
then detect its onsets with librosa, which compiles when it is imported; twenty times. Then the first scoring of another
empty home may take 10 s longer than the second. With --quick, four processes use librosa in this environment, once.

The exit code is 0 if all is well; otherwise the last line says what is not.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUITE = """
name: pair
version: 1
prompts:
  - {id: jazz, text: "jazz, 120 bpm, C major", genre: jazz, level: 1, bpm: 120, key: C major}
  - {id: rock, text: "rock, 100 bpm, A minor", genre: rock, level: 1, bpm: 100, key: A minor}
"""
SLOWER = 10.0
"""Seconds that the first scoring may take longer than the second."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="four processes, once, in this environment")
    parser.add_argument("--turns", type=int, help="how often; 20 by default, 1 with --quick")
    parser.add_argument("--homes", type=Path, help="keep the home folders below this one")
    parser.add_argument("--one", choices=("score", "compile", "both"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        return one(options.one)
    with tempfile.TemporaryDirectory(prefix="tunebench-cold-") as temporary:
        homes = options.homes or Path(temporary)
        python = sys.executable if options.quick else fresh_environment(Path(temporary, "venv"))
        for turn in range(options.turns or (1 if options.quick else 20)):
            at_once(python, homes / f"home-{turn}", 4 if options.quick else 8, "compile" if options.quick else "both")
        if not options.quick:
            first_and_second(python, homes)
    print("all is well")
    return 0


def fresh_environment(folder: Path) -> str:
    """Install tunebench and librosa into a new virtual environment, and return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*install, *constraints, ROOT, "librosa"], check=True)
    subprocess.run([*install, "--no-deps", "--requirement", ROOT / "constraints-nodeps.txt"], check=True)
    return python


def at_once(python: str, home: Path, count: int, task: str) -> None:
    """Run the task in so many processes at once, with an empty home folder and no compiled code in the environment.

    Raises:
        SystemExit: one failed, wrote beside the library's source, or left more than the compiled library.
    """
    began, before = time.monotonic(), compiled_files(python)
    home.mkdir(parents=True)
    processes = [start(python, home, task) for _ in range(count)]
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit(f"{home.name}: exit codes {codes}, must be 0")
    if compiled_files(python) != before:
        sys.exit(f"{home.name}: numba wrote beside the library's source")
    left = sorted(path.name for path in (home / ".cache" / "tunebench" / "numba").iterdir())
    if len(left) != 2 or left[1] != "lock":
        sys.exit(f"{home.name}: the cache holds {left}, must be one compiled library and the lock")
    print(f"{home.name}: {count} processes, {time.monotonic() - began:.0f} s", flush=True)


def first_and_second(python: str, homes: Path) -> None:
    """Score twice with an empty home folder; what else runs on the machine disturbs three such pairs hardly alike.

    Raises:
        SystemExit: every time, the first scoring took too much longer.
    """
    longer = []
    for pair in range(3):
        home = homes / f"home-alone-{pair}"
        home.mkdir(parents=True)
        took = []
        for _ in range(2):
            began = time.monotonic()
            if code := start(python, home, "score").wait():
                sys.exit(f"{home.name}: exit code {code}, must be 0")
            took.append(time.monotonic() - began)
        longer.append(took[0] - took[1])
        print(f"{home.name}: scored in {took[0]:.1f} s, and again in {took[1]:.1f} s", flush=True)
        if longer[-1] <= SLOWER:
            return
    sys.exit(f"the first scoring took {min(longer):.1f} s longer than the second, at most {SLOWER:g} s")


def start(python: str, home: Path, task: str) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    environment = {**kept, "HOME": str(home), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([python, "-P", __file__, "--one", task], env=environment, cwd=home)


def compiled_files(python: str) -> set[tuple[str, int]]:
    """What numba keeps beside the sources of an environment, with the time of the last change."""
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    return {(str(path), path.stat().st_mtime_ns) for path in packages.glob("librosa/**/*.nb[ic]")}


def one(task: str) -> int:
    """What each process does; returns its exit code."""
    if task != "compile":
        score()
    if task != "score":
        compile_and_compare()
    return 0


def score() -> None:
    """Run the default metrics on composed music.

    Raises:
        SystemExit: a value is missing, or a library that compiles was imported.
    """
    import bench

    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "pair.yaml")
        suite.write_text(SUITE)
        config = {"suite": str(suite), "models": ["composer"], "duration": 10, "executor": {"workers": 0}}
        table = bench.run(config, Path(folder, "run")).leaderboard()
    row = table[table["model"] == "composer"]
    if not len(row) or row["value"].isna().any():
        sys.exit(f"a metric has no value:\n{table.to_string()}")
    if compiling := {"numba", "librosa"} & set(sys.modules):
        sys.exit(f"scoring imported {sorted(compiling)}")


def compile_and_compare() -> None:
    """Detect the onsets of noise bursts with librosa and without.

    Raises:
        SystemExit: they differ, as they would where librosa ran the code of another function.
    """
    import numpy as np

    from bench.library_setup import set_up_libraries
    from metrics.notes.onsets import AROUND, PAUSE, RATE, SHARP, THRESHOLD, pick_peaks, spectral_flux

    set_up_libraries()
    from librosa.onset import onset_detect

    samples = np.random.default_rng(0).standard_normal(5 * RATE).astype(np.float32)
    samples *= np.sin(2 * np.pi * 2 * np.arange(len(samples)) / RATE) > 0
    flux = spectral_flux(samples, SHARP)
    pause, around = SHARP.frames(PAUSE), SHARP.frames(AROUND)
    windows = {"pre_max": pause, "post_max": pause + 1, "pre_avg": around, "post_avg": around + 1, "wait": pause}
    theirs = onset_detect(onset_envelope=flux, sr=RATE, hop_length=SHARP.hop, delta=THRESHOLD, **windows)
    ours = pick_peaks(flux, pause, around)
    if not len(ours) or not np.array_equal(ours, theirs):
        sys.exit(f"librosa's onsets are {theirs}, ours {ours}")


if __name__ == "__main__":
    sys.exit(main())
