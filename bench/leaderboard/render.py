"""The leaderboard: a row per model, a column per metric, uncertainty of numbers, and supported places."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.contracts.clip_view import view_text
from bench.contracts.notice import Notice
from bench.errors import UsageError
from bench.leaderboard.family_orders import disputed, family_orders, order_lines
from bench.leaderboard.grid import footnotes, grid, legend
from bench.leaderboard.published_beside import published_beside, records_beside
from bench.leaderboard.rank_table import RANK_HEADER, place_rows, rank_notes, ranks_mean
from bench.leaderboard.ranks import RankRange, ranks
from bench.scores.aggregate import Cell, Grouping, parse_grouping, refuse_ungrouped, summarise
from bench.scores.clip_scores import ClipScores
from bench.scores.protocol import Protocol, protocol_of
from bench.spreadsheet import as_csv
from bench.storage.store import Store
from bench.storage.unrecorded import note_unrecorded
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table

if TYPE_CHECKING:
    import pandas as pd

    from bench.comparison.result import Comparison
    from bench.progress import Progress

Format = Literal["table", "csv", "json", "markdown", "parquet", "latex"]

COLUMNS = (
    *("model", "metric", "group", "value", "low", "high", "n", "planned", "unit", "direction", "chance", "known"),
    *("note", "reference", "view", "warnings", "warning_codes", "families", "rank_best", "rank_worst", "tied"),
    *("disputed", "protocol"),
)


@dataclass(frozen=True)
class Board:
    """The content of a leaderboard. ``ranks`` are by (model, metric), over all prompts; ``tested`` are their pairs."""

    cells: list[Cell]
    ranks: Mapping[tuple[str, str], RankRange]
    protocol: Protocol
    tested: Sequence[Comparison] = field(default=())

    @cached_property
    def orders(self) -> list[Notice]:
        """Warnings about families that order two models oppositely."""
        return family_orders(self.cells, self.tested)

    @property
    def prompts(self) -> int:
        """The number of prompts."""
        return len(self.protocol.content["prompts"])

    def records(self) -> list[dict[str, Any]]:
        """Return the records of the board, see the function `records`."""
        return records(self.cells, self.ranks, self.protocol, disputed(self.orders))


def read_board(
    folder: Path, by: str | None = None, progress: Progress | None = None, plugin_files: bool = False
) -> Board:
    """Return a run's leaderboard; the arguments are those of `board_of`, for a folder.

    Raises:
        UsageError: as `board_of`, or the folder is not a run.
        DataError: the run is damaged.
    """
    with Store.read(folder) as store:
        return board_of(store, by, progress, plugin_files)


def board_of(
    store: Store, by: str | None = None, progress: Progress | None = None, plugin_files: bool = False
) -> Board:
    """Return a run's leaderboard. Every pair of models is tested for the ranks.

    Args:
        store: the run.
        by: adds cells for each ``genre`` or ``level``.
        progress: receives the progress of tests of set metrics that the run does not have yet.
        plugin_files: whether tests of plugin files' set metrics are run.

    Raises:
        UsageError: ``by`` is neither ``genre`` nor ``level``, or no prompt has that property.
    """
    from bench.comparison.compare import compare_all

    grouping = parse_grouping(by)
    note_unrecorded(store, progress)
    refuse_ungrouped(store.prompts().values(), by)
    scores = ClipScores(store)
    cells = _cells(store, grouping, scores)
    pairs = list(combinations(dict.fromkeys(cell.model for cell in cells), 2))
    tested = compare_all(store, pairs, progress=progress, chance=False, plugin_files=plugin_files, scores=scores)
    return Board(cells, ranks(cells, tested), protocol_of(store), tested)


def read_cells(folder: Path, by: str | None = None) -> list[Cell]:
    """Return all cells of a run's leaderboard, those of the whole suite first; ``by`` adds those of groups.

    Raises:
        UsageError: the folder is not a run, or ``by`` is neither ``genre`` nor ``level``.
        DataError: the run is damaged.
    """
    with Store.read(folder) as store:
        return cells_of(store, by)


def cells_of(store: Store, by: str | None = None) -> list[Cell]:
    """Return the cells of an open store, see `read_cells`."""
    return _cells(store, parse_grouping(by))


def records(
    cells: Sequence[Cell],
    ranks: Mapping[tuple[str, str], RankRange] | None = None,
    protocol: Protocol | None = None,
    disputes: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Return one flat record per cell.

    ``low`` and ``high`` are the 95 % interval or None; ``n`` counts the clips with a value, ``planned`` those that
    should have one; ``chance`` is the score of music without structure, ``known`` the score on the
    true notes, if known; ``note`` says why a value or an interval is missing.
    ``reference`` and ``view`` are the reference of a distance and the part of the clips that it uses. ``warnings`` are
    sentences for people and ``warning_codes``, in the same order, codes for programs. ``families`` are those that the
    metric is derived from, empty if unknown. ``rank_best`` to ``rank_worst`` are the places consistent with the
    tests, ``tied`` the models that do not differ significantly from this one: over all prompts, if the
    metric has a direction and the model a value and a test; otherwise None. So are ``disputed``, the models that
    this one beats by one family of metrics and loses to by another. ``protocol`` is what another run must share for
    its numbers to be comparable.

    Args:
        cells: the leaderboard.
        ranks: by (model, metric).
        protocol: the run's.
        disputes: by model, from `bench.leaderboard.family_orders.disputed`.
    """
    found = []
    for cell in cells:
        rank = (ranks or {}).get((cell.model, cell.column.ref)) if cell.group == "all" else None
        found.append(
            {
                "model": cell.model,
                "metric": cell.column.ref,
                "group": cell.group,
                "value": cell.estimate.value,
                "low": cell.estimate.low,
                "high": cell.estimate.high,
                "n": cell.estimate.n,
                "planned": cell.planned,
                "unit": cell.column.unit,
                "direction": cell.column.direction,
                "chance": cell.chance,
                "known": cell.known,
                "note": cell.estimate.reason,
                "reference": cell.column.reference or None,
                "view": view_text(cell.column.view) or None,
                "warnings": [warning.sentence for warning in cell.estimate.warnings],
                "warning_codes": [warning.code for warning in cell.estimate.warnings],
                "families": list(cell.column.families),
                "rank_best": rank.best if rank else None,
                "rank_worst": rank.worst if rank else None,
                "tied": list(rank.tied) if rank else None,
                "disputed": list((disputes or {}).get(cell.model, ())) if rank else None,
                "protocol": protocol.id if protocol else None,
            }
        )
    return found


