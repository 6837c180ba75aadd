"""Compute and store the tests of set metrics that tables need, while a run is open for writing."""

from __future__ import annotations

from itertools import combinations

from bench.comparison.run_reader import ComparedRun, RunRow
from bench.comparison.self_comparison import halves_request
from bench.comparison.set_tests import MOST_PAIRS, ClipSet, SetRequest, SetTests
from bench.progress import Progress
from bench.storage.read_metrics import shown_metrics
from bench.storage.store import Store


def store_set_tests(store: Store, progress: Progress, plugin_files: bool = False) -> None:
    """Test every pair of models, and each model against itself, on every set metric over all prompts.

    Stored tests are not repeated, and tests of clips that the run no longer has are removed. With more
    than `MOST_PAIRS` pairs none is tested, as in `bench.comparison.compare.compare_all`. A test that fails, because
    its reference is lost, does not affect others; tables show the reason.

    Args:
        store: the run, open for writing.
        progress: receives the progress of the tests.
        plugin_files: whether set metrics of plugin files may be loaded.
    """
    if not any(metric.of_sets for metric in shown_metrics(store)):
        return
    run = ComparedRun(store)
    metrics = [metric for metric in run.metrics if metric.column.of_sets]
    prompts = list(run.prompts)
    rows = [RunRow(run, label, label) for label in run.clips if run.clips[label]]
    sets = {row.label: ClipSet.of(row.name, row.made(prompts), run.trained_on[row.label]) for row in rows}
    pairs = list(combinations(sets.values(), 2))
    wanted = [SetRequest(metric, a, b) for metric in metrics for a, b in pairs] if len(pairs) <= MOST_PAIRS else []
    if pairs:
        wanted += [itself for m in metrics for row in rows if (itself := halves_request(row, m, prompts))]
    SetTests([run], None, plugin_files=plugin_files, keep=store).answer(wanted, progress)
    store.drop_other_set_tests({request.key for request in wanted})
