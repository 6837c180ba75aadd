"""Compare the clips of a run with a dataset whose training and held-out recordings are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import read_audio
from bench.errors import UsageError
from bench.memorisation.copying import Audit, CopyingEstimate, Suspect, best_windows, similarities
from bench.memorisation.embeddings import AuditedDataset, EmbeddedClip, EmbeddedDataset, embed_clips, embed_dataset
from bench.memorisation.records import AuditRecord, DifferenceRecord, IntervalRecord, PairRecord, RowRecord
from bench.memorisation.run_rows import AuditedRow, AuditedRun, Halves
from bench.progress import Progress, Silent


def compare(
    run: AuditedRun,
    rows: Sequence[AuditedRow],
    dataset: AuditedDataset,
    pairs: int = 5,
    progress: Progress | None = None,
) -> list[AuditRecord]:
    """Compare how near clips are to training recordings and to held-out ones.

    Args:
        run: the run with the clips; those without embeddings are embedded now.
        rows: of the run, at least one with known halves.
        dataset: the recordings, both halves.
        pairs: how many suspicious clips of each row to list.
        progress: receives the progress.

    Returns:
        A record for each division of the recordings among the rows.

    Raises:
        UsageError: there is nothing to compare.
        DataError: too much of the dataset cannot be embedded.
        MissingError: a dependency of the embedder is not installed.
    """
    progress = progress or Silent()
    labels = [row.label for row in rows]
    divided = {halves: _within(dataset, halves) for halves in dict.fromkeys(row.halves for row in rows) if halves}
    if not divided:
        raise UsageError(f"the training data of {', '.join(labels)} are unknown; name a card with --adapter-card")
    view, clips = embed_clips(run, labels, progress)
    if not clips:
        raise UsageError(f"{run.folder} has no clip of {', '.join(labels)} that can be embedded")
    embedded = embed_dataset(run, dataset, view.band, progress)
    comparison = _Comparison(run.embedder_name, view.text, clips, embedded)
    return [
        comparison.record(
            inside,
            [row.label for row in rows if row.halves in (None, halves)],
            {row.label: row.base for row in rows if row.halves == halves},
            pairs,
        )
        for halves, inside in divided.items()
    ]


def _within(dataset: AuditedDataset, halves: Halves) -> Halves:
    """Return the halves within the dataset; if no held-out ones are known, all recordings not trained on.

    Raises:
        UsageError: a half has no recording in it.
    """
    there = frozenset(file.content for file in dataset.files)
    train = halves.train & there
    held_out = (halves.held_out or there - halves.train) & there
    if not train:
        raise UsageError(
            f"none of the {len(halves.train)} recordings trained on, {halves.source}, is in '{dataset.name}'; name the "
            "dataset of that training with --data"
        )
    if not held_out:
        raise UsageError(
            f"nothing of '{dataset.name}' is held out, {halves.source}, so there is nothing to compare with; hold out "
            "a share of it in the training (data.validation)"
        )
    return Halves(train, held_out, halves.source)


class _Comparison:
    """Clips and files with their similarities, shape (clips, files), for any division of the files."""

    def __init__(self, embedder: str, view: str, clips: Sequence[EmbeddedClip], files: EmbeddedDataset) -> None:
        self._embedder, self._view, self._clips, self._files = embedder, view, clips, files
        self._similarities = similarities([clip.vectors for clip in clips], files)

    def record(self, halves: Halves, labels: Sequence[str], tuned: Mapping[str, str | None], pairs: int) -> AuditRecord:
        """Return the rows ``labels``, with those in ``tuned`` trained on these halves, each with its base."""
        groups, trained = _divide(halves, self._files)
        columns = np.stack([self._similarities[:, group].max(axis=1) for group in groups], axis=1)
        places = {label: [p for p, clip in enumerate(self._clips) if clip.clip.model == label] for label in labels}
        prompts = {id: number for number, id in enumerate(dict.fromkeys(clip.clip.prompt for clip in self._clips))}
        audits = {
            label: Audit(
                columns[own],
                trained,
                np.array([prompts[self._clips[p].clip.prompt] for p in own]),
                [self._clips[p].genre for p in own],
            )
            for label, own in places.items()
            if own
        }
        listed = dict.fromkeys([*tuned, *(base for base in tuned.values() if base)])
        return {
            "embedder": self._embedder,
            "view": self._view,
            "divided": halves.source,
            "trained": int(trained.sum()),
            "held_out": int((~trained).sum()),
            "compared": int(min(trained.sum(), (~trained).sum())),
            "models": [_row(label, label in tuned, audit) for label, audit in audits.items()],
            "differences": _differences(audits, tuned),
            "pairs": [
                self._pair(self._clips[places[label][suspect.clip]], suspect, groups[suspect.recording])
                for label in listed
                if label in audits
                for suspect in audits[label].suspects()[:pairs]
            ],
        }

    def _pair(self, clip: EmbeddedClip, suspect: Suspect, group: list[int]) -> PairRecord:
        """Return a clip with its nearest recording's file; times are starts of windows in seconds."""
        own = similarities([clip.vectors], (self._files.vectors(place) for place in group))[0]
        place = group[int(own.argmax())]
        vectors, file = self._files.vectors(place), self._files.files[place]
        here, there = best_windows(clip.vectors, vectors)
        return {
            "model": clip.clip.model,
            "prompt": clip.clip.prompt,
            "seed": clip.clip.seed,
            "clip": clip.clip.path,
            # Embedders cut windows of one length, one after the other, and do not say how long they are.
            "clip_time": round(here * clip.seconds / len(clip.vectors), 2),
            "example": file.id,
            "file": str(file.path),
            "example_time": round(there * read_audio(file.path).duration / len(vectors), 2),
            "similarity": suspect.similarity,
            "held_out": suspect.held_out,
            "ratio": suspect.ratio,
        }


def _divide(halves: Halves, files: EmbeddedDataset) -> tuple[list[list[int]], npt.NDArray[np.bool_]]:
    """Return the places of the files of each recording, and whether it was trained on, in any part."""
    groups: dict[str, list[int]] = {}
    for place, (file, content) in enumerate(zip(files.files, files.contents, strict=True)):
        if content in halves.train or content in halves.held_out:
            groups.setdefault(file.recording, []).append(place)
    contents = [[files.contents[place] for place in group] for group in groups.values()]
    trained = np.array([any(content in halves.train for content in group) for group in contents], dtype=np.bool_)
    if not trained.any() or trained.all():
        raise UsageError(f"no recording that was {'held out' if trained.any() else 'trained on'} can be embedded")
    return list(groups.values()), trained


def _row(label: str, tuned: bool, audit: Audit) -> RowRecord:
    excess, probability = audit.excess(), audit.probability()
    return {
        "model": label,
        "trained_on_these": tuned,
        "clips": len(audit.prompts),
        "nearest_trained": audit.mean(audit.nearest_trained),
        "nearest_held_out": audit.mean(audit.nearest_held_out),
        "excess": excess.value,
        **_interval(excess),
        "probability": probability.value,
        "probability_low": probability.low,
        "probability_high": probability.high,
    }


def _differences(audits: Mapping[str, Audit], tuned: Mapping[str, str | None]) -> list[DifferenceRecord]:
    return [
        {"a": a, "b": b, "estimate": excess.value, **_interval(excess)}
        for b, a in tuned.items()
        if a and a in audits and b in audits and (excess := audits[b].excess_over(audits[a]))
    ]


def _interval(found: CopyingEstimate) -> IntervalRecord:
    return {"low": found.low, "high": found.high, "p": found.p, "prompts": found.prompts, "note": found.reason}
