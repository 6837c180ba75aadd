"""Checkpoints that several files of these tests train."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import tiny


@pytest.fixture(scope="module")
def stable_audio_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("stable-audio", tmp_path_factory.mktemp("checkpoints") / "base")


@pytest.fixture(scope="module")
def audioldm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("audioldm", tmp_path_factory.mktemp("checkpoints") / "base")
