"""Clips of a run with safe names for files, as a database may be untrusted."""

from __future__ import annotations

from bench.errors import DataError, TunebenchError
from bench.storage.layout import audio_name, is_audio, is_hash
from bench.storage.read_clips import stray_clip
from bench.storage.store import Store, StoredClip


def own_clips(store: Store) -> list[StoredClip]:
    """Return the made clips, in the order of the plan.

    Raises:
        DataError: as `refuse_strays`, or a clip lies where none of ours does, or is of an unknown prompt.
    """
    refuse_strays(store)
    try:
        store.prompts()  # a Prompt checks its id
    except (TunebenchError, TypeError, AttributeError) as error:
        raise DataError(f"{store.folder}/run.db: {error}") from None
    clips = store.made()
    for clip in clips:
        if not is_hash(clip.id) or clip.path != audio_name(clip.model, clip.id) or not is_audio(clip.path):
            raise DataError(
                f"{store.folder}: the clip {clip.id[:16]!r} has the unexpected path {str(clip.path)[:200]!r}"
            )
    return clips


def refuse_strays(store: Store) -> None:
    """Check that the run has the model and prompt of each clip.

    Raises:
        DataError: it lacks one; the message names both.
    """
    if stray := stray_clip(store):
        model, prompt = stray
        raise DataError(
            f"{store.folder}/run.db is damaged: it has a clip of {model!r:.80} for {prompt!r:.80} and no such model "
            "or no such prompt; restore it from a backup, or run into another folder"
        )
