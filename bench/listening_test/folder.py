"""Layout of a listening test's folder, and how to recognize one, without heavy imports."""

from __future__ import annotations

from pathlib import Path

DESIGN, SOUNDS, ANSWERS = "design.json", "sounds", "answers"
"""The design, the folder of the sounds, and the folder for answer files of the static pages."""

SPOILED = "spoiled"
"""Stands for a model in degraded copies of clips."""


def is_test(path: Path) -> bool:
    """Return whether a path is the folder of a listening test."""
    return (path / DESIGN).is_file()
