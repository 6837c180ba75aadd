"""The clips of a run as sets: sets for set metrics, and the part of each clip that is embedded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bench.config.run_config import CommonGround
from bench.contracts.clip_view import View, common_view
from bench.contracts.prompt import Prompt
from bench.hashing import fingerprint
from bench.planning.clip_group import ClipGroup
from bench.storage.read_clips import clip_lengths
from bench.storage.store import Store, StoredClip

GROUPINGS = ("genre", "level")


def view_of(store: Store, ground: CommonGround) -> View:
    """Return the part of the clips of a run that is embedded.

    Args:
        store: of the run; the lengths of its clips decide where the setting is ``auto``.
        ground: the setting of the run's configuration.
    """
    if ground.seconds is None:
        return View(None, ground.band)
    if ground.seconds != "auto":
        return View(ground.seconds, ground.band)
    return common_view(clip_lengths(store).values(), ground.band)


def clip_groups(clips: Sequence[StoredClip], prompts: Mapping[str, Prompt]) -> list[ClipGroup]:
    """Return all clips, and those of each genre and each level of the prompts, each with the identity of that set.

    Args:
        clips: in any order.
        prompts: by id, those of the clips among them.

    Returns:
        All clips first; ``members`` are positions in ``clips``, none for a genre or level without clips.
    """
    places: dict[tuple[str, str], list[int]] = {("all", "all"): []}
    for prompt in prompts.values():
        for key in _groups(prompt):
            places.setdefault(key, [])
    for place, clip in enumerate(clips):
        places["all", "all"].append(place)
        for key in _groups(prompts[clip.prompt]):
            places[key].append(place)
    return [
        ClipGroup(grouping, name, clips_hash(clips[place] for place in members), tuple(members))
        for (grouping, name), members in places.items()
    ]


def _groups(prompt: Prompt) -> list[tuple[str, str]]:
    """Return the groups that a prompt is in, as (grouping, name)."""
    return [(by, str(value)) for by in GROUPINGS if (value := getattr(prompt, by)) is not None]


def clips_hash(clips: Iterable[StoredClip]) -> str:
    """Return the identity of a set of clips: the fingerprint of their sounds, in any order."""
    return fingerprint(sorted(clip.content for clip in clips))
