"""What comes with the package plays, is found by its name from any folder, and knows what it was trained on."""

from __future__ import annotations

from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from bench.cli import app
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from models.base_checkpoint import identity, locate
from models.card import read_card
from models.nano.composer_reconstruction import ComposerReconstruction
from models.nano.make import HELD_OUT
from models.shipped import FOLDER, lasting_name, local_path, shipped

BASE, ADAPTER = "audioldm-nano", "audioldm-nano-pop"
REQUEST = GenerationRequest(Prompt("p", "Calm pop", "pop"), 0, 1.0)


def test_names_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(shipped()) == {BASE, ADAPTER}
    assert locate(BASE, None, "audioldm") == FOLDER / BASE
    assert lasting_name(BASE) == BASE and local_path(ADAPTER) == FOLDER / ADAPTER
    (tmp_path / BASE).mkdir()  # a folder here comes first, as of a hub id
    assert local_path(BASE) == Path(BASE) and lasting_name(BASE) == str(tmp_path / BASE)
    with pytest.raises(UsageError):
        locate("audioldm-nona", None, "audioldm")


def test_the_command_makes_what_is_shipped() -> None:
    (made,) = (one for one in app.registered_groups if one.name == "models")
    assert made.typer_instance is not None
    (command,) = (one.callback for one in made.typer_instance.registered_commands if one.name == "make-nano")
    assert command is not None
    assert signature(command).parameters["hold_out"].default == HELD_OUT
    assert f"{BASE}-{HELD_OUT}" == ADAPTER


def test_they_are_small_and_say_where_the_music_is_from() -> None:
    assert sum(file.stat().st_size for file in (FOLDER / BASE).rglob("*.safetensors")) <= 12e6
    assert (FOLDER / ADAPTER / "adapter_model.safetensors").stat().st_size <= 500_000
    for name in (BASE, ADAPTER):
        card = read_card(FOLDER / name)
        assert card.data.about["model"] == "composer@1" and card.data.about["synthetic"] is True
    assert read_card(FOLDER / ADAPTER).base["weights"] == identity(BASE, None)["weights"]


@pytest.mark.slow(15)
def test_base_and_tuned_play_different_music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("diffusers")
    from models.audioldm import AudioLDMNano

    monkeypatch.chdir(tmp_path)
    tuned = {"adapter": ADAPTER}
    clips = []
    for params in ({}, tuned, {**tuned, "adapter_scale": 0.0}, {"prompt_prefix": "Loud rock. "}):
        (clip,) = AudioLDMNano(device="cpu", steps=3, **params).generate([REQUEST])
        assert not isinstance(clip, Exception)
        assert (clip.rate, clip.frames) == (16_000, 16_000) and clip.peak > 0.01
        clips.append(clip.samples)
    base, adapted, off, prefixed = clips
    assert np.array_equal(base, off)
    assert not np.array_equal(base, adapted) and not np.array_equal(base, prefixed)
    assert tuple(AudioLDMNano(adapter=ADAPTER).trained_with()) == ("composer",)
    assert tuple(AudioLDMNano().conditioned_on()) == ()


@pytest.mark.slow(10)
def test_a_checkpoint_in_half_precision_reconstructs() -> None:
    pytest.importorskip("diffusers")
    (clip,) = ComposerReconstruction(BASE, "training", device="cpu").generate([REQUEST])
    assert (clip.rate, clip.frames) == (16_000, 16_000)
    assert np.isfinite(clip.samples).all() and clip.peak > 0.01
