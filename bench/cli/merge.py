"""``tunebench merge``: join the shards of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.run import AsJson, PluginFiles


def command(
    folder: Annotated[Path, typer.Argument(help="The --out folder of the 'tunebench run --shard' commands.")],
    plugin_files: PluginFiles = False,
    as_json: AsJson = False,
) -> None:
    """Join what the shards of a run have made and scored, then print the leaderboard.

    Repeat it as more shards finish. Missing shards are named; their clips stay planned.
    """
    import sys

    from bench.cli.progress import shown
    from bench.cli.run import conclude
    from bench.errors import FailuresRecorded
    from bench.pipeline.merge_shards import merge

    with shown() as progress:
        merged = merge(folder, progress, plugin_files)
    for line in merged.lacking:
        print(line, file=sys.stderr)
    conclude(merged.run, as_json, plugin_files)
    if merged.lacking:
        more = f" (and {len(merged.lacking) - 1} more)" if len(merged.lacking) > 1 else ""
        raise FailuresRecorded(
            f"{merged.lacking[0]}{more}; run it with 'tunebench run CONFIG --out {folder} --shard I/N' and "
            f"merge again, or make the rest with 'tunebench run CONFIG --out {folder}'"
        )
