"""Build a report: media, content, downloads and pages, updating an earlier one in place; or one record."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError, UsageError
from bench.paths import StrPath
from bench.progress import Progress, ProgressOption, shown
from bench.report.context import SILENT
from bench.report.output_folder import LOCK, MARKER, OutputFolder, writing
from bench.storage.store import Store
from bench.storage.unrecorded import note_unrecorded

if TYPE_CHECKING:
    from bench.report.audio_encoding import Format
    from bench.report.context import ClipMedia, ReportContext
    from bench.report.survey_results import Listeners

_FRESH = ".fresh"  # where pages are written before they replace earlier ones


def build_report(
    run: StrPath,
    out: StrPath | None = None,
    ratings: Listeners | None = None,
    doses: StrPath | None = None,
    audio: Format | None = "flac",
    workers: int | None = None,
    progress: ProgressOption = None,
) -> Path:
    """Write the report of a run as static files, and return its folder.

    The run is only read, and may still be in progress. In an earlier report, files that are still valid are kept
    and obsolete ones removed; files not written by an earlier build are not touched. After a build that was
    interrupted, the same call finishes it.

    Args:
        run: the run folder.
        out: the report's folder; by default ``report`` in the run folder.
        ratings, doses: as in `bench.report.collect.collect`.
        audio: ``flac`` (16 bits) or ``mp3``, for small pages; None plays and shows no clip, so that thousands of clips
            take seconds, and keeps files encoded by an earlier build.
        workers: number of processes; None uses every core, 0 works in this one.
        progress: receives the progress.

    Raises:
        UsageError: there is no run, or ``out`` has other files, cannot be written to, or another build is
            running in it.
        MissingError: Jinja or Pillow is not installed.
        DataError: the database is damaged, or the given ratings or doses are unusable.
    """
    require()
    run = Path(run)
    folder = Path(out) if out is not None else run / "report"
    with shown(progress) as told:
        _build(run, folder, (ratings, _path(doses)), (audio, workers), told)
    return folder


def build_reports(
    runs: Sequence[StrPath],
    out: StrPath,
    audio: Format | None = "flac",
    workers: int | None = None,
    progress: ProgressOption = None,
) -> Path:
    """Write the reports of several runs into one folder, with a page that compares them, and return the folder.

    The report of the first run is in ``runs/1``, and so on. Runs of different protocols have separate tables.

    Args:
        runs: two or more run folders; ratings and doses in them are used.
        out, audio, workers, progress: as in `build_report`.

    Raises:
        UsageError: a run is given twice; otherwise as `build_report`.
        MissingError, DataError: as `build_report`.
    """
    require()

    from bench.report.page import write_side_by_side
    from bench.report.side_by_side import side_by_side, write_record

    paths, whole = [Path(run) for run in runs], Path(out)
    if twice := [run for place, run in enumerate(paths) if run.resolve() in [one.resolve() for one in paths[:place]]]:
        raise UsageError(f"{twice[0]} is given twice; name each run once")
    folders = [f"runs/{place}" for place in range(1, len(paths) + 1)]
    with shown(progress) as told, OutputFolder.of(whole) as own:
        contents = [
            _build(run, whole / folder, (None, None), (audio, workers), told)
            for run, folder in zip(paths, folders, strict=True)
        ]
        tables = side_by_side(paths, contents, folders, told)
        with _fresh(whole) as fresh:
            write_record(tables, fresh)
            write_side_by_side(tables, fresh)
            own.replace_with(fresh)
        _remove_reports(whole / "runs", len(paths))
    return whole


def _build(
    run: Path,
    folder: Path,
    joined: tuple[Listeners | None, Path | None],
    playing: tuple[Format | None, int | None],
    progress: Progress,
) -> ReportContext:
    """Write the report of one run into a folder; ``joined`` holds ratings and doses, ``playing`` audio and workers."""
    from bench.report.collect import collect
    from bench.report.downloads import write_downloads
    from bench.report.media import prepare
    from bench.report.page import write_pages
    from bench.report.record import write_record
    from bench.report.survey_results import PREVIEW, ListeningResults

    audio, workers = playing
    with Store.read(run) as store, OutputFolder.of(folder) as own:
        note_unrecorded(store, progress)
        clips = store.made()
        media: dict[str, ClipMedia | str] = dict.fromkeys((clip.id for clip in clips), SILENT)
        if audio is not None:
            media = prepare(run, clips, folder, audio, workers, progress)
        content = collect(store, media, *joined, progress)
        with _fresh(folder) as fresh:
            write_downloads(content, store, fresh)
            write_record(content, fresh)
            write_pages(content, fresh)
            if isinstance(joined[0], ListeningResults):
                joined[0].write_preview(fresh / PREVIEW)
            own.replace_with(fresh)
    return content


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """Yield an empty folder within a report's folder, removed after the block."""
    fresh = folder / _FRESH
    with writing(folder):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        try:
            yield fresh
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


def _remove_reports(folder: Path, kept: int) -> None:
    """Remove reports of surplus runs of an earlier build; other files stay."""
    from bench.report.media import prepare

    for old in sorted(folder.iterdir()):
        if not (old.name.isdecimal() and int(old.name) > kept and (old / MARKER).is_file()):
            continue
        with OutputFolder.of(old) as own:
            prepare(old, [], old, workers=0)
            with _fresh(old) as fresh:
                own.replace_with(fresh)
        for name in ("media.jsonl", MARKER, LOCK):
            (old / name).unlink(missing_ok=True)
        for empty in (old / "audio", old / "pictures", old):
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()


def report_record(
    run: StrPath,
    ratings: Listeners | None = None,
    doses: StrPath | None = None,
    progress: ProgressOption = None,
) -> dict[str, Any]:
    """Return the content of a run's report as JSON values, without pages; needs neither Jinja nor Pillow.

    Clips have no ``media`` in it, as these are made with the pages; ``data/report.json`` of the pages has them.

    Args:
        run: the run folder, which is only read.
        ratings, doses: as in `bench.report.collect.collect`.
        progress: receives the progress.

    Returns:
        What `bench.report.record` describes.

    Raises:
        UsageError: there is no run.
        DataError: the database is damaged, or the given ratings or doses are unusable.
    """
    from bench.report.collect import collect
    from bench.report.record import as_record

    with shown(progress) as told, Store.read(Path(run)) as store:
        note_unrecorded(store, told)
        media: dict[str, ClipMedia | str] = {clip.id: SILENT for clip in store.made()}
        return as_record(collect(store, media, ratings, _path(doses), told))


def _path(given: StrPath | None) -> Path | None:
    return None if given is None else Path(given)


def require() -> None:
    """Check that the packages for pages are installed.

    Raises:
        MissingError: one is not; the message names the command to install it.
    """
    from importlib.util import find_spec

    if missing := [name for name in ("jinja2", "PIL") if find_spec(name) is None]:
        named = " and ".join({"jinja2": "Jinja", "PIL": "Pillow"}[name] for name in missing)
        raise MissingError(f"a report needs {named}: pip install 'tunebench[report]'")
