"""Simulate the tests of listening surveys, design by design: ``python tests/simulations/survey_designs.py``.

The surveys are those of `bench.stats.survey_model.simulate_ratings`, with the listeners and prompts of
`bench.stats.survey_designs.heard`: two models; an opinion is the sum of normal effects of listener, prompt, listener ×
model and prompt × model and of a residual, and the rating is the nearest whole number from 1 to 5. The variances are
"none" (.16, .16, 0, 0, .64), "typical" (.16, .16, .05, .16, .64) and "strong" (.16, .16, .20, .22, .64). Each survey is
analysed as `tunebench survey analyze` does, twice: once with equal models, for the size, and once with a latent
difference of .4, for power and coverage, from equal draws.

The surveys of a cell come in chunks of 100, each with a seed of its own that its name and number give. Every chunk that
is done is kept, so that the same command goes on where it was stopped, and more runs only add to fewer. Ends with 1
where a cell of 2,000 surveys or more breaks a limit.
"""

from __future__ import annotations

import os

# Thread pools read these when their library is loaded.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from zlib import crc32

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from bench.stats.crossed import crossed_mean, crossed_t_test  # noqa: E402
from bench.stats.intervals import bounded_t_interval  # noqa: E402
from bench.stats.survey_designs import Design, heard  # noqa: E402
from bench.stats.survey_model import (  # noqa: E402
    NO_MODEL_VARIANCE,
    STRONG,
    TYPICAL,
    expected_difference,
    expected_rating,
    simulate_ratings,
)
from bench.survey.pair_test import PairAnswers  # noqa: E402

VARIANCES = {"none": NO_MODEL_VARIANCE, "typical": TYPICAL, "strong": STRONG}
PROMPTS = 36
EFFECT = 0.4
CHUNK = 100
ENOUGH = 2000  # surveys in a cell before its limits are judged


@dataclass(frozen=True)
class Cell:
    """One kind of survey, of two models and 36 prompts."""

    design: Design
    listeners: int
    variances: str

    @property
    def name(self) -> str:
        return f"{self.design}, {self.listeners} listeners, {self.variances}"


SIZES: dict[Design, tuple[int, ...]] = {
    "complete": (2, 3, 5, 10, 20),
    "most": (3, 5, 20),
    "third": (2, 3, 5, 10, 20),
    "latin square": (3, 5, 20),
    "between listeners": (6, 10, 20),
}
CELLS = tuple(
    Cell(design, listeners, variances)
    for design, sizes in SIZES.items()
    for listeners in sizes
    for variances in VARIANCES
)


@dataclass
class Counts:
    """What happened in simulated surveys, each a number of them.

    Attributes:
        surveys: all; each twice, with equal and with different models.
        untested, undecided: no test of equal, and of different models.
        false: p below .05 between equal models.
        found, before: p below .05 between different models, by the test that is used, and by the one that leaves out
            what one listener did not rate of both models.
        covered: the interval of the difference holds the true difference.
        means, means_covered: intervals of single models' means, and those that hold the true mean.
    """

    surveys: int = 0
    untested: int = 0
    undecided: int = 0
    false: int = 0
    found: int = 0
    before: int = 0
    covered: int = 0
    means: int = 0
    means_covered: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(one + two for one, two in zip(vars(self).values(), vars(other).values(), strict=True)))


def simulate(cell: Cell, chunk: int, surveys: int = CHUNK) -> Counts:
    """Simulate one chunk of a cell."""
    seed = [crc32(cell.name.encode()), chunk]
    variances = VARIANCES[cell.variances]
    shape = (surveys, cell.listeners, PROMPTS)
    equal, better = (
        simulate_ratings(np.random.default_rng(seed), *shape, effect, variances) for effect in (0.0, EFFECT)
    )
    difference = expected_difference(EFFECT, variances)
    mean = expected_rating(-EFFECT / 2, variances)
    rng = np.random.default_rng([*seed, 1])
    counts = Counts()
    for number in range(surveys):
        mask = heard(cell.design, rng, 2, cell.listeners, PROMPTS)
        null, real = (np.where(mask, ratings[:, number], np.nan) for ratings in (equal, better))
        counts.surveys += 1
        test, reason, _ = PairAnswers(null[1] - null[0], null).test(0.95)
        if test is None or reason:
            counts.untested += 1
        else:
            counts.false += test.p < 0.05
        test, reason, _ = PairAnswers(real[1] - real[0], real).test(0.95)
        if test is None or reason:
            counts.undecided += 1
        else:
            counts.found += test.p < 0.05
            counts.covered += test.low <= difference <= test.high
        with suppress(ValueError):  # too few listeners rated both, which finds nothing
            counts.before += bool(crossed_t_test(real[1] - real[0]).p < 0.05)
        try:
            single = crossed_mean(real[0])
        except ValueError:
            continue
        if not single.reason:
            ends = bounded_t_interval(float(np.clip(single.estimate, 1, 5)), single.se, single.df, (1, 5))
            counts.means += 1
            counts.means_covered += ends.low <= mean <= ends.high
    return counts


