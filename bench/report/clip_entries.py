"""Planned clips of a run as shown on pages: scores, sound, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.context import ClipEntry, ClipMedia
from bench.storage.read_clips import planned_rows
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import held_scores
from bench.storage.store import Store


def clip_entries(store: Store, media: Mapping[str, ClipMedia | str]) -> tuple[ClipEntry, ...]:
    """Return planned clips by prompt, model and seed; a score without a value is its reason, or None if not scored.

    Args:
        media: media by clip id, or a line that says why it cannot be played.
    """
    metrics = [metric.ref for metric in shown_metrics(store) if not metric.of_sets]
    scores: dict[int, dict[str, float | str]] = {}
    for score in held_scores(store):
        shown = score.reason if score.value is None else score.value
        scores.setdefault(score.place, {})[score.metric] = f"failed: {score.error}" if shown is None else shown
    prompts = {prompt: place for place, prompt in enumerate(store.prompts())}
    models = {model: place for place, model in enumerate(store.labels())}
    entries = []
    for clip in sorted(planned_rows(store), key=lambda clip: (prompts[clip.prompt], models[clip.model], clip.seed)):
        found = media.get(clip.id) if clip.state == "made" else None
        playable = found if isinstance(found, ClipMedia) else None
        # Shared pages must not reveal paths on the disk.
        why = found.replace(f"{store.folder}/", "") if isinstance(found, str) else None
        problem = None if playable else _problem(clip.state, clip.error, why)
        place = (clip.id, clip.model, clip.prompt, clip.seed)
        own = scores.get(clip.place, {})
        said = {ref: own.get(ref) for ref in metrics} if clip.state == "made" else {}
        entries.append(ClipEntry(*place, playable, said, problem))
    return tuple(entries)


def _problem(state: str, error: str | None, unplayable: str | None) -> str:
    if state == "failed":
        return f"failed: {error}"
    if state == "planned":
        return "not made yet"
    return unplayable or "made after this report was started; build it again"
