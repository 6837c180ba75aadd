"""Provenance of a run as recorded: its request, environment, and the environment of the report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.contracts.prompt import Prompt
from bench.environment import environment
from bench.number_format import counted, plural, seconds_text
from bench.scores.protocol import suite_text
from bench.storage.read_clips import RETURNED, UNREAD, made_rows, planned_rows
from bench.storage.store import Store

Seeds = tuple[tuple[int, ...], ...]
"""The distinct sets of seeds of one model's prompts; a single one if all prompts have the same seeds."""

# Keys of a clip's provenance that do not describe the computer.
_OF_A_BATCH = ("batch", "params", "tries", RETURNED, UNREAD)


def about(store: Store) -> dict[str, str]:
    """Return facts as text, by name.

    The computer that builds the report is listed separately from those that made the clips.
    """
    recorded, prompts, made, planned = store.about(), list(store.prompts().values()), *_clips(store)
    suite = suite_text(recorded, len(prompts)) if "suite" in recorded else "not recorded"
    return {
        "suite": f"{suite}, {_prompts(prompts)}",
        "duration": seconds_text(recorded["duration"]) if "duration" in recorded else "not recorded",
        "seeds": seeds_in_words(seeds_of(store)),
        "clips": f"{made} of {planned} made",
        "tunebench": recorded.get("tunebench", "not recorded"),
        "clips were made with": "; ".join(
            f"{in_words(facts)} ({counted(clips, 'clip')})" for facts, clips in made_with(store)
        )
        or "no clip is made yet",
        "this report is built with": f"{in_words(environment())}; scores and clips may have been made elsewhere",
    }


def made_with(store: Store) -> list[tuple[dict[str, str], int]]:
    """Return computers and installations recorded in clips, with the number of clips; most frequent first."""
    counted: Counter[tuple[tuple[str, str], ...]] = Counter()
    for clip in made_rows(store):
        counted[tuple(sorted((k, str(v)) for k, v in clip.made_with.items() if k not in _OF_A_BATCH))] += 1
    return [(dict(facts), clips) for facts, clips in counted.most_common()]


def seeds_of(store: Store) -> dict[str, Seeds]:
    """Return, by model in the order of the run, the distinct sets of seeds of its prompts."""
    found: dict[str, dict[str, list[int]]] = {label: {} for label in store.labels()}
    for clip in sorted(planned_rows(store), key=lambda clip: (clip.seed, clip.prompt)):
        found[clip.model].setdefault(clip.prompt, []).append(clip.seed)
    return {model: tuple(dict.fromkeys(map(tuple, prompts.values()))) for model, prompts in found.items() if prompts}


def seeds_in_words(seeds: Mapping[str, Seeds]) -> str:
    """Return ``0, 1``, or seeds by model if they differ; consecutive seeds are shown as a range.

    If seeds differ between prompts, as with clips from files, it is the number of clips per prompt.
    """
    if len(set(seeds.values())) == 1:
        return _of_prompts(next(iter(seeds.values())))
    return "; ".join(f"{model}: {_of_prompts(own)}" for model, own in seeds.items())


def _of_prompts(seeds: Seeds) -> str:
    if len(seeds) == 1:
        return _numbers(seeds[0])
    fewest, most = min(map(len, seeds)), max(map(len, seeds))
    clips = counted(most, "clip")
    return f"different ones by prompt ({clips if fewest == most else f'{fewest} to {clips}'} per prompt)"


def named(path: Path) -> str:
    """Return the name of a file or folder as valid text: invalid UTF-8 becomes the replacement character."""
    return os.fsencode(path.name).decode(errors="replace")


def _numbers(numbers: Sequence[int]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 3 and last - first == len(numbers) - 1:
        return f"{first} to {last}"
    return ", ".join(map(str, numbers))


def _clips(store: Store) -> tuple[int, int]:
    clips = planned_rows(store)
    return sum(clip.state == "made" for clip in clips), len(clips)


def _prompts(prompts: Sequence[Prompt]) -> str:
    genres = len({prompt.genre for prompt in prompts if prompt.genre is not None})
    levels = sorted({prompt.level for prompt in prompts if prompt.level is not None})
    parts = [counted(len(prompts), "prompt"), *([counted(genres, "genre")] if genres else [])]
    return ", ".join([*parts, *([f"{plural(len(levels), 'level')} {_numbers(levels)}"] if levels else [])])


def in_words(facts: Mapping[str, str]) -> str:
    """Return one line; what the computer was is said to be unknown where only its kind was recorded."""
    computer = [facts.get("processor", ""), f"{facts['cores']} cores" if "cores" in facts else "", facts.get("memory")]
    known = [part for part in (*computer, facts.get("gpu")) if part]
    kind = " ".join(part for part in (facts.get("system"), facts.get("machine")) if part)
    lines = [
        f"tunebench {facts['tunebench']}" if "tunebench" in facts else "",
        f"Python {facts['python']}" if "python" in facts else "",
        f"on {kind}" if kind else "",
        ", ".join(known) or "processor, memory and GPU not recorded",
        facts.get("libraries") or "versions of libraries not recorded",
    ]
    return ", ".join(line for line in lines if line)