def violations(cell: Cell, counts: Counts) -> list[str]:
    """The limits that a cell breaks, each a share of its surveys.

    Size at most .07 from 5 listeners a model on, and .09 with 3 or 4; coverage .92 or more, and at most .98 under
    typical variances. With 2 listeners a model nothing is promised but what the report then says.
    """
    each = cell.listeners // 2 if cell.design == "between listeners" else cell.listeners
    tested = counts.surveys - counts.untested
    decided = counts.surveys - counts.undecided
    if each < 3 or not tested or not decided:
        return []
    size, coverage = counts.false / tested, counts.covered / decided
    found = []
    if size > (0.07 if each >= 5 else 0.09):
        found.append(f"size {size:.3f}")
    if coverage < 0.92 or (cell.variances == "typical" and coverage > 0.98):
        found.append(f"coverage {coverage:.3f}")
    return found


def table(results: dict[Cell, Counts]) -> str:
    """The page of the documentation."""
    lines = [
        "# Simulated surveys",
        "",
        "Made by `python tests/simulations/survey_designs.py`, whose first lines say how surveys are simulated: two",
        f"models, {PROMPTS} prompts, ratings 1–5. Size: the share of surveys of equal models with p below .05. Power:",
        f"the same at a latent difference of {EFFECT}; beside it that of the test of differences, which leaves out",
        "what a listener rated of one model only. Coverage: of the 95 % intervals of the difference, and of a model's",
        "mean. A rate of .05 has a standard error of .005 in 2,000 surveys. Bold: outside of what is promised (size at",
        "most .07 from 5 listeners a model on, .09 with 3 or 4; coverage .92 or more, at most .98 under typical",
        "variances).",
        "",
        "| design | listeners | variances | surveys | size | power | of differences | coverage | of means |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for cell, counts in results.items():
        broken = " ".join(violations(cell, counts))
        tested, decided = counts.surveys - counts.untested, counts.surveys - counts.undecided
        size, coverage = share(counts.false, tested), share(counts.covered, decided)
        lines.append(
            f"| {cell.design} | {cell.listeners} | {cell.variances} | {counts.surveys} "
            f"| {f'**{size}**' if 'size' in broken else size} | {share(counts.found, counts.surveys)} "
            f"| {share(counts.before, counts.surveys)} | {f'**{coverage}**' if 'coverage' in broken else coverage} "
            f"| {share(counts.means_covered, counts.means)} |"
        )
    return "\n".join(lines) + "\n"


def share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}".removeprefix("0") if whole else "–"


class Checkpoints:
    """A file with a line for every chunk that is done; a line that a kill cut short is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[tuple[str, int], Counts] = {}
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    kept = json.loads(line)
                    self.done[kept["cell"], kept["chunk"]] = Counts(**kept["counts"])
                except (ValueError, KeyError, TypeError):
                    print(f"{path}: a line that cannot be read is left out", file=sys.stderr)

    def add(self, cell: Cell, chunk: int, counts: Counts) -> None:
        self.done[cell.name, chunk] = counts
        self.path.parent.mkdir(parents=True, exist_ok=True)
        cut = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            kept = {"cell": cell.name, "chunk": chunk, "counts": {name: int(n) for name, n in vars(counts).items()}}
            file.write(("\n" if cut else "") + json.dumps(kept) + "\n")

    def of(self, cell: Cell) -> Counts:
        return sum((counts for (name, _), counts in self.done.items() if name == cell.name), Counts())


def run(cells: tuple[Cell, ...], runs: int, workers: int, kept: Checkpoints) -> None:
    """Simulate what is missing, the chunks of all cells by turns."""
    jobs: Iterator[tuple[Cell, int]] = (
        (cell, chunk) for chunk in range(-(-runs // CHUNK)) for cell in cells if (cell.name, chunk) not in kept.done
    )
    missing = list(jobs)
    begun = time.monotonic()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = {pool.submit(simulate, *job): job for job in missing}
        try:
            for number, future in enumerate(as_completed(futures), 1):
                kept.add(*futures[future], future.result())
                left = (time.monotonic() - begun) / number * (len(missing) - number)
                print(f"\r{number} of {len(missing)} chunks, {left / 60:.0f} min left  ", end="", file=sys.stderr)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if missing:
        print(file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python tests/simulations/survey_designs.py", description=__doc__.split("\n")[0]
    )
    kept_at = ROOT / ".simulations" / "survey_designs.jsonl"
    table_at = ROOT / "docs" / "simulations" / "survey-designs.md"
    parser.add_argument("--runs", type=int, default=ENOUGH, help="surveys in a cell, in hundreds (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--cell", default="", help="only cells whose name contains this")
    parser.add_argument("--kept", type=Path, default=kept_at, help="file with the chunks that are done")
    parser.add_argument("--table", type=Path, default=table_at, help="page to write")
    options = parser.parse_args()
    cells = tuple(cell for cell in CELLS if options.cell in cell.name)
    if not cells:
        parser.error(f"no cell has '{options.cell}' in its name")
    kept = Checkpoints(options.kept)
    try:
        run(cells, options.runs, options.workers, kept)
    except KeyboardInterrupt:
        print(f"\nstopped; the same command goes on from {options.kept}", file=sys.stderr)
        return 130
    results = {cell: kept.of(cell) for cell in CELLS if kept.of(cell).surveys}
    options.table.parent.mkdir(parents=True, exist_ok=True)
    options.table.write_text(table(results), encoding="utf-8")
    print(f"{options.table} written")
    broken = 0
    for cell, counts in results.items():
        for what in violations(cell, counts) if counts.surveys >= ENOUGH else []:
            print(f"{cell.name}: {what}")
            broken += 1
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
