"""Update a run of an older layout when it is continued: rename its content to present identities.

Rows change in the caller's transaction. A file has both names before that is written and loses the old one after it, so
a run that dies in between finds its files whatever its database says.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from bench.atomic_write import link_or_copy
from bench.contracts.clip_view import View
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.hashing import canonical_json, fingerprint
from bench.planning.former_identity import former_clip_id, former_params_hashes, is_former_model
from bench.planning.metric_plan import PlannedMetric, ScoreKey
from bench.planning.plan import Plan, PlannedModel, clip_id


def is_former(stored: str, model: PlannedModel) -> bool:
    """Return whether the identity of a run's row, as JSON, is the one that a model had in layout 2."""
    return is_former_model(json.loads(stored), model.plugin, model.identity)


def rename_clips(db: sqlite3.Connection, folder: Path, plan: Plan) -> list[Path]:
    """Give the models of a plan and their clips their present identities.

    A clip whose former id does not follow from what is known now (another file of a folder of clips) keeps it.

    Args:
        db: the run's database, in a transaction of the caller.
        folder: the run's.
        plan: with which the run is continued.

    Returns:
        The files' old paths, to be removed once the transaction is committed.

    Raises:
        UsageError: the disk takes no second name of a file.
    """
    db.execute("PRAGMA defer_foreign_keys = ON")  # until notes and scores have followed their clips
    old_names: list[Path] = []
    for id, new in present_ids(db, plan).items():
        ((label, path),) = db.execute("SELECT model, path FROM clips WHERE id = ?", (id,))
        target = f"audio/{label}/{new[:16]}.flac"
        if (folder / path).is_file():
            _name_too(folder / path, folder / target)
            old_names.append(folder / path)
        db.execute("UPDATE clips SET id = ?, path = ? WHERE id = ?", (new, target, id))
        for table in ("scores", "notes"):
            db.execute(f"UPDATE {table} SET clip = ? WHERE clip = ?", (new, id))
    for model, _ in _former_models(db, plan):
        db.execute(
            "UPDATE models SET fingerprint = ?, identity = ? WHERE label = ?",
            (model.fingerprint, canonical_json(model.identity), model.label),
        )
    return old_names


def present_ids(db: sqlite3.Connection, plan: Plan) -> dict[str, str]:
    """Return by former id the present ids of clips of the plan's models, of those whose id changes."""
    former = _former_models(db, plan)
    if not former:
        return {}
    prompts = {
        row[0]: Prompt(*row) for row in db.execute("SELECT id, text, genre, level, bpm, key, lyrics FROM prompts")
    }
    prompts |= {prompt.id: prompt for prompt in plan.suite.prompts}
    held = {id for (id,) in db.execute("SELECT id FROM clips")}
    found: dict[str, str] = {}
    for model, stored in former:
        extras = {(c.prompt.id, c.request.seed): c.extra for c in plan.clips if c.model == model.label}
        for id, prompt, seed in db.execute("SELECT id, prompt, seed FROM clips WHERE model = ?", (model.label,)):
            request = GenerationRequest(prompts[prompt], seed, plan.duration)
            new = _present_id(id, stored, model, request, extras.get((prompt, seed), {}))
            if new is not None and new not in held:
                found[id] = new
    return found


def _former_models(db: sqlite3.Connection, plan: Plan) -> list[tuple[PlannedModel, dict[str, object]]]:
    """Return the models of a plan that a run holds under their former identity, each with that."""
    held = dict(db.execute("SELECT label, identity FROM models"))
    return [(m, json.loads(held[m.label])) for m in plan.models if m.label in held and is_former(held[m.label], m)]


def rename_scores(db: sqlite3.Connection, metrics: Sequence[PlannedMetric]) -> None:
    """Put the scores and vectors of metrics under their present keys. Scores of sets are dropped, to be computed again.

    Args:
        db: the run's database.
        metrics: what is to be shown, each with what it compares with.
    """
    for metric in metrics:
        hashes = former_params_hashes(metric.plugin, metric.params)
        rows = db.execute(
            "SELECT params_hash, embedder, reference, view FROM metrics WHERE name = ? AND version = ?",
            (metric.name, metric.version),
        ).fetchall()
        for params_hash, embedder, reference, view in rows:
            key = (metric.name, metric.version, params_hash)
            if params_hash not in hashes or embedder != _former_embedding_key(metric, view):
                continue
            new = metric.key(View.of_key(view or "{}"))
            db.execute(
                "UPDATE OR IGNORE metrics SET params_hash = ?, embedder = ?, reference = ? "
                "WHERE name = ? AND version = ? AND params_hash = ? AND embedder = ? AND reference = ?",
                (new.params_hash, new.embedder, new.reference, *key, embedder, reference),
            )
            db.execute(
                "UPDATE OR IGNORE scores SET params_hash = ?, embedder = ? "
                "WHERE metric = ? AND version = ? AND params_hash = ? AND embedder = ?",
                (new.params_hash, new.embedder, *key, embedder),
            )
            db.execute("DELETE FROM set_scores WHERE metric = ? AND version = ? AND params_hash = ?", key)
        for planned in metric.embedders:
            db.execute(
                "UPDATE OR IGNORE embeddings SET embedder = ? WHERE embedder = ?",
                (planned.fingerprint, planned.former),
            )


def _present_id(
    id: str, stored: Mapping[str, object], model: PlannedModel, request: GenerationRequest, extra: Mapping[str, object]
) -> str | None:
    """Return the present id of a clip; None if its old id is unknown."""
    rows = ("", model.label) if model.own_clips else ("",)
    for was, own, row in product(_as_read(request), (extra, {}), rows):
        if former_clip_id(stored, model.rate, was, own, row) == id:
            return clip_id(model, request, own)
    return None


def _as_read(request: GenerationRequest) -> Iterator[GenerationRequest]:
    """Yield the request as it may have been read from a suite: its tempo with or without a fraction."""
    yield request
    bpm = request.prompt.bpm
    if bpm is not None and float(bpm).is_integer():
        other = int(bpm) if isinstance(bpm, float) else float(bpm)
        yield replace(request, prompt=replace(request.prompt, bpm=other))


def former_keys(metric: PlannedMetric, view: View) -> list[ScoreKey]:
    """Return possible keys of a metric's scores in runs of layout 2."""
    embedder = _former_embedding_key(metric, view.key if metric.embedders else "")
    hashes = former_params_hashes(metric.plugin, metric.params)
    return [ScoreKey(metric.name, metric.version, params_hash, embedder) for params_hash in hashes]


def _former_embedding_key(metric: PlannedMetric, view: str) -> str:
    if not metric.embedders:
        return ""
    return fingerprint([*(e.former for e in metric.embedders), View.of_key(view or "{}").text])


def _name_too(source: Path, target: Path) -> None:
    try:
        link_or_copy(source, target)
    except OSError as error:
        raise UsageError(
            f"cannot write {target}: {error.strerror}; nothing is lost: free disk space or fix permissions, then run "
            "the same command again"
        ) from error
