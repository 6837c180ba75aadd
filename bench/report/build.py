"""Building a report: media, content, downloads and pages, in place over an earlier one; or as one record."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError
from bench.progress import Progress, Silent
from bench.report.context import SILENT
from bench.report.output_folder import OutputFolder, writing
from bench.storage.store import Store
from bench.storage.unrecorded import note_unrecorded

if TYPE_CHECKING:
    from bench.report.audio_encoding import Format
    from bench.report.context import ClipMedia

_FRESH = ".fresh"  # where pages are written before they take the place of the earlier ones


def build_report(
    run: Path,
    out: Path | None = None,
    ratings: Path | None = None,
    doses: Path | None = None,
    audio: Format | None = "flac",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the report of a run as a folder of static files, and return that folder.

    The run is only read, and a driver may be at work in it. Built over an earlier report, what is still right is kept
    and what is gone is removed; nothing that was not written by an earlier build is touched. After a build that was
    stopped half way, the same call finishes it.

    Args:
        run: the run folder.
        out: the report's folder; by default ``report`` in the run folder.
        ratings, doses: as in `bench.report.collect.collect`.
        audio: ``flac`` (16 bits) or ``mp3``, for small pages; None plays and shows no clip, so that thousands of clips
            take seconds, and leaves alone what an earlier build has encoded.
        workers: processes; None takes every core, 0 works in this one.
        progress: shows how far it is.

    Raises:
        UsageError: there is no run, or ``out`` is not empty and no report, cannot be written to, or another build is
            at work in it.
        MissingError: Jinja or Pillow is not installed.
        DataError: the database is damaged, or ratings or doses that were named cannot be used.
    """
    require()

    from bench.report.collect import collect
    from bench.report.downloads import write_downloads
    from bench.report.media import prepare
    from bench.report.page import write_pages
    from bench.report.record import write_record

    progress = progress or Silent()
    folder = out if out is not None else run / "report"
    with Store.read(run) as store, OutputFolder.of(folder) as own:
        note_unrecorded(store, progress)
        clips = store.made()
        media: dict[str, ClipMedia | str] = dict.fromkeys((clip.id for clip in clips), SILENT)
        if audio is not None:
            media = prepare(run, clips, folder, audio, workers, progress)
        content = collect(store, media, ratings, doses, progress)
        fresh = folder / _FRESH
        with writing(folder):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                write_downloads(content, store, fresh)
                write_record(content, fresh)
                write_pages(content, fresh)
                own.replace_with(fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return folder


def report_record(
    run: Path, ratings: Path | None = None, doses: Path | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Everything that the report of a run says as JSON values, and no pages; needs neither Jinja nor Pillow.

    Clips have no ``media`` in it: those are made with the pages, whose ``data/report.json`` names them.

    Args:
        run: the run folder, which is only read.
        ratings, doses: as in `bench.report.collect.collect`.
        progress: shows how far it is.

    Returns:
        What `bench.report.record` describes.

    Raises:
        UsageError: there is no run.
        DataError: the database is damaged, or ratings or doses that were named cannot be used.
    """
    from bench.report.collect import collect
    from bench.report.record import as_record

    progress = progress or Silent()
    with Store.read(run) as store:
        note_unrecorded(store, progress)
        media: dict[str, ClipMedia | str] = {clip.id: SILENT for clip in store.made()}
        return as_record(collect(store, media, ratings, doses, progress))


def require() -> None:
    """Check that what pages are made with is installed.

    Raises:
        MissingError: it is not; the message names the command that helps.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("jinja2", "PIL") if find_spec(name) is None]:
        named = " and ".join({"jinja2": "Jinja", "PIL": "Pillow"}[name] for name in missing)
        raise MissingError(f"a report needs {named}: pip install 'tunebench[report]'")
