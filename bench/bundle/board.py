"""A leaderboard of many bundles as static pages: verified bundles, with a table for each protocol."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bundle.accept import OTHER, Accepted, Decided, Refused, VerifyOptions, decide, find_bundles
from bench.bundle.board_pages import board_record, write_board
from bench.bundle.board_rows import ProtocolTable, tables
from bench.errors import DataError, MissingError
from bench.file_hash import hash_bytes_of
from bench.number_format import counted
from bench.paths import StrPath
from bench.progress import ProgressOption, shown
from bench.report.output_folder import OutputFolder, writing

KIND = "board"
"""Of the pages: what a folder of them is listed in is called after it."""

_FRESH = ".fresh"  # where pages are written before they replace earlier ones
_BLOCK = 1 << 20


@dataclass(frozen=True)
class BuiltBoard:
    """The result of a build.

    Attributes:
        index: the first page.
        record: the content of the pages, as in ``data/leaderboard.json``: ``protocols`` with their rows, ``bundles``,
            and ``refused`` ones with their problems.
        notes: outcomes of the bundles, one line each.
    """

    index: Path
    record: Mapping[str, Any]
    notes: tuple[str, ...]


def build_board(
    bundles: Sequence[StrPath],
    out: StrPath,
    title: str = "Leaderboard",
    audio: bool = False,
    options: VerifyOptions | None = None,
    progress: ProgressOption = None,
) -> BuiltBoard:
    """Verify bundles and write their leaderboard as a folder of static files, which any web server can show.

    Bundles already verified by this version are not verified again. One that fails is left out, and the
    page says why. In an earlier board, files that it did not write are not touched. The same
    bundles give the same bytes.

    Args:
        bundles: files, or folders of ``.zip`` files.
        out: the folder of the pages.
        title: title of the board.
        audio: include the clips, with pages that play them.
        options: options of verification.
        progress: receives the progress.

    Raises:
        UsageError: a bundle does not exist, or ``out`` has other content or cannot be written to.
        MissingError: Jinja is not installed.
        DataError: no bundle is verified; then no page is written.
    """
    decided, found = build_pages(bundles, out, title, audio, options, progress)
    record = board_record(title, found, decided.accepted, decided.refused)
    return BuiltBoard(Path(out) / "index.html", record, tuple(_notes(decided, found)))


def build_pages(
    bundles: Sequence[StrPath],
    out: StrPath,
    title: str = "Leaderboard",
    audio: bool = False,
    options: VerifyOptions | None = None,
    progress: ProgressOption = None,
) -> tuple[Decided, list[ProtocolTable]]:
    """Build the board as `build_board`, and return the data of its pages: the bundles by outcome, and a table a
    protocol.

    Arguments and errors are those of `build_board`.
    """
    from importlib.util import find_spec

    if find_spec("jinja2") is None:
        raise MissingError("a board needs Jinja: pip install 'tunebench[report]'")
    out, files = Path(out), find_bundles(map(Path, bundles))
    with (
        shown(progress) as progress,
        tempfile.TemporaryDirectory(prefix="tunebench-board-") as scratch,
        OutputFolder.of(out, KIND) as own,
    ):
        decided = decide(files, Path(scratch), options, progress)
        if not decided.accepted:
            raise DataError(_none_holds(decided.refused))
        found = tables(decided.accepted, progress)
        with writing(out):
            fresh = out / _FRESH
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            try:
                played = _copy_audio(found, fresh) if audio else {}
                write_board(title, found, decided.accepted, decided.refused, fresh, played)
                own.replace_with(fresh)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return decided, found


def _notes(decided: Decided, found: Sequence[ProtocolTable]) -> Iterator[str]:
    """Yield the outcomes of the bundles."""
    recalled = sum(one.recalled for one in decided.accepted)
    rows = sum(len(table.rows) for table in found)
    before = f", {recalled} of them before" if recalled else ""
    yield (
        f"{counted(len(decided.accepted), 'bundle')} verified{before}: {counted(rows, 'row')} under "
        f"{counted(len(found), 'protocol')}"
    )
    yield from (f"{file} is the same as {first}" for file, first in decided.repeated.items())
    for one in decided.accepted:
        yield from (f"{one.file}: not computed here: {metric}: {why}" for metric, why in one.found.unchecked.items())
    for refused in decided.refused:
        said = [*(f"differs: {deviation.text}" for deviation in refused.deviations), *refused.reasons]
        more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
        yield f"refused: {refused.file}: {said[0]}{more}"


def _none_holds(refused: Sequence[Refused]) -> str:
    first = refused[0]
    said = first.reasons[0] if first.reasons else f"differs: {first.deviations[0].text}"
    more = f"; and {len(refused) - 1} more bundles" if len(refused) > 1 else ""
    return f"{first.file}: {said}{more}: no bundle was verified, so there is no board"


def _copy_audio(found: Sequence[ProtocolTable], out: Path) -> dict[str, str]:
    """Write the clips of all rows, each sound once; by content its file."""
    (out / "audio").mkdir()
    wanted: dict[str, dict[str, str]] = {}
    bundles: dict[str, Accepted] = {}
    for table in found:
        for row in table.rows:
            bundle = row.bundles[0]
            bundles[bundle.sha256] = bundle
            for clip in row.clips:
                wanted.setdefault(bundle.sha256, {}).setdefault(clip.content, clip.path)
    played: dict[str, str] = {}
    for sha256, clips in wanted.items():
        file = bundles[sha256].file
        try:
            with zipfile.ZipFile(file) as archive:
                for content, path in clips.items():
                    if content not in played:
                        played[content] = f"audio/{content[:32]}.flac"
                        with archive.open(path) as source, (out / played[content]).open("wb") as target:
                            shutil.copyfileobj(source, target, _BLOCK)
        except (zipfile.BadZipFile, KeyError, zlib.error, EOFError):
            raise DataError(f"{file}: {OTHER}") from None
        if hash_bytes_of(file) != sha256:
            raise DataError(f"{file}: {OTHER}")
    return played
