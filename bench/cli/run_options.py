"""Options of ``run``, some of which ``score`` has too, that select clips and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import complete

Suite = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE[,SETTING=VALUE…]",
        help="The prompts: a suite's name, a YAML file, or a file of prompts (CSV, JSON, Parquet, text), such as "
        "captions.csv,text=caption,id=ytid.",
        autocompletion=complete.suites,
    ),
]
Model = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,PARAM=VALUE…]",
        help="Run only this instead of the configured models: a row of the configuration, or a model with "
        "its parameters (as=LABEL is the row's name); may be repeated.",
        autocompletion=complete.models,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Only the first N prompts of the suite; without it, the same command makes the rest."
    ),
]
Metric = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME[,PARAM=VALUE…]",
        help="Score with this metric only, instead of those configured; may be repeated.",
        autocompletion=complete.metrics,
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change any setting, such as seeds=[0,1] or executor.timeout=60; in lists, positions count from 0, and "
        "* means all of a level; may be repeated.",
    ),
]
Part = Annotated[
    str | None,
    typer.Option(metavar="I/N", help="Make only part I of N, as in an array job; 'tunebench merge' joins the parts."),
]
Rate = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROW=SECONDS",
        help="With --dry-run: seconds per clip of a row, or of 'scoring'; may be repeated.",
    ),
]
ClipSuite = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE[,SETTING=VALUE…]",
        help="For your own clips: their suite, or a file of prompts.  [default: genres@1]",
        autocompletion=complete.suites,
    ),
]
ClipLimit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="For your own clips: only the first N prompts of the suite.")
]
ClipDuration = Annotated[
    float | None, typer.Option(help="For your own clips: longer ones are cut to this many seconds.  [default: 10]")
]
RowName = Annotated[
    list[str] | None,
    typer.Option(help="For your own clips: the row's name; of several rows, once for each.  [default: the folder's]"),
]
ImportedFile = Annotated[
    Path | None,
    typer.Option(
        "--import",
        metavar="FILE",
        help="Add scores from elsewhere to a run: CSV, JSONL or Parquet with the columns value, and file or "
        "clip or model, prompt and seed. Nothing is computed.",
    ),
]
ImportedColumn = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME[@VERSION][,PARAM=VALUE…]",
        help="With --import: the column's name, with its unit, direction (higher, lower, none), range and source, such "
        "as mos@2,direction=higher,range=[1,5],source=panel of May.",
    ),
]
