"""Every planned clip of a run as its pages show it: its scores, its sound, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping

from bench.report.context import ClipEntry, ClipMedia
from bench.storage.store import Store


def clip_entries(store: Store, media: Mapping[str, ClipMedia | str]) -> tuple[ClipEntry, ...]:
    """Planned clips by prompt, then model, then seed; a score without a value is its reason, or None where not scored.

    Args:
        media: what there is to play, by clip id, or in one line why it cannot be played.
    """
    scores: dict[str, dict[str, float | str | None]] = {}
    for clip, metric, value, reason, error in store.rows(
        "SELECT clips.id, name || '@' || metrics.version, value, reason, s.error FROM clips "
        "JOIN metrics ON shown AND NOT of_sets LEFT JOIN scores AS s ON clip = clips.id AND s.metric = name "
        "AND s.version = metrics.version AND s.params_hash = metrics.params_hash AND s.embedder = metrics.embedder "
        "WHERE state = 'made' ORDER BY metrics.position"
    ):
        scores.setdefault(clip, {})[metric] = reason if value is None and reason else value
        if error:
            scores[clip][metric] = f"failed: {error}"
    rows = store.rows(
        "SELECT clips.id, model, prompt, seed, state, error FROM clips JOIN models ON label = model "
        "JOIN prompts ON prompts.id = prompt WHERE state != 'replaced' ORDER BY prompts.rowid, position, seed"
    )
    entries = []
    for id, model, prompt, seed, state, error in rows:
        found = media.get(id) if state == "made" else None
        playable = found if isinstance(found, ClipMedia) else None
        # Where the run lies on somebody's disk is nothing for pages that are shared.
        why = found.replace(f"{store.folder}/", "") if isinstance(found, str) else None
        problem = None if playable else _problem(state, error, why)
        entries.append(ClipEntry(id, model, prompt, seed, playable, scores.get(id, {}), problem))
    return tuple(entries)


def _problem(state: str, error: str | None, unplayable: str | None) -> str:
    if state == "failed":
        return f"failed: {error}"
    if state == "planned":
        return "not made yet"
    return unplayable or "made after this report was begun; build it again"
