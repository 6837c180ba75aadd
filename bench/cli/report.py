"""``tunebench report``: a run as a folder of pages to read, listen to and share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class AudioFormat(StrEnum):
    """How clips are stored for browsers."""

    flac = "flac"
    mp3 = "mp3"
    none = "none"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path | None, typer.Option(help="The report's folder.  [default: RUN/report]")] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ratings of a listening survey.  [default: RUN/ratings.csv, if it is there]"),
    ] = None,
    doses: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What 'check metrics --json' printed.  [default: RUN/dose-response.json, if it is there]",
        ),
    ] = None,
    audio: Annotated[
        AudioFormat, typer.Option(help="flac is as good as it can be, mp3 is small, none is quick.")
    ] = AudioFormat.flac,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Worker processes; 0 works in this one.  [default: every core]")
    ] = None,
) -> None:
    """Write a run as a folder of static pages: tables, comparisons, and every clip side by side to listen to.

    The folder opens from disk and from any web server, and loads nothing from elsewhere. The same command brings it up
    to date, or finishes one that was stopped.
    """
    import sys

    from bench.cli.progress import shown
    from bench.report.audio_encoding import Format
    from bench.report.build import build_report
    from bench.report.size import folder_size

    kinds: dict[AudioFormat, Format] = {AudioFormat.flac: "flac", AudioFormat.mp3: "mp3"}
    with shown() as progress:
        folder = build_report(run, out, ratings, doses, kinds.get(audio), workers, progress)
    weight = folder_size(folder)
    print(folder / "index.html")
    print(f"{weight}; open it in a browser, or put the folder on any web server", file=sys.stderr)
