"""The reference sets that come with the package."""

from __future__ import annotations

from pathlib import Path


def composer() -> Path:
    """Return the path of the synthetic reference in six genres, embedded by musicnn-msd; for a run without other music.

    The prompts are those of ``genres@1``; the seeds start where no run's do (see `metrics.references.__main__`). It
    measures how close a model is to this composer, not to music in general.
    """
    return Path(__file__).parent / "composer"


def composer_unheard() -> Path:
    """Return the path of a reference as `composer`, of the half of its repertoire that no shipped model was trained
    on."""
    return Path(__file__).parent / "composer-unheard"
