"""``tunebench check memorisation``: do tuned models play back what they were trained on?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.cli.run import Workers


def command(
    run: Annotated[Path, typer.Argument(help="A run folder with clips of the base and of what was tuned.")],
    data: Annotated[
        str, typer.Option(help="The training data: the training's configuration, a folder, a manifest, or composer.")
    ],
    adapter_card: Annotated[
        Path | None,
        typer.Option(help="Folder whose card.json lists the training data.  [default: each row's own]"),
    ] = None,
    embedder: Annotated[str, typer.Option(help="Embedder used for similarity.")] = "musicnn-msd",
    model: Annotated[list[str] | None, typer.Option(help="Only this row, and its base; may be repeated.")] = None,
    base: Annotated[
        str | None, typer.Option(help="The row that others are compared with.  [default: that of their checkpoint]")
    ] = None,
    pairs: Annotated[int, typer.Option(min=0, help="How many suspicious clips of each row to list.")] = 5,
    workers: Workers = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Compare how near clips lie to the recordings a model was trained on and to those that were held out.

    The card beside each row's adapter says which recordings were held out; without a card, the split in the training's
    configuration does.
    Embeddings are kept in the user's cache folder.
    """
    import json

    from bench.cli.memorisation_table import table
    from bench.cli.output import page_layout
    from bench.cli.progress import shown
    from models.training.memorisation import AuditRequest, audit_memorisation

    request = AuditRequest(run, data, adapter_card, embedder, model or (), base, pairs, workers)
    with shown() as progress:
        found = audit_memorisation(request, progress)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join(table(division, page_layout()) for division in found))
