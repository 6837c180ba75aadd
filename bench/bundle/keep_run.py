"""What stays of a bundle that was verified: a run without audio, from which tables and tests are made."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.storage.database import open_database
from bench.storage.digests import write_digests
from bench.storage.layout import DATABASE


def keep_run(packed: Path, computed: Path, folder: Path) -> None:
    """Move the packed rows and references into a new folder, and copy the embeddings that were computed of them.

    Numbers stay those of the bundle, so that everybody's tables of it are the same. Its configuration is left behind:
    it may name any place of this machine to look for references at.

    Args:
        packed: the unpacked bundle, its database rebuilt by `bench.bundle.sanitize.rebuild`.
        computed: the run of the same clips that was scored here, with the references.
        folder: where it goes.
    """
    # Temporary folders may lie on another disk.
    folder.mkdir(parents=True, exist_ok=True)
    shutil.move(packed / DATABASE, folder / DATABASE)
    if (computed / "references").exists():
        shutil.move(computed / "references", folder / "references")
    database = open_database(folder)
    try:
        database.execute("ATTACH ? AS computed", (str(computed / DATABASE),))
        database.execute("BEGIN")
        for table in ("embeddings", "set_tests"):
            database.execute(f"INSERT INTO {table} SELECT * FROM computed.{table}")
        write_digests(database)
        database.execute("COMMIT")
        database.execute("DETACH computed")
        database.execute("PRAGMA journal_mode = DELETE")
    finally:
        database.close()
