"""``tunebench survey agree``: which metric predicts what listeners hear?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.survey_options import Columns, RatingScale, Scales, columns, names, ranges


def command(
    run: Annotated[Path, typer.Argument(help="A run folder whose clips were rated.")],
    file: Annotated[Path, typer.Argument(help="Ratings: CSV, TSV or Parquet; models by their labels in the run.")],
    column: Columns = None,
    scales: Scales = None,
    rating_scale: RatingScale = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Correlate each metric of a run with each scale of a survey: within prompts, over all clips, over models.

    Intervals come from a bootstrap of listeners and prompts. Ratings of clips that the run does not have are named.
    """
    import json

    from bench.cli.output import layout
    from bench.survey.metric_agreement import predict
    from bench.survey.prediction_table import table
    from bench.survey.reading import read_ratings

    found = predict(run, read_ratings(file, columns(column), ranges(rating_scale), scales=names(scales, "--scales")))
    if as_json:
        print(json.dumps(found.as_record(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(table(found, layout()))
