"""A whole survey analysed, and the next one planned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from bench_growth import limits
from row import Row

from bench.stats.survey_model import TYPICAL, simulate_ratings
from bench.survey.analysis import analyse
from bench.survey.latent_ratings import LatentRatings
from bench.survey.plots import draw
from bench.survey.power_analysis import Question, plan
from bench.survey.reading import read_survey

VOTERS, VOTES, RIVALS = 2_500, 15_000, 20
LISTENERS, PROMPTS, MODELS, SCALES = 20, 36, 4, ("Harmony", "Rhythm", "Genre fit")


def measure() -> Iterator[Row]:
    size = f"{LISTENERS} × {PROMPTS} × {MODELS} × {len(SCALES)}"
    with TemporaryDirectory() as folder:
        for missing, target in ((0.0, 5.0), (0.1, None)):
            path = Path(folder, "ratings.csv")
            _write(path, missing)
            begin = time.perf_counter()
            survey = read_survey(path)
            read = time.perf_counter()
            found = analyse(survey)
            seconds = time.perf_counter() - begin
            what = f"survey of {size}" + (f", {100 * missing:.0f} % missing" if missing else "")
            note = f"one core, bootstraps and imports included; reading {read - begin:.2g} s of it"
            yield Row(what, seconds, "s", target, "lower", note)
        begin = time.perf_counter()
        files = draw(survey, found, Path(folder))
        yield Row("its plots", time.perf_counter() - begin, "s", None, "lower", f"{len(files)} files, PNG and SVG")
        arena = Path(folder, "arena.csv")
        _write_arena(arena)
        what = f"arena of {VOTERS:,} listeners × {VOTES:,} votes on prompts of their own, {RIVALS} models"
        yield from limits(what, 10, 1, "survey", "analyze", arena)
    yield from _plans()


def _write_arena(path: Path) -> None:
    """Votes with ties and "both bad", by listeners of whom a few vote often; each model a little above the last."""
    rng = np.random.default_rng(4)
    lines = ["user,prompt,model_a,model_b,winner"]
    busy = rng.pareto(1.5, VOTERS) + 1
    voters = rng.permutation([*range(VOTERS), *rng.choice(VOTERS, VOTES - VOTERS, p=busy / busy.sum())])
    for vote, voter in enumerate(voters):
        a, b = rng.choice(RIVALS, 2, replace=False)
        better = "model_b" if rng.random() < 1 / (1 + np.exp(-0.1 * (b - a))) else "model_a"
        winner = rng.choice([better, "tie", "tie (bothbad)"], p=[0.75, 0.15, 0.1])
        lines.append(f"u{voter},p{vote},m{a},m{b},{winner}")
    path.write_text("\n".join(lines))


def _write(path: Path, missing: float) -> None:
    rng = np.random.default_rng(3)
    lines = ["listener,prompt,model,scale,value,genre"]
    for scale in SCALES:
        # Two models at a time, and the second two a little better.
        cube = np.concatenate([simulate_ratings(rng, 1, LISTENERS, PROMPTS, 0.3, TYPICAL)[:, 0] for _ in range(2)])
        kept = rng.random(cube.shape) >= missing
        for m, i, j in product(range(MODELS), range(LISTENERS), range(PROMPTS)):
            if kept[m, i, j]:
                lines.append(f"l{i},p{j},m{m},{scale},{cube[m, i, j]:.0f},g{j % 6}")
    path.write_text("\n".join(lines))


def _plans() -> Iterator[Row]:
    question = Question(effect=0.4, opinion=LatentRatings(TYPICAL, 0.0))
    taken = []
    for workers in (1, 2):
        begin = time.perf_counter()
        plan([5, 10, 20], [6, 12, 36], question, workers)
        taken.append(time.perf_counter() - begin)
    note = "9 sizes, power, detectable differences and fewest listeners, 2,000 surveys a number"
    yield Row("plan of a survey, one process", taken[0], "s", None, "lower", note)
    yield Row("plan of a survey, two processes", taken[0] / taken[1], "× one", None, "higher", f"{taken[1]:.3g} s")
