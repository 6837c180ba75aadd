"""The built-in prompt suites."""

from __future__ import annotations

from importlib.resources import as_file, files

from bench.contracts.prompt import PromptSuite
from bench.contracts.prompt_suite import load_suite

QUICK_LEVELS = (2, 5)  # a short text without tempo and key, and a long one that states both


def genres() -> PromptSuite:
    """``genres@1``: choral, classical, dance, jazz, pop and rock, each at six levels; 36 prompts."""
    with as_file(files(__name__) / "genres.yaml") as path:
        return load_suite(path)


def quick() -> PromptSuite:
    """``quick@1``: levels 2 and 5 of each genre in ``genres@1``; 12 prompts with the same ids and texts."""
    return PromptSuite("quick", 1, tuple(p for p in genres().prompts if p.level in QUICK_LEVELS))
