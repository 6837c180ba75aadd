"""``tunebench survey simulate``: ratings by listeners who hear what a metric measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import Output


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    metric: Annotated[str, typer.Option(help="The clip metric that they hear.")] = "genre-fit",
    listeners: Annotated[int, typer.Option(help="Number of listeners.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    output: Output = None,
) -> None:
    """Write ratings from 1 to 5 that nobody gave, to try the analysis of a survey with: a metric, heard with noise.

    They are no evidence of anything: a metric agrees with listeners that were made of it.
    """
    from bench.cli.output import emit
    from bench.survey.simulate import SimulatedListeners, simulate_survey

    emit(simulate_survey(run, metric, SimulatedListeners(listeners, seed=seed)).rstrip("\n"), "csv", output)
