"""What is claimed of tuning, made again: a LoRA trained now plays nearer to the genre that its base never heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.config.recipe import load_recipe
from bench.progress import Silent
from models.nano.make import HELD_OUT
from tests.benchmarks.nano import measure_tuning, recipe_params


@pytest.mark.learn
def test_a_training_of_the_recipe_comes_nearer_to_the_held_out_genre(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    from models.audioldm import AudioLDMNano
    from models.training.config import parse_train_config
    from models.training.train import train

    trained = train(parse_train_config(load_recipe("nano").train["lora-0"], "lora-0"), tmp_path / "lora", Silent())
    base, tuned = recipe_params("base"), {**recipe_params("lora-0"), "adapter": str(trained.folder)}
    _, low, high = measure_tuning(AudioLDMNano(**base), AudioLDMNano(**tuned), HELD_OUT)
    assert low < high < 0
