"""Collect the content of a report's pages from a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

from bench.comparison.compare import compare_all
from bench.comparison.self_comparison import chances
from bench.contracts.notice import Notice
from bench.errors import TunebenchError
from bench.leaderboard.family_orders import family_orders
from bench.leaderboard.published import published
from bench.leaderboard.ranks import ranks
from bench.number_format import seconds_text
from bench.progress import Progress, Silent
from bench.report.clip_entries import clip_entries
from bench.report.context import ClipMedia, ModelEntry, ReportContext, Survey
from bench.report.doses import read_doses
from bench.report.methods import Setting, limits, methods
from bench.report.metric_info import metric_infos
from bench.report.model_description import purpose
from bench.report.own_music import with_own_music
from bench.report.provenance import about, in_words, made_with, named, seeds_of
from bench.report.survey_results import Listeners, read_listeners, strangers
from bench.report.warnings import cautions
from bench.scores.aggregate import Cell, read_columns, summarise
from bench.scores.clip_scores import ClipScores
from bench.scores.protocol import protocol_of, suite_size
from bench.storage.failures import group_failures
from bench.storage.read_models import read_models
from bench.storage.store import Store

RATINGS, DOSES = "ratings.csv", "dose-response.json"


def collect(
    store: Store,
    media: Mapping[str, ClipMedia | str],
    ratings: Listeners | None = None,
    doses: Path | None = None,
    progress: Progress | None = None,
) -> ReportContext:
    """Read a run, test every pair of its models, and collect the content of its report.

    Args:
        store: a snapshot of the run.
        media: media by clip id, or a line that says why it cannot be played.
        ratings: of a listening survey, a file or its parsed content; by default ``ratings.csv`` in the run folder, if
            it exists.
        doses: written by ``tunebench check metrics --json``; by default ``dose-response.json`` there, if it exists.

    Raises:
        DataError: the given ratings or doses are unusable; for those found by default, this is a caution instead.
    """
    warnings: list[Notice] = []
    prompts, progress = store.prompts(), progress or Silent()
    survey = _survey(store.folder, ratings, {id: prompt.genre or "" for id, prompt in prompts.items()}, warnings)
    records = _doses(store.folder, doses, warnings)
    scores = ClipScores(store)
    models, infos = _models(store), metric_infos(store)
    cells = with_own_music(_cells(store, scores), models, infos)
    if survey and (unknown := strangers(survey, {model.label for model in models})):
        warnings.append(Notice("W-RATINGS", {"source": survey.source, "models": list(unknown)}))
    labels = [model.label for model in models]
    pairs = list(combinations(labels, 2))
    # Include set metrics within groups, as p is also adjusted over them when two models are compared alone.
    comparisons = compare_all(store, pairs, ("genre", "level"), progress, sets_by_group=True, scores=scores)
    orders = family_orders(cells, comparisons)
    content = ReportContext(
        title=named(store.folder.resolve()),
        about=about(store),
        protocol=protocol_of(store),
        models=models,
        columns=tuple(read_columns(store)),
        cells=cells,
        ranks=ranks(cells, comparisons),
        comparisons=tuple(comparisons),
        prompts=tuple(prompts.values()),
        clips=clip_entries(store, media),
        cautions=cautions(cells, comparisons, [*warnings, *orders]),
        failures=tuple(group_failures(store.failures())),
        published=published(),
        methods=(),
        survey=survey,
        doses=records,
        chances=chances(store, labels, progress, scores=scores) if pairs else {},
        infos=infos,
    )
    setting = _setting(store, content)
    return replace(content, methods=methods(content, setting), limits=limits(content, setting))


def _setting(store: Store, content: ReportContext) -> Setting:
    """Return facts on how the run was made, for the methods."""
    recorded = store.about()
    size = suite_size(recorded, len(content.prompts))
    return Setting(
        suite=recorded["suite"] + (f", which has {size}" if size > len(content.prompts) else ""),
        duration=seconds_text(recorded["duration"]),
        tunebench=recorded["tunebench"],
        seeds=seeds_of(store),
        instruments=content.infos,
        made_with=tuple(in_words(facts) for facts, _ in made_with(store)),
    )


def _survey(run: Path, ratings: Listeners | None, genres: Mapping[str, str], warnings: list[Notice]) -> Survey | None:
    if ratings is not None:
        return read_listeners(ratings, genres)
    found = run / RATINGS
    if not found.exists():
        return None
    try:
        return read_listeners(found, genres)
    except TunebenchError as error:
        warnings.append(Notice("W-RATINGS", {"problem": _within(run, error)}))
        return None


def _doses(run: Path, doses: Path | None, warnings: list[Notice]) -> tuple[Mapping[str, object], ...]:
    if doses is not None:
        return read_doses(doses)
    found = run / DOSES
    if not found.exists():
        return ()
    try:
        return read_doses(found)
    except TunebenchError as error:
        warnings.append(Notice("W-DOSES", {"problem": _within(run, error)}))
        return ()


def _within(run: Path, error: TunebenchError) -> str:
    """Return an error's message without the run's path on disk, since pages are shared."""
    return str(error).replace(f"{run}/", "")


def _cells(store: Store, scores: ClipScores) -> tuple[Cell, ...]:
    """Return the leaderboard over all prompts, then by genre, then by level."""
    by_genre, by_level = summarise(store, "genre", scores), summarise(store, "level", scores)
    over_all = [cell for cell in by_genre if cell.group == "all"]
    groups = [cell for cell in (*by_genre, *by_level) if cell.group != "all"]
    return (*over_all, *groups)


def _models(store: Store) -> tuple[ModelEntry, ...]:
    return tuple(
        ModelEntry(
            *(m.label, m.fingerprint, _indented(m.identity), _indented(m.provenance), m.rate, m.made, m.planned),
            what=purpose(m.identity),
        )
        for m in read_models(store)
    )


def _indented(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