def leaderboard(folder: Path, by: str | None = None) -> pd.DataFrame:
    """Return the leaderboard as a DataFrame with the columns of `records`; lists are joined with ``; ``.

    Raises:
        UsageError, DataError: as `read_board`.
    """
    return board_frame(read_board(folder, by))


def render(
    folder: Path,
    style: Format = "table",
    by: str | None = None,
    with_published: bool = False,
    progress: Progress | None = None,
    plugin_files: bool = False,
) -> str | bytes:
    """Return the leaderboard as text, or as bytes for ``parquet``.

    Args:
        folder: a run.
        style: output format.
        by: add rows for each ``genre`` or ``level``.
        with_published: append figures of papers, apart from the measured rows.
        progress, plugin_files: as for `read_board`.

    Raises:
        UsageError: as `read_board`, or a style that cannot keep published figures apart.
        DataError: as `read_board`.
    """
    return rendered(read_board(folder, by, progress, plugin_files), style, by, with_published)


def refuse_unscored(folder: Path, board: Board) -> None:
    """Raise if a leaderboard would have no rows.

    Raises:
        UsageError: the run has no scores; the message says how to make some.
    """
    if not board.cells:
        raise UsageError(unscored(folder))


def unscored(folder: Path) -> str:
    """Return the message for a run without scores."""
    return (
        f"{folder} has no scores to show; 'tunebench score {folder}' computes those of its configuration, "
        "--metric NAME computes others"
    )


