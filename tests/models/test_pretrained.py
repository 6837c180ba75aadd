"""What the models with published weights share: batching of conditions, cutting to length, and refusals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from bench import Audio, GenerationRequest, Prompt
from bench.contracts.audio import Samples
from bench.errors import DataError, GenerationError, MissingError, UsageError
from bench.quiet import quiet_libraries
from models.batching import joined, trimmed
from models.pretrained import PretrainedModel
from models.vocabulary import check_vocabulary

RATE = 100  # Hz


@dataclass(eq=False)
class Ramp(PretrainedModel):
    """Plays seed + 0, 1, 2, …; runs out of memory on batches larger than ``fits``."""

    kind = "ramp"
    max_duration = 5.0
    _: KW_ONLY
    fits: int = 99
    device: str | None = "cpu"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.batches: list[tuple[int, int]] = []
        self.encoded: list[str] = []

    def _open(self, *_: object) -> Any:
        return object()

    def _encode(self, text: str) -> dict[str, torch.Tensor]:
        self.encoded.append(text)
        return {"length": torch.tensor([[len(text)]])}

    def _rate(self) -> int:
        return RATE

    def _length(self, duration: float) -> int:
        return round(duration * RATE)

    def _clips(self, conditions: Sequence[Any], seeds: Sequence[int], length: int) -> Samples:
        assert len(conditions) == len(seeds)
        self.batches.append((len(seeds), length))
        if len(seeds) > self.fits:
            raise torch.OutOfMemoryError("tried to allocate")
        ramp = np.arange(length, dtype=np.float32)
        return np.stack([np.stack([seed + ramp]) for seed in seeds])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A checkpoint of an architecture that only exists here."""
    from models import base_checkpoint

    monkeypatch.setitem(base_checkpoint.ARCHITECTURES, "ramp", "Ramp")
    (tmp_path / "config.json").write_text('{"architectures": ["Ramp"]}')
    torch.save({}, tmp_path / "pytorch_model.bin")
    return str(tmp_path)


def request(seed: int, seconds: float = 0.5, text: str = "jazz") -> GenerationRequest:
    return GenerationRequest(Prompt(id="p", text=text, genre="any", level=1), seed, seconds)


def test_a_pass_has_one_length_and_results_keep_their_order(folder: str) -> None:
    model = Ramp(folder)
    asked = [request(seed, seconds) for seed, seconds in enumerate((0.5, 0.2, 0.5, 0.3, 0.2))]
    clips = model.generate(asked)
    assert model.batches == [(2, 50), (2, 20), (1, 30)]
    assert [(clip.samples[0, 0], clip.frames) for clip in clips if isinstance(clip, Audio)] == [
        (0, 50),
        (1, 20),
        (2, 50),
        (3, 30),
        (4, 20),
    ]


def test_a_batch_too_large_for_the_memory_is_halved_and_a_text_still_encoded_once(folder: str) -> None:
    model = Ramp(folder, fits=2)
    clips = model.generate([request(seed, text="ab"[seed % 2]) for seed in range(8)])
    assert [clip.samples[0, 0] for clip in clips if isinstance(clip, Audio)] == list(range(8))
    assert [size for size, _ in model.batches] == [8, 4, 2, 2, 4, 2, 2]
    assert sorted(model.encoded) == ["a", "b"]
    starved = Ramp(folder, fits=0).generate([request(0)])[0]
    assert isinstance(starved, GenerationError)
    assert "memory" in str(starved)


def test_too_long_a_clip_and_a_negative_scale_are_refused(folder: str) -> None:
    with pytest.raises(UsageError, match=r"\b6 s .*\b5 s"):
        Ramp(folder).generate([request(0), request(1, 6.0)])
    with pytest.raises(UsageError, match=r"adapter_scale .*-1\b.* 0$"):
        Ramp(folder, adapter_scale=-1)
    with pytest.raises(UsageError, match=r"adapter_scale .*0\.5"):
        Ramp(folder, adapter_scale=0.5)
    with pytest.raises(UsageError, match=r"batch_size .*\b0\b.*whole number .*1$"):
        Ramp(folder, batch_size=0)


