"""``tunebench report``: a run as a folder of pages to read, listen to and share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.run import Workers

if TYPE_CHECKING:
    from bench.report.survey_results import ListeningResults


class AudioFormat(StrEnum):
    """Audio formats for browsers."""

    flac = "flac"
    mp3 = "mp3"
    none = "none"


def command(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="A run folder, or several to compare.")],
    out: Annotated[
        Path | None, typer.Option(help="The report's folder; required for several runs.  [default: RUN/report]")
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Ratings of a listening survey, or a listening test.  [default: RUN/ratings.csv, if it is there]",
        ),
    ] = None,
    doses: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What 'check metrics --json' printed.  [default: RUN/dose-response.json, if it is there]",
        ),
    ] = None,
    audio: Annotated[
        AudioFormat, typer.Option(help="flac is lossless, mp3 is small, none is fast.")
    ] = AudioFormat.flac,
    workers: Workers = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the content of a run's pages as JSON, and write no pages.")
    ] = False,
) -> None:
    """Write a run as a folder of static pages: findings, tables, comparisons, and every clip to listen to.

    The folder opens from disk and from any web server, and loads nothing from elsewhere. The same command brings it up
    to date, or finishes one that was stopped. Of several runs, those of one protocol share a table and are compared.
    """
    import sys

    from bench.cli.progress import shown
    from bench.listening_test.folder import is_test
    from bench.report.audio_encoding import Format
    from bench.report.build import build_report, build_reports, report_record
    from bench.report.size import measure_report

    listeners = _listening_test(ratings) if ratings is not None and is_test(ratings) else ratings
    kinds: dict[AudioFormat, Format] = {AudioFormat.flac: "flac", AudioFormat.mp3: "mp3"}
    several = len(runs) > 1
    _refuse_mixed(several, as_json, out, bool(ratings or doses))
    with shown() as progress:
        if as_json:
            import json

            record = report_record(runs[0], listeners, doses, progress)
            print(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False))
            return
        if several and out is not None:
            folder = build_reports(runs, out, kinds.get(audio), workers, progress)
        else:
            folder = build_report(runs[0], out, listeners, doses, kinds.get(audio), workers, progress)
    weight = measure_report(folder)
    print(folder / "index.html")
    print(f"{weight}; open it in a browser, or put the folder on any web server", file=sys.stderr)


def _listening_test(folder: Path) -> ListeningResults:
    """Return the results of a listening test, with a preview of its pages."""
    from functools import partial

    from bench.listening_test.design import read_design
    from bench.listening_test.read_test import read_listening_test
    from bench.listening_test.static_pages import write_preview
    from bench.report.survey_results import ListeningResults

    test = read_design(folder).test
    answers = read_listening_test(folder)
    return ListeningResults(test.wording.title, answers, test.confidence, test.margin, partial(write_preview, folder))


def _refuse_mixed(several: bool, as_json: bool, out: Path | None, joined: bool) -> None:
    """Refuse options that do not go together."""
    from bench.errors import UsageError

    if several and joined:
        raise UsageError("--ratings and --doses are for one run; put ratings.csv and dose-response.json into each run")
    if several and as_json:
        raise UsageError("--json takes a single run; the report of several has data/report.json")
    if as_json and out:
        raise UsageError("--json writes no pages; leave out --out, or take data/report.json from the report")
    if several and out is None:
        raise UsageError("a report of several runs needs --out")
