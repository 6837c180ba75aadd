"""What a text encoder leaves unread of a prompt: counted in tokens, and without effect on the clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("torchsde")

from bench import Audio, GenerationRequest, MusicModel, Prompt
from bench.contracts.plugins import create, find
from bench.errors import UsageError
from models import tiny
from models.vocabulary import unread_tokens

pytestmark = pytest.mark.slow(5)

LIMITS = {
    "stable-audio": (128,),
    "stable-audio-3": (256,),
    "audioldm": (77,),
    "audioldm2": (77, 128),
}  # of the tiny checkpoints' tokenizers


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("checkpoints")
    found = {}
    for kind in tiny.KINDS:
        steps = {} if kind == "musicgen" else {"steps": 1}
        params = {"checkpoint": str(tiny.make(kind, folder / kind)), "device": "cpu", **steps}
        found[kind] = create(find("model", kind), params, MusicModel)
    return found


def prompt(text: str) -> Prompt:
    return Prompt(id="p", text=text, genre="any", level=1)


def played(model: MusicModel, text: str, seconds: float = 0.2) -> np.ndarray:
    (clip,) = model.generate([GenerationRequest(prompt(text), 3, seconds)])
    assert isinstance(clip, Audio)
    return clip.samples


@pytest.mark.parametrize("kind", LIMITS)
def test_prompts_that_differ_in_what_is_unread_give_one_clip_and_are_counted(kind: str, models: dict[str, Any]) -> None:
    model: Any = models[kind]
    long = "loud rock guitars and " * 60
    clips = [played(model, long + end) for end in ("drums", "a slow sad piano", "")]
    assert np.array_equal(clips[0], clips[1]) and np.array_equal(clips[0], clips[2])
    tokenizers = [getattr(model._network, name) for name in model.encoders]
    assert tuple(tokenizer.model_max_length for tokenizer in tokenizers) == LIMITS[kind]
    lengths = [len(tokenizer(long + "drums").input_ids) for tokenizer in tokenizers]
    expected = max(length - limit for length, limit in zip(lengths, LIMITS[kind], strict=True))
    assert model.unread_tokens(prompt(long + "drums")) == expected > 100
    assert model.unread_tokens(prompt("a slow sad piano")) == 0
    assert not np.array_equal(played(model, "a slow sad piano"), clips[0])


@pytest.mark.parametrize("kind", LIMITS)
def test_a_negative_prompt_that_would_be_cut_is_refused_where_it_has_an_effect(
    kind: str, models: dict[str, Any]
) -> None:
    params = {"checkpoint": models[kind].checkpoint, "device": "cpu", "steps": 1, "negative_prompt": "bad " * 300}
    with pytest.raises(UsageError, match="negative_prompt"):
        played(create(find("model", kind), params, MusicModel), "techno")
    played(create(find("model", kind), {**params, "guidance": 1.0}, MusicModel), "techno")


def test_musicgen_reads_texts_to_their_end(models: dict[str, Any]) -> None:
    long = "loud rock guitars and " * 60
    model = models["musicgen"]
    clips = [played(model, long + end, seconds=4.0) for end in ("drums", "a slow sad piano")]
    assert not np.array_equal(clips[0], clips[1])
    assert model.unread_tokens(prompt(long)) == 0


@pytest.mark.parametrize("limit", [5, 77])
def test_a_text_as_long_as_the_limit_is_read_to_its_end(limit: int, capfd: pytest.CaptureFixture[str]) -> None:
    from models.tiny.vocabulary import roberta_tokenizer

    tokenizer = roberta_tokenizer(limit)
    special = len(tokenizer("").input_ids)
    assert len(tokenizer("###").input_ids) == 3 + special
    capfd.readouterr()
    counts = [unread_tokens(tokenizer, "#" * (limit - special + more)) for more in (-1, 0, 1, 20)]
    assert counts == [0, 0, 1, 20]
    assert capfd.readouterr() == ("", "")
