"""Store a verified bundle as a run without audio, for tables and tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.storage.database import open_database
from bench.storage.digests import write_digests
from bench.storage.layout import DATABASE


def keep_run(packed: Path, computed: Path, folder: Path) -> None:
    """Move the packed rows and references into a new folder, and copy the computed embeddings.

    Numbers stay those of the bundle, so that all tables of it are the same. Its configuration is omitted:
    it may name any path on this machine as a reference.

    Args:
        packed: the unpacked bundle, its database rebuilt by `bench.bundle.sanitize.rebuild`.
        computed: the run of the same clips that was scored here, with the references.
        folder: the target folder.
    """
    # Temporary folders may be on another disk.
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