def test_a_checkpoint_that_cannot_be_opened_says_why_in_a_line(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> None:
        def opened(*_: object) -> None:
            raise error

        monkeypatch.setattr(Ramp, "_open", opened)

    fail(KeyError("weight\nof a layer"))
    with pytest.raises(DataError, match=rf"'{re.escape(folder)}'.*\(KeyError: .*weight") as caught:
        Ramp(folder).generate([request(0)])
    assert "\n" not in str(caught.value)
    fail(torch.OutOfMemoryError("tried to allocate"))
    with pytest.raises(MissingError, match=rf"'{re.escape(folder)}'.* cpu; .*dtype: bfloat16"):
        Ramp(folder).generate([request(0)])


def test_what_does_not_fit_is_found_out_once(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    def refuse(*_: object) -> None:
        opened.append(1)
        raise UsageError("adapter 'x' does not fit")

    monkeypatch.setattr(Ramp, "_open", refuse)
    model = Ramp(folder)
    for _ in range(3):
        with pytest.raises(UsageError, match="adapter 'x'"):
            model.generate([request(0)])
    assert len(opened) == 1
    model.close()
    with pytest.raises(UsageError):
        model.generate([request(0)])
    assert len(opened) == 2


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ramp, "needs", ("torch", "no_such_package"))
    with pytest.raises(MissingError, match=r"ramp .*no_such_package.*'tunebench\[diffusion\]'"):
        Ramp.require()


def test_conditions_are_padded_at_the_end_and_masked_there() -> None:
    short = {"states": torch.ones(1, 2, 3), "mask": torch.ones(1, 2), "vector": torch.ones(1, 3)}
    long = {"states": torch.full((1, 4, 3), 2.0), "mask": torch.ones(1, 4), "vector": torch.full((1, 3), 2.0)}
    batch = joined([short, long])
    assert batch["states"].shape == (2, 4, 3)
    assert batch["states"][0, :, 0].tolist() == [1, 1, 0, 0]
    assert batch["mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch["vector"].tolist() == [[1, 1, 1], [2, 2, 2]]


def test_sound_is_cut_to_the_nearest_sample_and_refused_if_short_or_not_finite() -> None:
    wave = np.linspace(-1, 1, 60, dtype=np.float32)[None]
    clip = trimmed(wave, request(0, 0.333), RATE)
    assert isinstance(clip, Audio)
    np.testing.assert_array_equal(clip.samples, wave[:, :33])
    short = trimmed(wave, request(0, 0.7), RATE)
    assert isinstance(short, GenerationError)
    assert "0.6 s of the 0.7 s" in str(short)
    broken = trimmed(np.where(wave > 0, np.nan, wave), request(3, 0.6), RATE)
    assert isinstance(broken, GenerationError)
    assert "seed 3" in str(broken)
    # What is cut off is not judged.
    assert isinstance(trimmed(np.where(wave > 0, np.nan, wave), request(3, 0.2), RATE), Audio)


@pytest.mark.parametrize(("known", "usable"), [(5, False), (32100, True), (32128, True), (50265, False)])
def test_a_vocabulary_must_be_the_encoders(known: int, usable: bool) -> None:
    tokenizer, encoder = range(known), SimpleNamespace(config=SimpleNamespace(vocab_size=32128))
    if usable:
        check_vocabulary(tokenizer, encoder, Path("tokenizer"))
    else:
        with pytest.raises(MissingError, match=rf"\b{known} tokens.*\b32128\b"):
            check_vocabulary(tokenizer, encoder, Path("tokenizer"))


def test_loading_leaves_the_libraries_reports_as_they_were() -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    with quiet_libraries():
        assert not logging.is_progress_bar_enabled()
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
