"""``tunebench survey simulate``: simulated ratings by listeners who follow a metric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import Output


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    metric: Annotated[str, typer.Option(help="Clip metric that the ratings follow.")] = "genre-fit",
    listeners: Annotated[int, typer.Option(help="Number of listeners.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    output: Output = None,
) -> None:
    """Write simulated ratings from 1 to 5, a metric plus noise, for trying the analysis of a survey.

    They are no evidence: the metric agrees with them by construction.
    """
    from bench.cli.output import emit
    from bench.survey.simulate import SimulatedListeners, simulate_survey

    emit(simulate_survey(run, metric, SimulatedListeners(listeners, seed=seed)).rstrip("\n"), "csv", output)
