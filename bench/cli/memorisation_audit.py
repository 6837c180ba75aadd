"""From a run and a dataset to the records of a memorisation audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.cli.halves import Halves, choose, read_data, require_row, rows_of, split_of, within
from bench.cli.hearings import EmbeddedClip, EmbeddedRecordings, embed_clips, embed_dataset
from bench.cli.run import with_workers
from bench.config.run_config import load_config
from bench.contracts.audio import read_audio
from bench.contracts.embedder import EmbedderRef
from bench.errors import UsageError
from bench.planning.metric_plan import plan_embedder
from bench.progress import Progress
from bench.storage.store import Store
from metrics.memorisation import Array, Audit, CopyingEstimate, best_windows, similarities
from models.training.data import load_dataset


def audit(
    run: Path,
    data: str,
    card: Path | None,
    embedder: str,
    models: Sequence[str],
    base: str | None,
    pairs: int,
    workers: int | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """One record for each way in which the dataset's recordings are divided, as the rows of the run have it.

    ``trained`` and ``held_out`` count recordings, ``compared`` how many of either kind are compared at a time.
    ``models`` holds what is found for each row, ``differences`` B − A for each row that was trained on these (B) and
    its base (A), ``pairs`` the most suspicious clips of both, each with the training example that it is nearest to.

    Raises:
        UsageError: no run, row or dataset of that name, or nothing to compare.
        DataError: a card or the dataset is damaged.
        MissingError: what the embedder needs is not installed.
    """
    config, seed = read_data(data)
    with Store.read(run) as store:
        settings = with_workers(load_config(run / "config.yaml"), workers)
        rows = choose(rows_of(store, settings, card), base)
    for label in models:
        require_row(label, rows)
    planned = plan_embedder(EmbedderRef(embedder))
    kept_in = run / "memorisation"
    dataset = load_dataset(config, progress, kept_in)
    if not any(row.halves for row in rows):
        halves = split_of(dataset, config, seed)
        rows = [row if row.label == base else replace(row, halves=halves, base=base) for row in rows]
    if models:
        bases = {row.base for row in rows if row.label in models}
        rows = [row for row in rows if row.label in models or row.label in bases]
    divided = {halves: within(dataset, halves) for halves in dict.fromkeys(row.halves for row in rows) if halves}
    if not divided:
        raise UsageError(f"nothing says what {', '.join(models)} was trained on; name a card with --adapter-card")
    labels = [row.label for row in rows]
    view, clips = embed_clips(run, settings, planned, labels, progress)
    if not clips:
        raise UsageError(f"{run} holds no clip of {', '.join(labels)} that can be embedded")
    recordings = embed_dataset(dataset, config, planned, view.band, kept_in, progress)
    nearness = similarities([heard.vectors for heard in clips], recordings)
    about = {"embedder": embedder, "view": view.text}
    found = []
    for halves, inside in divided.items():
        tuned = {row.label: row.base for row in rows if row.halves == halves}
        shown = [row.label for row in rows if row.halves in (None, halves)]
        found.append({**about, **_record(inside, shown, tuned, clips, recordings, nearness, pairs)})
    return found


def _record(
    halves: Halves,
    labels: Sequence[str],
    tuned: dict[str, str | None],
    clips: Sequence[EmbeddedClip],
    recordings: EmbeddedRecordings,
    nearness: Array,
    pairs: int,
) -> dict[str, Any]:
    groups, trained = _divide(halves, recordings)
    columns = np.stack([nearness[:, group].max(axis=1) for group in groups], axis=1)
    prompts = {id: number for number, id in enumerate(dict.fromkeys(heard.clip.prompt for heard in clips))}
    places = {label: [p for p, heard in enumerate(clips) if heard.clip.model == label] for label in labels}
    audits = {
        label: Audit(
            columns[own],
            trained,
            np.array([prompts[clips[p].clip.prompt] for p in own]),
            [clips[p].genre for p in own],
        )
        for label, own in places.items()
        if own
    }
    listed = dict.fromkeys([*tuned, *(base for base in tuned.values() if base)])
    return {
        "divided": halves.source,
        "trained": int(trained.sum()),
        "held_out": int((~trained).sum()),
        "compared": int(min(trained.sum(), (~trained).sum())),
        "models": [_model(label, label in tuned, audit) for label, audit in audits.items()],
        "differences": [
            {"a": a, "b": b, **_judgement("estimate", excess)}
            for b, a in tuned.items()
            if a in audits and b in audits and (excess := audits[b].excess_over(audits[a]))
        ],
        "pairs": [
            _pair(clips[places[label][s.clip]], s.similarity, s.held_out, s.ratio, recordings, groups[s.recording])
            for label in listed
            if label in audits
            for s in audits[label].suspects()[:pairs]
        ],
    }


def _divide(
    halves: Halves, recordings: EmbeddedRecordings
) -> tuple[list[list[int]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """The places of the examples of each recording, and whether it was trained on, in any part."""
    groups: dict[str, list[int]] = {}
    for place, (example, content) in enumerate(zip(recordings.examples, recordings.contents, strict=True)):
        if content in halves.train or content in halves.held_out:
            groups.setdefault(example.recording, []).append(place)
    contents = [[recordings.contents[place] for place in group] for group in groups.values()]
    trained = np.array([any(content in halves.train for content in group) for group in contents], dtype=np.bool_)
    if not trained.any() or trained.all():
        raise UsageError(f"no recording that was {'held out' if trained.any() else 'trained on'} can be embedded")
    return list(groups.values()), trained


def _model(label: str, tuned: bool, audit: Audit) -> dict[str, Any]:
    probability = audit.probability()
    return {
        "model": label,
        "trained_on_these": tuned,
        "clips": len(audit.prompts),
        "nearest_trained": audit.mean(audit.nearest_trained),
        "nearest_held_out": audit.mean(audit.nearest_held_out),
        **_judgement("excess", audit.excess()),
        "probability": probability.value,
        "probability_low": probability.low,
        "probability_high": probability.high,
    }


def _judgement(name: str, found: CopyingEstimate) -> dict[str, Any]:
    """``low`` and ``high`` are the 95 % interval or None, ``note`` says why; ``p`` is one-sided."""
    return {
        name: found.value,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "prompts": found.prompts,
        "note": found.reason,
    }


def _pair(
    heard: EmbeddedClip,
    similarity: float,
    held_out: float,
    ratio: float,
    recordings: EmbeddedRecordings,
    group: list[int],
) -> dict[str, Any]:
    """A clip beside the example of a recording that it is nearest to; times are where windows begin, in seconds."""
    own = similarities([heard.vectors], (recordings.vectors(place) for place in group))[0]
    place = group[int(own.argmax())]
    here, there = best_windows(heard.vectors, recordings.vectors(place))
    example = recordings.examples[place]
    seconds = read_audio(example.path).duration
    return {
        "model": heard.clip.model,
        "prompt": heard.clip.prompt,
        "seed": heard.clip.seed,
        "clip": heard.clip.path,
        # Embedders cut windows of one length, one after the other, and do not say how long they are.
        "clip_time": round(here * heard.seconds / len(heard.vectors), 2),
        "example": example.id,
        "file": str(example.path),
        "example_time": round(there * seconds / len(recordings.vectors(place)), 2),
        "similarity": similarity,
        "held_out": held_out,
        "ratio": ratio,
    }