def rendered(
    board: Board,
    style: Format = "table",
    by: str | None = None,
    with_published: bool = False,
    layout: Layout | None = None,
) -> str | bytes:
    """Return a board as `render` does; ``by`` is what it was read with, and ``layout`` is that of a table.

    Raises:
        UsageError: a style that cannot keep published figures apart.
    """
    if with_published and style not in ("table", "markdown", "json"):
        raise UsageError(
            f"{style} would mix published figures with measured rows; use table, markdown or json with them"
        )
    if style == "json":
        found = board.records()
        if with_published:
            found = [{**record, "published": False} for record in found] + records_beside(board.cells, board.prompts)
        return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    if style == "csv":
        return as_csv(board_frame(board), "\n").decode().rstrip("\n")
    if style == "parquet":
        buffer = io.BytesIO()
        board_frame(board).to_parquet(buffer, index=False)
        return buffer.getvalue()
    if style == "latex":
        from bench.leaderboard.latex import latex_table

        return latex_table(board.cells, board.ranks, board.protocol, by)
    if style == "markdown":
        return _markdown(board, by, with_published)
    return _page(board, by, with_published, layout or Layout())


def _cells(store: Store, grouping: Grouping | None, scores: ClipScores | None = None) -> list[Cell]:
    return sorted(summarise(store, grouping, scores), key=lambda cell: (cell.group != "all", cell.group))


def _page(board: Board, by: str | None, with_published: bool, layout: Layout) -> str:
    """Return the tables and their notes as text."""
    header, rows = grid(board.cells, by)
    said = [*legend(board.cells), *footnotes(board.cells, by)]
    parts = ["\n".join([text_table(header, rows, 2 if by else 1, layout), "", *(paragraph(s, layout) for s in said)])]
    places, notes = _places(board)
    if places or notes:
        table = [text_table(RANK_HEADER, places, 2, layout), ""] if places else []
        parts.append("\n".join([*table, *(paragraph(note, layout) for note in notes)]))
    parts.append(paragraph(board.protocol.line, layout))
    if with_published:
        parts.append(published_beside(board.cells, board.prompts, False, layout))
    return "\n\n".join(parts)


def _markdown(board: Board, by: str | None, with_published: bool) -> str:
    """Return the content of `_page` as Markdown."""
    header, rows = grid(board.cells, by)
    said = [*legend(board.cells), *footnotes(board.cells, by)]
    places, notes = _places(board)
    table = [markdown_table(RANK_HEADER, places, 2)] if places else []
    parts = [markdown_table(header, rows, 2 if by else 1), *map(markdown_text, said)]
    parts += [*table, *map(markdown_text, notes), board.protocol.line]
    if with_published:
        parts.append(published_beside(board.cells, board.prompts, True))
    return "\n\n".join(parts)


def _places(board: Board) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the ranks of each metric in words, and their notes."""
    places, notes = place_rows(board.cells, board.ranks), rank_notes(board.cells, board.tested)
    notes += order_lines(board.orders)
    if places or notes:
        notes = [ranks_mean(board.ranks) if places else "No ranks.", *notes]
    return places, notes


def board_frame(board: Board) -> pd.DataFrame:
    """Return a leaderboard as `leaderboard` returns it."""
    import pandas as pd

    frame = pd.DataFrame(board.records(), columns=list(COLUMNS))
    for name in ("warnings", "warning_codes", "families", "tied", "disputed"):
        frame[name] = ["; ".join(several or ()) for several in frame[name]]
    # A column of only None has no type, so tables of two runs could not be joined.
    numbers = dict.fromkeys(("value", "low", "high", "chance", "known"), "float64")
    places = dict.fromkeys(("rank_best", "rank_worst"), "Int64")
    words = ("note", "reference", "view", "warnings", "warning_codes", "families", "tied", "disputed", "protocol")
    return frame.fillna(dict.fromkeys(words, "")).astype({**numbers, **places, **dict.fromkeys(words, "str")})
