"""Detect audio of clips that are not made according to the database, for readers of a run."""

from __future__ import annotations

from bench.progress import Progress
from bench.run_lock import is_held
from bench.storage.store import Store

_LOOKS = 100
"""Clips whose files are looked for: those that are made next, which are the first that a lost log leaves out."""


def note_unrecorded(store: Store, progress: Progress | None) -> None:
    """Say it if rows of clips are lost, as far as a quick look tells; `tunebench check run` tells of all.

    Nothing is said while a driver is at work, whose files are there a moment before their rows.
    """
    rows = store.rows(
        "SELECT path FROM clips WHERE content IS NULL AND state != 'replaced' ORDER BY rowid LIMIT ?", (_LOOKS,)
    )
    found = next((path for (path,) in rows if (store.folder / path).is_file()), None)
    if progress is not None and found is not None and not is_held(store.folder):
        progress.note(
            f"{store.folder}/run.db has no record of {found} and perhaps of other clips: a run was killed, or "
            "run.db-wal was lost; they are not shown here; repeat the command that made the run to recover them"
        )
