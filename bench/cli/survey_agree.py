"""``tunebench survey agree``: which metric predicts listeners' ratings?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.survey_file import SurveyFile, about_a_survey_file


@about_a_survey_file("models")
def command(
    run: Annotated[Path, typer.Argument(help="A run folder whose clips were rated.")],
    file: Annotated[Path, typer.Argument(help="Ratings or preferences; models named as in the run.")],
    about: SurveyFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    plots: Annotated[Path | None, typer.Option(metavar="DIR", help="Also draw the figure into this folder.")] = None,
) -> None:
    """Correlate each metric of a run with each scale of a survey: within prompts, over all clips, over models.

    For preferences: the share of votes for the clip with the higher score. Also shows how
    far listeners agree with each other, and the model that each metric would pick. Intervals come from a
    bootstrap of listeners and prompts. Answers about clips that the run lacks are named.
    """
    import json

    from bench.cli.output import page_layout
    from bench.survey.metric_agreement import Predictions, predict
    from bench.survey.prediction_table import table, vote_table
    from bench.survey.ratings import Ratings
    from bench.survey.vote_agreement import predict_votes

    if plots is not None:
        from bench.survey.plots import FORMATS, check_formats

        check_formats(FORMATS[:2])
    survey = about.read(file)
    found = predict(run, survey) if isinstance(survey, Ratings) else predict_votes(run, survey)
    if plots is not None:
        from bench.survey.plots import draw_agreement

        draw_agreement(found, plots)
    if as_json:
        print(json.dumps(found.as_record(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(table(found, page_layout()) if isinstance(found, Predictions) else vote_table(found, page_layout()))
