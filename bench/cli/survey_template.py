"""``tunebench survey template``: questions about a run's clips for a survey tool."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Tool(StrEnum):
    """Survey tools."""

    google_forms = "google-forms"
    microsoft_forms = "microsoft-forms"
    limesurvey = "limesurvey"
    qualtrics = "qualtrics"
    surveymonkey = "surveymonkey"
    mturk = "mturk"
    jspsych = "jspsych"
    webmushra = "webmushra"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    tool: Annotated[Tool, typer.Option("--for", metavar="TOOL", help=f"The survey tool: {', '.join(Tool)}.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="A new folder.")],
    url: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Address of the clips, such as https://example.org/clips."),
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="A,B,…", help="Only clips of these models.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="N,N,…", help="Only clips of these seeds.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the clips' order.")] = 0,
) -> None:
    """Write a survey about a run's clips: questions that the tool imports, blind copies of the clips, and the clip map.

    Each clip is rated on Overall quality, Text relevance, Harmony, Rhythm and Genre Fit. What the tool exports
    afterwards opens with 'survey analyze EXPORT --clips FOLDER/clips.csv'.
    """
    import sys

    from bench.cli.survey_options import names
    from bench.errors import UsageError
    from bench.survey.template import MAP, STEPS, write_template

    try:
        only = None if seeds is None else [int(part) for part in seeds.split(",")]
    except ValueError:
        raise UsageError(f"--seeds is '{seeds}'; write it like 0,1") from None
    survey = write_template(run, tool.value, out, url, names(models, "--models"), only, seed)
    print(out / STEPS)
    print(f"{len(survey.clips)} clips; {out / MAP} maps clips to models", file=sys.stderr)
    if not survey.hosted and tool not in (Tool.jspsych, Tool.webmushra):
        print(
            f"survey tools need clips on the web: publish {out / 'clips'}, and repeat the command with --url "
            "(labels stay)",
            file=sys.stderr,
        )
