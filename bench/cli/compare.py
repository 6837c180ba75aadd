"""``tunebench compare``: two rows, paired by prompt."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.leaderboard import GroupBy
from bench.cli.output import AsJson, Output

if TYPE_CHECKING:
    from bench.comparison.compare import ComparisonOptions
    from bench.comparison.tables import Style
    from bench.progress import Progress
    from bench.text_table import Layout


class ComparisonFormat(StrEnum):
    """How a comparison is written."""

    table = "table"
    markdown = "markdown"
    json = "json"
    csv = "csv"


def command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    a: Annotated[str, typer.Argument(help="The row of the run that B is compared with.")],
    b: Annotated[
        str,
        typer.Argument(
            help="Another row of it, or of the --with run; or a pattern for several trainings, as in 'lora-*'."
        ),
    ],
    with_run: Annotated[
        Path | None, typer.Option("--with", metavar="RUN2", help="The run folder that B is in.")
    ] = None,
    by: Annotated[GroupBy | None, typer.Option(help="Add rows for each genre or level of the prompts.")] = None,
    mark: Annotated[
        bool, typer.Option("--mark", help="Compare clips of different durations, and mark every row.")
    ] = False,
    rephrased: Annotated[
        bool,
        typer.Option("--rephrased", help="With --with: pair prompts by id even if their texts differ, and mark it."),
    ] = False,
    reference: Annotated[
        str | None,
        typer.Option(help="Reference of the distances: a name, a reference file, or a folder of reference files."),
    ] = None,
    plugin_files: Annotated[
        bool,
        typer.Option("--plugin-files", help="Run plugin files that the run's configuration names for distances."),
    ] = False,
    style: Annotated[
        ComparisonFormat | None, typer.Option("--format", help="Output format.  [default: table, or FILE's]")
    ] = None,
    as_json: AsJson = False,
    output: Output = None,
) -> None:
    """Compare two rows on every metric: the difference B − A with its interval, a test, and its sensitivity.

    Tests of distances that are not stored in the run take a while the first time; results are kept in the user's
    cache folder. With a pattern for B, A is compared with all trainings at once, and the interval holds for other
    trainings and other prompts.
    """
    from bench.cli.output import emit, page_layout, style_of
    from bench.cli.progress import shown
    from bench.comparison.compare import ComparisonOptions

    written = style_of(style, as_json, output, ComparisonFormat)
    options = ComparisonOptions(by.value if by else None, reference, mark, plugin_files, rephrased)
    laid_out = page_layout(output)  # computed here, since stdout is replaced while progress is shown
    with shown() as progress:
        content = comparison(run, a, b, with_run, options, written.value, progress, laid_out)
    emit(content, written.value, output)


def comparison(
    run: Path,
    a: str,
    b: str,
    other: Path | None = None,
    options: ComparisonOptions | None = None,
    style: Style = "table",
    progress: Progress | None = None,
    layout: Layout | None = None,
) -> str:
    """Compare two rows, or a row with several trainings, and return the result as text.

    See `bench.comparison.compare.compare` and `bench.comparison.trainings.compare_trainings`.

    Raises:
        UsageError, DataError: as there.
    """
    from bench.comparison import training_tables
    from bench.comparison.compare import compare_rows, opened
    from bench.comparison.tables import render
    from bench.comparison.trainings import compare_trainings, is_pattern
    from bench.errors import UsageError
    from bench.scores.protocol import protocol_of
    from bench.storage.unrecorded import note_unrecorded

    if is_pattern(b):
        if other is not None or (options and (options.mark or options.rephrased)):
            raise UsageError(f"'{b}' is a pattern for trainings of one run; leave out --with, --mark and --rephrased")
        return training_tables.render(compare_trainings(run, a, b, options, progress), style, layout)
    with opened(run, other) as runs:
        for one in dict.fromkeys(runs):
            note_unrecorded(one.store, progress)
        found = compare_rows(runs, a, b, options, progress)
        return render(found, (protocol_of(runs[0].store), protocol_of(runs[1].store)), style, layout)
