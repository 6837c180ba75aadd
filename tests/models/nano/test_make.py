"""Making a nano checkpoint, at a five-hundredth of the effort: every stage runs, resumes, and says what it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench import UsageError
from bench.contracts.model import GenerationRequest
from bench.contracts.prompt import Prompt
from bench.progress import Silent
from models.card import read_card
from models.nano.make import NanoPlan, make, network_config


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> NanoPlan:
    pytest.importorskip("diffusers")
    return NanoPlan("audioldm", tmp_path_factory.mktemp("nano"), hold_out="jazz", effort=0.002, jobs=1)


@pytest.fixture(scope="module")
def checkpoint(plan: NanoPlan) -> Path:
    return make(plan, Silent())


@pytest.mark.slow(60)
def test_it_is_a_checkpoint_like_any_other(checkpoint: Path) -> None:
    from safetensors import safe_open

    from models.audioldm import AudioLDM

    (clip,) = AudioLDM(str(checkpoint), steps=2, device="cpu").generate(
        [GenerationRequest(Prompt("p", "Calm pop at 90 bpm"), 0, 1.0)]
    )
    assert not isinstance(clip, Exception)
    assert (clip.rate, clip.frames) == (16_000, 16_000)
    files = list(checkpoint.rglob("*.safetensors"))
    assert sum(file.stat().st_size for file in files) <= 12e6
    for file in files:
        with safe_open(file, "pt") as tensors:
            assert {tensors.get_slice(name).get_dtype() for name in tensors.keys()} <= {"F16", "I64"}  # noqa: SIM118


@pytest.mark.slow(5)
def test_its_card_says_what_it_was_trained_on(plan: NanoPlan, checkpoint: Path) -> None:
    card = read_card(checkpoint)
    assert card.data.about["synthetic"] is True and card.data.about["model"] == "composer@1"
    assert len(card.data.train) + len(card.data.held_out) == plan.scaled(3000)
    heard = {
        folder: {path.name.partition("-")[0] for path in (plan.out / folder).glob("*.flac")}
        for folder in ("music", "held-out")
    }
    assert heard == {"music": {"choral", "classical", "dance", "pop", "rock"}, "held-out": {"jazz"}}


@pytest.mark.slow(5)
def test_the_same_command_leaves_what_is_finished(plan: NanoPlan, checkpoint: Path) -> None:
    before = digest(plan.out / "base"), digest(checkpoint)
    assert make(plan, Silent()) == checkpoint
    assert (digest(plan.out / "base"), digest(checkpoint)) == before


@pytest.mark.slow(5)
def test_a_folder_of_another_plan_is_refused(plan: NanoPlan, checkpoint: Path) -> None:
    before = digest(checkpoint)
    for other in ({"hold_out": "pop"}, {"effort": 0.003}):
        with pytest.raises(UsageError):
            make(replace(plan, **other), Silent())
    assert digest(checkpoint) == before


@pytest.mark.slow(5)
def test_no_file_says_where_it_was_made(plan: NanoPlan, checkpoint: Path) -> None:
    for path in checkpoint.rglob("*"):
        if path.is_file():
            assert str(plan.out).encode() not in path.read_bytes(), path


def test_settings_scale_with_the_effort(tmp_path: Path) -> None:
    whole, tenth = (network_config(NanoPlan("audioldm", tmp_path, effort=effort)) for effort in (1.0, 0.1))
    assert whole.steps is not None and tenth.steps == whole.steps // 10
    assert whole.method == "full" and whole.data.path == str(tmp_path / "music")


@pytest.mark.parametrize(
    "wrong", [{"kind": "audioldn"}, {"hold_out": "jaz"}, {"effort": 0.0}, {"effort": 1.5}, {"effort": float("nan")}]
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        NanoPlan(**{"kind": "audioldm", "out": tmp_path, **wrong})  # type: ignore[arg-type]
