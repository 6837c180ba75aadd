"""The clips that a run should hold, whether they are made or not, as its database has them.

What needs only the audio that exists reads `bench.storage.store.Store.made`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from bench.storage.store import Store

RETURNED = "returned_seconds"
"""What the provenance of a clip that was cut holds: how long it was, in seconds."""

UNREAD = "unread_tokens"
"""What the provenance of a clip holds whose prompt was cut: how many tokens of it the model did not read."""

State = Literal["planned", "made", "failed"]


class PlannedRow(NamedTuple):
    """A clip of the present plan, and its recorded facts if made.

    Attributes:
        place: its place in the order in which clips were planned; a number that need not follow the one before.
        id, model, prompt, seed: which clip it is.
        state: whether it is made.
        error: why it is not, where that failed.
        path: of its audio, relative to the run folder.
        content: hash of the decoded audio.
        rate, channels, frames: of the audio; the rate in Hz.
        peak: largest absolute sample before ``gain`` was applied.
        gain: factor by which what exceeded full scale was lowered, in (0, 1].
        seconds: how long it took to make.
        provenance: what it was made with, as JSON.
    """

    place: int
    id: str
    model: str
    prompt: str
    seed: int
    state: State
    error: str | None
    path: str
    content: str | None
    rate: int | None
    channels: int | None
    frames: int | None
    peak: float | None
    gain: float | None
    seconds: float | None
    provenance: str | None

    @property
    def made_with(self) -> Mapping[str, Any]:
        """Its provenance; empty if not recorded."""
        found: Mapping[str, Any] = json.loads(self.provenance or "{}")
        return found


class ClipPlace(NamedTuple):
    """A clip of the present plan: its request, and whether it is made."""

    model: str
    prompt: str
    seed: int
    made: bool


def clip_places(store: Store) -> Iterator[ClipPlace]:
    """Yield the clips of the present plan in the order in which they were planned."""
    rows = store.each("SELECT model, prompt, seed, state = 'made' FROM clips WHERE state != 'replaced' ORDER BY rowid")
    return (ClipPlace(model, prompt, seed, bool(made)) for model, prompt, seed, made in rows)


def clip_lengths(store: Store) -> dict[str, list[float]]:
    """Return by model the lengths of the clips that are made, in seconds; models without clips are omitted."""
    lengths: dict[str, list[float]] = {}
    for model, seconds in store.each("SELECT model, CAST(frames AS REAL) / rate FROM clips WHERE state = 'made'"):
        lengths.setdefault(model, []).append(seconds)
    return lengths


def planned_rows(store: Store) -> list[PlannedRow]:
    """Return the clips of the present plan, models in the order of the run, clips of each as they were planned."""
    rows = store.rows(
        "SELECT clips.rowid, clips.id, model, prompt, seed, state, error, path, content, clips.rate, channels, frames, "
        "peak, gain, seconds, clips.provenance FROM clips JOIN models ON label = model "
        "JOIN prompts ON prompts.id = prompt WHERE state != 'replaced' ORDER BY models.position, clips.rowid"
    )
    return [PlannedRow(*row) for row in rows]


class ClipForm(NamedTuple):
    """Properties of a made clip: model, prompt, length as returned by the model, and rate.

    ``seconds`` is more than what is stored where the clip was cut to the run's duration; ``unread`` is how many tokens
    of the prompt the model did not read.
    """

    model: str
    prompt: str
    seconds: float
    rate: int
    unread: int


def clip_forms(store: Store) -> list[ClipForm]:
    """Return the form of each clip of the present plan that is made."""
    rows = store.rows(
        "SELECT model, prompt, coalesce(CASE WHEN instr(provenance, :name) THEN CASE json_type(provenance, :path) "
        "WHEN 'real' THEN min(json_extract(provenance, :path), 1e9) END END, CAST(frames AS REAL) / rate), rate, "
        "coalesce(CASE WHEN instr(provenance, :unread) THEN CASE json_type(provenance, :tokens) "
        "WHEN 'integer' THEN max(0, min(json_extract(provenance, :tokens), 1000000000)) END END, 0) "
        "FROM clips WHERE state = 'made'",
        {
            "name": f'"{RETURNED}"',
            "path": f"$.{RETURNED}",
            "unread": f'"{UNREAD}"',
            "tokens": f"$.{UNREAD}",
        },
    )
    return [ClipForm(*row) for row in rows]


def made_rows(store: Store) -> list[PlannedRow]:
    """Return the clips that are made, in the order in which they were planned."""
    return sorted((row for row in planned_rows(store) if row.state == "made"), key=lambda row: row.place)


def stray_clip(store: Store) -> tuple[str, str] | None:
    """Return model and prompt of a clip for which one is missing in the run; None if there is none."""
    rows = store.rows(
        "SELECT model, prompt FROM clips WHERE state != 'replaced' "
        "AND (model NOT IN (SELECT label FROM models) OR prompt NOT IN (SELECT id FROM prompts)) LIMIT 1"
    )
    return (rows[0][0], rows[0][1]) if rows else None


def audio_paths(store: Store) -> dict[str, str]:
    """Return by id where the audio of clips is, relative to the run folder; of clips that were replaced, too."""
    return dict(store.rows("SELECT id, path FROM clips WHERE content IS NOT NULL"))
