"""The reference sets that come with the package."""

from __future__ import annotations

from pathlib import Path


def composer() -> Path:
    """Synthetic: the composer's music in six genres, as embedded by musicnn-msd; for a run without other music.

    The prompts are those of ``genres@1``; the seeds start where no run's do (see `metrics.references.__main__`). It
    says how near a model is to this composer, not to music at large.
    """
    return Path(__file__).parent / "composer"


def composer_unheard() -> Path:
    """Synthetic, as `composer`, in the half of the composer's repertoire that no shipped model was trained on."""
    return Path(__file__).parent / "composer-unheard"
