"""``tunebench leaderboard``: print a run's leaderboard, or write it to a file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class LeaderboardFormat(StrEnum):
    """How the leaderboard is written."""

    table = "table"
    csv = "csv"
    json = "json"
    markdown = "markdown"
    parquet = "parquet"
    latex = "latex"


class GroupBy(StrEnum):
    """What rows can be split by."""

    genre = "genre"
    level = "level"


def command(
    folder: Annotated[Path, typer.Argument(help="A run folder.")],
    by: Annotated[GroupBy | None, typer.Option(help="Add rows for each genre or level of the prompts.")] = None,
    style: Annotated[LeaderboardFormat, typer.Option("--format", help="Output format.")] = LeaderboardFormat.table,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Append what papers report, which is not comparable.")
    ] = False,
    plugin_files: Annotated[
        bool,
        typer.Option("--plugin-files", help="Run plugin files that the run's configuration names for distances."),
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
) -> None:
    """Print the leaderboard: means over prompts with 95 % intervals, how many clips count, chance, ceiling and ranks.

    Ranks come from tests of every pair of models; 'run' and 'score' make and store those of distances.
    """
    from bench.cli.progress import shown
    from bench.errors import UsageError
    from bench.leaderboard.render import read_board, refuse_unscored, rendered

    if as_json:
        style = LeaderboardFormat.json
    with shown() as progress:
        grouping = by.value if by else None
        board = read_board(folder, grouping, progress, plugin_files)
    refuse_unscored(folder, board)
    content = rendered(board, style.value, grouping, with_published)
    if output is None:
        if isinstance(content, bytes):
            raise UsageError("parquet is not for the terminal; name a file with --output")
        print(content)
        return
    try:
        output.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}") from error
