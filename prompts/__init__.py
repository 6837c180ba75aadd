"""The built-in prompt suites."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files
from itertools import product

from bench.contracts.prompt import Prompt, PromptSuite
from bench.contracts.prompt_suite import load_suite

QUICK_LEVELS = (2, 5)  # a short text without tempo and key, and a long one that states both

CONTROL_GENRES = {
    "jazz": "An instrumental jazz tune for piano, double bass and drums",
    "pop": "An instrumental pop song with piano, bass guitar and drums",
    "rock": "An instrumental rock song with electric guitars, bass and drums",
}
CONTROL_TEMPOS = (88, 104, 124, 148)  # slower ones a tracker doubles in pop and rock
CONTROL_KEYS = ("C major", "Eb major", "A major", "D minor", "F# minor")


def genres() -> PromptSuite:
    """``genres@1``: choral, classical, dance, jazz, pop and rock, each at six levels; 36 prompts."""
    return _shipped("genres")


def quick() -> PromptSuite:
    """``quick@1``: levels 2 and 5 of each genre in ``genres@1``; 12 prompts with the same ids and texts."""
    return _quick("quick", genres())


def genres_dev() -> PromptSuite:
    """``genres-dev@1``: the design of ``genres@1`` in other words, to tune and choose by; 36 prompts."""
    return _shipped("genres-dev")


def quick_dev() -> PromptSuite:
    """``quick-dev@1``: levels 2 and 5 of each genre in ``genres-dev@1``; 12 prompts with the same ids and texts."""
    return _quick("quick-dev", genres_dev())


def genres_paraphrased() -> PromptSuite:
    """``genres-paraphrased@1``: levels 2 to 5 of ``genres@1`` in other words, under the same ids; 24 prompts."""
    return _shipped("genres-paraphrased")


def genres_unnamed() -> PromptSuite:
    """``genres-unnamed@1``: ``genres@1`` without the names of genres and styles, under the same ids; 36 prompts."""
    return _shipped("genres-unnamed")


def control() -> PromptSuite:
    """``control@1``: tempos × keys × genres in words, and as fields where a backend takes them; 60 prompts.

    Each of three genres is asked for the same 20 pairs of tempo and key. No tempo is within 4 % of a simple multiple
    (1/3, 1/2, 2/3, 3/4 and their inverses) of another; the five keys are on tonics of their own, two of them minor.
    Scored by ``tempo-adherence`` and ``key-adherence``; chance is what music has that heeds neither.
    """
    asked = product(CONTROL_GENRES.items(), enumerate(CONTROL_TEMPOS, 1), enumerate(CONTROL_KEYS, 1))
    prompts = tuple(
        Prompt(
            id=f"{genre}-{slow}-{tonic}",
            text=f"{words} at {bpm} bpm in {key}, in simple time with a steady beat",
            genre=genre,
            bpm=bpm,
            key=key,
        )
        for (genre, words), (slow, bpm), (tonic, key) in asked
    )
    return PromptSuite("control", 1, prompts, splits=dict.fromkeys((prompt.id for prompt in prompts), "test"))


def _shipped(name: str) -> PromptSuite:
    with as_file(files(__name__) / f"{name}.yaml") as path:
        return load_suite(path)


def _quick(name: str, whole: PromptSuite) -> PromptSuite:
    return replace(whole, name=name, prompts=tuple(p for p in whole.prompts if p.level in QUICK_LEVELS))
