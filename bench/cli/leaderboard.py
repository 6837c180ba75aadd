"""``tunebench leaderboard``: print a run's leaderboard, or write it to a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bench.cli.output import AsJson, Output


class LeaderboardFormat(StrEnum):
    """Formats of the leaderboard."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"
    parquet = "parquet"
    latex = "latex"


class GroupBy(StrEnum):
    """Properties of prompts that rows can be split by."""

    genre = "genre"
    level = "level"


def command(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    by: Annotated[GroupBy | None, typer.Option(help="Add rows for each genre or level of the prompts.")] = None,
    style: Annotated[
        LeaderboardFormat | None, typer.Option("--format", help="Output format.  [default: table, or FILE's]")
    ] = None,
    as_json: AsJson = False,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Append figures that papers report; they are not comparable.")
    ] = False,
    plugin_files: Annotated[
        bool,
        typer.Option("--plugin-files", help="Run plugin files that the run's configuration names for distances."),
    ] = False,
    output: Output = None,
) -> None:
    """Print the leaderboard: means over prompts with 95 % intervals, how many clips count, chance, ceiling and ranks.

    Ranks come from tests of every pair of models; 'run' and 'score' make and store those of distances.
    """
    from bench.cli.output import emit, page_layout, style_of
    from bench.cli.progress import shown
    from bench.leaderboard.render import read_board, refuse_unscored, rendered

    written = style_of(style, as_json, output, LeaderboardFormat)
    grouping = by.value if by else None
    with shown() as progress:
        board = read_board(folder, grouping, progress, plugin_files)
    refuse_unscored(folder, board)
    emit(rendered(board, written.value, grouping, with_published, page_layout(output)), written.value, output)
