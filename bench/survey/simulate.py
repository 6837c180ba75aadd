"""Simulate a survey whose listeners follow a metric with noise, for trying the analysis."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.comparison.run_reader import ComparedRun
from bench.errors import UsageError, suggestion
from bench.paths import StrPath
from bench.spreadsheet import csv_text
from bench.stats.survey_model import FIVE_POINT, TYPICAL, OpinionVariances, rounded
from bench.storage.store import Store

COLUMNS = ("listener", "model", "prompt", "overall")


@dataclass(frozen=True)
class SimulatedListeners:
    """The simulated listeners.

    Attributes:
        count: number of listeners, ≥ 2.
        weight: change of opinion, in steps of a five-point scale, per standard
            deviation of the metric over all clips.
        variances: other variances of opinions.
        seed: random seed.

    Raises:
        UsageError: fewer than two listeners.
    """

    count: int = 16
    weight: float = 1.0
    variances: OpinionVariances = TYPICAL
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError(f"{self.count} listeners are too few; give at least 2")


def simulate_survey(run: StrPath, metric: str, listeners: SimulatedListeners | None = None) -> str:
    """Simulate ratings of every model of a run on every prompt; return CSV with the columns `COLUMNS`.

    opinion = weight · z + listener + prompt + listener × model + prompt × model + residual, where z is the metric's
    mean over a prompt's clips, standardized over all models and prompts; higher is preferred, or lower if the
    metric is better when low. The rating is the nearest step from 1 to 5.

    Args:
        run: the folder of a run.
        metric: a clip metric of it, such as ``genre-fit``.
        listeners: the simulated listeners.

    Raises:
        UsageError: no such run or metric, or one without two different values.
        DataError: a damaged run.
    """
    listeners = listeners or SimulatedListeners()
    with Store.read(Path(run)) as store:
        found = ComparedRun(store)
        known = [one.column.ref for one in found.metrics if not one.column.of_sets]
        column = next((one.column for one in found.metrics if metric in (one.column.ref, one.name)), None)
        if column is None or column.of_sets:
            raise UsageError(
                f"{found.folder} has no clip metric '{metric}'{suggestion(metric, known)}; it has: {', '.join(known)}"
            )
        cells = [(model, p, v) for model in found.labels for p, v in found.means(model, column.ref).items()]
    if len({value for _, _, value in cells}) < 2:
        raise UsageError(f"'{metric}' does not differ between the clips of {found.folder}, so ratings cannot follow it")
    values = np.array([value for _, _, value in cells])
    heard = (values - values.mean()) / values.std() * (-1 if column.direction == "lower" else 1)
    models, prompts = ({name: place for place, name in enumerate(dict.fromkeys(c[i] for c in cells))} for i in (0, 1))
    model = np.array([models[cell[0]] for cell in cells])
    prompt = np.array([prompts[cell[1]] for cell in cells])
    rng, spread = np.random.default_rng(listeners.seed), listeners.variances
    opinions = listeners.weight * heard[None, :] + np.sqrt(spread.residual) * rng.standard_normal(
        (listeners.count, len(cells))
    )
    opinions += np.sqrt(spread.listener) * rng.standard_normal((listeners.count, 1))
    opinions += np.sqrt(spread.prompt) * rng.standard_normal(len(prompts))[prompt]
    opinions += np.sqrt(spread.listener_model) * rng.standard_normal((listeners.count, len(models)))[:, model]
    opinions += np.sqrt(spread.prompt_model) * rng.standard_normal((len(prompts), len(models)))[prompt, model]
    ratings = rounded(opinions, FIVE_POINT).astype(int)
    rows = [
        (f"simulated-{number + 1}", cell[0], cell[1], int(rating))
        for number, row in enumerate(ratings)
        for cell, rating in zip(cells, row.tolist(), strict=True)
    ]
    return csv_text(COLUMNS, rows)
