"""What only AudioLDM 2 has: a language model, and conditions whose lengths differ from prompt to prompt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from transformers import GPT2Model

from bench import Audio, GenerationRequest, Prompt
from models import tiny
from models.audioldm2 import AudioLDM2


def clip(folder: Path) -> np.ndarray:
    prompt = Prompt(id="p", text="a fast techno beat", genre="any", level=1)
    result = AudioLDM2(str(folder), steps=1, device="cpu").generate([GenerationRequest(prompt, 0, 0.2)])[0]
    assert isinstance(result, Audio)
    return result.samples


@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_a_language_model_saved_without_its_head_is_read_as_the_published_ones_are(tmp_path: Path) -> None:
    folder = tiny.make("audioldm2", tmp_path / "checkpoint")
    expected = clip(folder)
    language = folder / "language_model"
    bare = GPT2Model.from_pretrained(language)
    (language / "model.safetensors").unlink()
    bare.save_pretrained(language)
    index = json.loads((folder / "model_index.json").read_text())
    index["language_model"] = ["transformers", "GPT2Model"]
    (folder / "model_index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(clip(folder), expected)
