"""What is claimed of tuning, made again: clips of a LoRA trained now fit the genre that its base never heard better."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.config.recipe import load_recipe
from bench.progress import Silent
from tests.benchmarks.nano import measure_tuning


@pytest.mark.learn
def test_a_training_of_the_recipe_fits_the_held_out_genre_better(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    from models.training.config import parse_train_config
    from models.training.train import train

    trained = train(parse_train_config(load_recipe("nano").train["lora-0"], "lora-0"), tmp_path / "lora", Silent())
    _, low, high = measure_tuning(tmp_path, str(trained.folder))["genre-fit"]
    assert 0 < low < high
