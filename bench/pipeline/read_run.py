"""Read a run folder in Python: clips, scores, leaderboard, comparisons, failures, and its report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from bench.errors import TunebenchError
from bench.paths import StrPath
from bench.progress import ProgressOption, shown
from bench.storage.database import read_database
from bench.storage.failures import Failure
from bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from bench.contracts.prompt import PromptSuite
    from bench.report.survey_results import Listeners


class Run:
    """A run folder for reading. Only `report` writes into it, and the run may still be in progress.

    Each method reads a snapshot of the run. In a ``with`` block, all of them (except `report`) read the same snapshot,
    from the start of the block, so that tables are consistent while the run goes on:

        with Run("results/my_run") as run:
            scores, board = run.scores(), run.leaderboard()

    Args:
        folder: the run folder.

    Raises:
        UsageError: there is no run in the folder.
        DataError: its database is lost; methods raise it if it is damaged.
    """

    def __init__(self, folder: StrPath) -> None:
        self.folder = Path(folder)
        self._held: Store | None = None
        if not (self.folder / "run.db").is_file():
            read_database(self.folder).close()  # raises with what is there instead

    def clips(self) -> pd.DataFrame:
        """Return one row per planned clip, see `bench.scores.clip_table.clip_table`.

        Columns: ``model``, ``prompt`` (its id), ``text``, ``genre``, ``level``, ``bpm`` and ``key`` of the prompt,
        ``seed``, ``file`` (relative to the run folder), ``state`` (made, planned or failed), ``duration`` in seconds
        and ``sample_rate`` in Hz; then for each clip metric its values (``rhythm-grid@2``, in the metric's unit, NaN
        if missing) and, if any clip has none, the reasons (``rhythm-grid@2 reason``).

        Raises:
            DataError: the database is damaged.
        """
        from bench.scores.clip_table import clip_table

        with self._reading() as store:
            return clip_table(store)

    def scores(self) -> pd.DataFrame:
        """Return one row for each planned clip and clip metric, see `bench.scores.score_table.score_table`.

        Columns: ``model``, ``prompt``, ``genre``, ``level``, ``seed``, ``metric`` (with its version), ``value`` (in
        ``unit``, NaN if missing), ``unit``, ``direction`` (higher, lower or none is better), ``reason`` (why
        there is no value) and ``failed`` (whether the next run retries it). Metrics of sets of clips, such as
        distances, have no scores of single clips: see `leaderboard`.

        Raises:
            DataError: the database is damaged.
        """
        from bench.scores.score_table import score_table

        with self._reading() as store:
            return score_table(store)

    def suite(self) -> PromptSuite:
        """Return the prompts of the run; with their purpose if their suite is installed.

        Raises:
            DataError: the database is damaged.
        """
        from bench.contracts.plugins import is_declared
        from bench.contracts.prompt import PromptSuite
        from bench.contracts.prompt_suite import load_suite_named

        with self._reading() as store:
            ref, prompts = store.about()["suite"], tuple(store.prompts().values())
        name, _, version = ref.rpartition("@")
        try:
            splits = load_suite_named(ref).splits if is_declared("suite", ref) else {}
        except TunebenchError:  # another version, or a plugin that fails
            splits = {}
        return PromptSuite(name or ref, int(version) if version.isdecimal() else 1, prompts, splits=splits)

    def leaderboard(self, by: str | None = None, wide: bool = False, progress: ProgressOption = None) -> pd.DataFrame:
        """Return the leaderboard: means over prompts, or distances, with 95 % intervals.

        Args:
            by: add rows for each ``genre`` or ``level`` of the prompts.
            wide: one row per model, see `bench.leaderboard.frames.wide_frame`: ``kad@2``, ``kad@2 low``,
                ``kad@2 high`` and ``kad@2 n``, indexed by ``model`` (with ``by``, by ``group`` and ``model``).
                Otherwise one row for each model and metric, with ranks, warnings and further columns of
                `bench.leaderboard.render.records`.
            progress: receives the progress of tests of distances that ranks need and the run lacks.

        Raises:
            UsageError: ``by`` has another value, or no prompt has it.
            DataError: the database is damaged.
        """
        from bench.leaderboard.frames import wide_frame
        from bench.leaderboard.render import board_frame, board_of, cells_of
        from bench.scores.aggregate import refuse_ungrouped

        with self._reading() as store:
            if wide:
                cells = cells_of(store, by)
                refuse_ungrouped(store.prompts().values(), by)
                return wide_frame(cells, grouped=by is not None)
            with shown(progress) as told:
                return board_frame(board_of(store, by, told))

    def compare(
        self,
        a: str,
        b: str,
        by: str | None = None,
        other: Run | StrPath | None = None,
        mark: bool = False,
        plugin_files: bool = False,
        progress: ProgressOption = None,
        rephrased: bool = False,
    ) -> pd.DataFrame:
        """Return B − A on every metric, one per row, paired by prompt.

        `bench.comparison.result.Comparison` describes the columns.

        Args:
            a: a row of this run.
            b: another row, or with ``other`` a row of that run.
            by: add rows for each ``genre`` or ``level`` of the prompts.
            other: another run, or its folder.
            mark: compare clips of different lengths with a mark on every row, instead of refusing.
            plugin_files: whether distances of plugin files that the run's configuration names may be loaded.
            progress: receives the progress of tests of distances that the run lacks.
            rephrased: pair prompts by id even if their texts differ.

        Raises:
            UsageError: no such row, A and B are the same, or the runs cannot be compared; the message says why.
            DataError: a database is damaged.
        """
        import pandas as pd

        from bench.comparison.compare import ComparisonOptions, are_one, compare_rows
        from bench.comparison.run_reader import ComparedRun
        from bench.comparison.tables import flat

        there = self if other is None else other if isinstance(other, Run) else Run(other)
        one = there is self or are_one(self.folder, there.folder)
        options = ComparisonOptions(by, mark=mark, plugin_files=plugin_files, rephrased=rephrased)
        with shown(progress) as told, self._reading() as store, (self if one else there)._reading() as second:
            first = ComparedRun(store)
            runs = first, first if one else ComparedRun(second)
            return pd.DataFrame([flat(found.record()) for found in compare_rows(runs, a, b, options, told)])

    def failures(self) -> list[Failure]:
        """Return the failures of clips, scores, embeddings and set metrics, with reasons; empty if there are none.

        ``str(failure)`` is one line, and ``pandas.DataFrame(run.failures())`` a table of them;
        `bench.storage.failures.group_failures` groups those with the same reason.

        Raises:
            DataError: the database is damaged.
        """
        with self._reading() as store:
            return store.failures()

    def report(
        self,
        folder: StrPath | None = None,
        ratings: Listeners | None = None,
        doses: StrPath | None = None,
        audio: Literal["flac", "mp3"] | None = "flac",
        workers: int | None = None,
        progress: ProgressOption = None,
    ) -> Path:
        """Write the run as pages with audio, as `bench.report.build.build_report` does, and return their folder.

        Args:
            folder: the report's folder; by default ``report`` in the run folder.
            ratings: a file of ratings, or the results of a listening test; by default ``ratings.csv`` of the run.
            doses: what ``tunebench check metrics --json`` printed; by default ``dose-response.json`` of the run.
            audio: ``flac``, ``mp3`` for small pages, or None for pages without clips.
            workers: number of processes; None uses every core, 0 works in this one.
            progress: receives the progress.

        Raises:
            UsageError: ``folder`` has other files, cannot be written to, or another build is running in it.
            MissingError: Jinja or Pillow is not installed.
            DataError: the database is damaged, or the given ratings or doses are unusable.
        """
        from bench.report.build import build_report

        return build_report(self.folder, folder, ratings, doses, audio, workers, progress)

    def __enter__(self) -> Self:
        if self._held is not None:
            raise RuntimeError("this run is already in a with block; open another with bench.Run(run.folder)")
        self._held = Store.read(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.__exit__(kind, error, trace)

    @contextmanager
    def _reading(self) -> Iterator[Store]:
        """Yield the snapshot of the ``with`` block, or a new one."""
        if self._held is not None:
            yield self._held
        else:
            with Store.read(self.folder) as store:
                yield store

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.folder == other.folder

    def __hash__(self) -> int:
        return hash(self.folder)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return the leaderboard's values for notebooks; if the run cannot be read, the reason."""
        from html import escape

        from bench.leaderboard.notebook import leaderboard_html
        from bench.leaderboard.render import cells_of

        try:
            with self._reading() as store:
                return leaderboard_html(cells_of(store), str(self.folder))
        except TunebenchError as error:
            return f"<pre>{escape(repr(self))}: {escape(str(error))}</pre>"
