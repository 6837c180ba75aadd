"""Rescore the clips of a bundle, and show the scores as in the bundle's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.bundle.sanitize import BundledMetric
from bench.config.run_config import CommonGround, ExecutorConfig, MetricConfig, RunConfig
from bench.contracts.pairs_file import PairsFile
from bench.errors import MissingError
from bench.pipeline.run import rescore
from bench.progress import Progress
from bench.scores.protocol import Protocol, ShownMetric, shown_in, stated_protocol
from bench.storage.database import open_database
from bench.storage.digests import write_digests
from bench.storage.layout import reference_name
from bench.storage.store import Store


def score_again(
    run: Path,
    scored: Sequence[BundledMetric],
    ground: CommonGround,
    workers: int | None,
    progress: Progress,
) -> dict[str, str]:
    """Score the clips of a run that has no scores; return reasons by metric that could not be computed.

    Args:
        run: a run folder of our own, with the references of the bundle in it.
        scored: the metrics.
        ground: the part of the clips that is embedded.
        workers: number of worker processes; every core by default.
        progress: receives the progress.
    """
    missing: dict[str, str] = {}
    against = list(dict.fromkeys(metric.reference for metric in scored if metric.reference)) or [""]
    for reference in against:
        # Metrics without a reference are computed in the first round.
        chosen = [m for m in scored if m.reference == reference or (not m.reference and reference == against[0])]
        rounds = [chosen] if chosen else []
        while rounds:
            metrics = rounds.pop()
            try:
                rescore(run, _settings(run, metrics, reference, ground, workers), progress)
            except MissingError as error:  # nothing was scored; try again without what needs it
                if len(metrics) == 1:
                    missing[metrics[0].ref] = str(error)
                else:
                    rounds = [[metric] for metric in reversed(metrics)]
    return missing


def _settings(
    run: Path, metrics: Sequence[BundledMetric], reference: str, ground: CommonGround, workers: int | None
) -> RunConfig:
    return RunConfig(
        metrics=tuple(MetricConfig(name=m.plugin, params=m.params) for m in metrics),
        # Each of these metrics compares with it, in its own way.
        reference=str(run / reference_name(reference)),
        pairs=PairsFile(file=str(run / reference_name(reference))),
        common=ground,
        executor=ExecutorConfig(workers=workers),
        # It was computed; its own warnings say whether it is biased.
        shared_recordings="mark",
    )


def show(run: Path, metrics: Sequence[BundledMetric]) -> None:
    """Make the tables of a run show exactly these metrics, in this order.

    Args:
        run: a run folder of our own.
        metrics: those that it has scores of.
    """
    database = open_database(run)
    try:
        database.execute("BEGIN")
        database.execute("UPDATE metrics SET shown = 0")
        database.executemany(
            "UPDATE metrics SET shown = 1, position = ? WHERE name = ? AND version = ? AND params_hash = ? "
            "AND embedder = ? AND reference = ?",
            [(place, m.name, m.version, m.params_hash, m.embedder, m.reference) for place, m in enumerate(metrics)],
        )
        write_digests(database)
        database.execute("COMMIT")
    finally:
        database.close()


def protocol_now(store: Store, shown: Sequence[BundledMetric]) -> Protocol:
    """Return the protocol of a rescored run; for metrics that could not be computed, as in the bundle.

    Args:
        store: the rescored run.
        shown: metrics in the bundle's tables.
    """
    here = {metric.ref: metric for metric in shown_in(store)}
    stated = {
        m.ref: ShownMetric(m.ref, m.params_hash, m.embedder, m.view, m.reference, m.reference_name) for m in shown
    }
    about, prompts = store.about(), store.prompts()
    metrics = [here.get(ref, said) for ref, said in stated.items()]
    return stated_protocol(about, prompts.values(), metrics)
