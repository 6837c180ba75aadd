"""What the folder of a listening test holds, and how one is told: nothing heavy is imported for that."""

from __future__ import annotations

from pathlib import Path

DESIGN, SOUNDS, ANSWERS = "design.json", "sounds", "answers"
"""The design, the folder of the sounds, and the folder that files of the static pages are put into."""

SPOILED = "spoiled"
"""Stands in the place of a model for a copy that was spoiled on purpose."""


def is_test(path: Path) -> bool:
    """Return whether a path is the folder of a listening test."""
    return (path / DESIGN).is_file()
