"""``tunebench board``: a leaderboard of many bundles as static pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.run import Workers

_MOST = 40  # lines


def command(
    bundles: Annotated[list[Path], typer.Argument(help="Files of 'tunebench export bundle', or folders of them.")],
    out: Annotated[Path, typer.Option(help="The folder of the pages: new, empty, or an earlier board.")],
    title: Annotated[str, typer.Option(help="Heading of the pages.")] = "Leaderboard",
    audio: Annotated[bool, typer.Option("--audio", help="Put the clips beside the pages, to listen to.")] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Relative deviation up to which two numbers agree.")
    ] = 1e-6,
    trust_weights: Annotated[
        bool, typer.Option("--trust-weights", help="Read weights from the files or hub that bundles name.")
    ] = False,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the content of the pages as JSON.")] = False,
) -> None:
    """Verify bundles and write their leaderboard as static pages, a table for each protocol.

    Bundles that were verified before are not verified again. One that fails is left out and named, with what
    differs. Any web server can show the folder; nothing is loaded from elsewhere.

    Exit code 0: all bundles are shown; 4: some are refused; 5: all are, and no page is written.
    """
    import json
    import sys

    from bench.bundle.accept import VerifyOptions
    from bench.bundle.board import build_board
    from bench.cli.interrupt import all_or_nothing
    from bench.cli.progress import shown
    from bench.errors import FailuresRecorded
    from bench.number_format import counted
    from bench.printable import printable_line

    kept = "verified bundles are remembered, and the same command resumes"
    with shown() as progress, all_or_nothing(kept):
        built = build_board(bundles, out, title, audio, VerifyOptions(tolerance, trust_weights, workers), progress)
    print(json.dumps(built.record, indent=2, ensure_ascii=False, allow_nan=False) if as_json else built.index)
    for line in built.notes[:_MOST]:
        print(printable_line(line), file=sys.stderr)
    if (more := len(built.notes) - _MOST) > 0:
        print(f"… and {more} more", file=sys.stderr)
    if refused := len(built.record["refused"]):
        of = refused + len(built.record["bundles"])
        raise FailuresRecorded(f"{refused} of {counted(of, 'bundle')} refused; {built.index} says why")
