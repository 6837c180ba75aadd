"""MusicGen on tiny checkpoints: the law its tokens are drawn by, and that greedy tokens are those of transformers."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from scipy.stats import chisquare
from transformers import AutoTokenizer, GenerationConfig, MusicgenForCausalLM, MusicgenForConditionalGeneration

from bench import Audio, GenerationRequest, Prompt
from bench.errors import UsageError
from models import tiny
from models.batching import clip_generator
from models.musicgen import MusicGen, choose_tokens
from models.tiny.weights import fill_module

SECONDS = 0.24
TEXTS = ("slow jazz with brushed drums and an upright bass", "techno", "a gentle bossa nova")


class Recording(MusicGen):
    """Keeps the tokens of its last pass."""

    def _decoded(self, tokens: torch.Tensor) -> torch.Tensor:
        self.tokens = tokens
        return super()._decoded(tokens)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Layers this small take longer to hand out than to compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make("musicgen", tmp_path_factory.mktemp("checkpoints") / "mono")


@pytest.fixture(scope="module")
def stereo(folder: Path) -> Path:
    """The mono checkpoint with a decoder of two channels, four codebooks each."""
    model = MusicgenForConditionalGeneration.from_pretrained(folder)
    config = model.decoder.config
    config.audio_channels, config.num_codebooks = 2, 8
    model.decoder = MusicgenForCausalLM(config)
    fill_module(model.decoder, seed=1)
    model.save_pretrained(folder.parent / "stereo")
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder.parent / "stereo")
    return folder.parent / "stereo"


@pytest.fixture(scope="module")
def adapter(folder: Path) -> Path:
    return tiny.make_adapter("musicgen", folder, folder.parent / "adapter")


@pytest.fixture(scope="module")
def model(folder: Path) -> Recording:
    return Recording(str(folder), device="cpu")


def requests(count: int, seconds: float = SECONDS) -> list[GenerationRequest]:
    """Texts in turn, each with several seeds."""
    prompts = [Prompt(id=f"p{i}", text=text, genre="any", level=1) for i, text in enumerate(TEXTS)]
    return [GenerationRequest(prompts[i % len(TEXTS)], 10 + i // len(TEXTS), seconds) for i in range(count)]


def samples(model: MusicGen, asked: Sequence[GenerationRequest]) -> list[np.ndarray]:
    clips = model.generate(asked)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_from_the_softmax_of_the_logits(temperature: float) -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5])
    draws = 20_000
    tokens = choose_tokens(logits.expand(1, draws, 5), [clip_generator(0)], temperature, None)[0]
    law = torch.softmax(logits.double() / temperature, -1).numpy()
    assert chisquare(np.bincount(tokens, minlength=5), law * draws).pvalue > 1e-3


def test_only_the_most_likely_tokens_are_drawn() -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5]).expand(1, 5000, 5)
    tokens = choose_tokens(logits, [clip_generator(0)], 3.0, 2)
    assert set(tokens.flatten().tolist()) == {1, 3}
    assert set(choose_tokens(logits, [clip_generator(0)], 3.0, 1).flatten().tolist()) == {3}


def test_a_row_draws_from_its_own_generator_alone() -> None:
    logits = torch.randn(3, 4, 50, generator=clip_generator(7))
    together = choose_tokens(logits, [clip_generator(seed) for seed in (1, 2, 1)], 1.0, 10)
    alone = [choose_tokens(logits[i : i + 1], [clip_generator(seed)], 1.0, 10) for i, seed in enumerate((1, 2, 1))]
    assert torch.equal(together, torch.cat(alone))
    state = torch.get_rng_state()
    choose_tokens(logits, [clip_generator(seed) for seed in (1, 2, 1)], 1.0, None)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("guidance", [3.0, 1.0])
@pytest.mark.parametrize("checkpoint", ["mono", "stereo"])
def test_greedy_clips_are_those_of_transformers(checkpoint: str, stereo: Path, guidance: float) -> None:
    folder = stereo.parent / checkpoint
    asked = requests(3)
    ours = samples(MusicGen(str(folder), top_k=1, guidance=guidance, device="cpu"), asked)
    plain = MusicgenForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    start = plain.decoder.config.pad_token_id
    for request, wave in zip(asked, ours, strict=True):
        settings = GenerationConfig(
            do_sample=False,
            guidance_scale=guidance,
            pad_token_id=start,
            bos_token_id=start,
            decoder_start_token_id=start,
        )
        text = tokenizer(request.prompt.text, return_tensors="pt")
        # 6 frames of 40 ms, and the delay of four codebooks
        expected = plain.generate(**text, generation_config=settings, max_length=6 + 4)
        np.testing.assert_allclose(wave, expected[0].numpy(), atol=1e-5)


def test_the_tokens_of_a_clip_do_not_depend_on_its_batch(model: Recording) -> None:
    asked = requests(8)
    model.batch_size = 8
    together = samples(model, asked)
    tokens = model.tokens
    assert tokens.shape == (8, 4, 6)
    assert len({tuple(row.flatten().tolist()) for row in tokens}) == 8
    for i in (0, 4, 7):
        alone = samples(model, [asked[i]])[0]
        assert torch.equal(model.tokens[0], tokens[i])
        np.testing.assert_allclose(alone, together[i], atol=1e-4)
    model.batch_size = 3
    np.testing.assert_allclose(samples(model, asked), together, atol=1e-4)
    model.batch_size = 8
    np.testing.assert_array_equal(samples(model, asked), together)
    samples(model, asked[::-1])
    assert torch.equal(model.tokens.flip(0), tokens)


def test_a_clip_is_as_long_as_asked_for_whatever_its_neighbours_are(model: Recording) -> None:
    asked = [requests(1, seconds)[0] for seconds in (0.1, 0.3333, 0.01, 0.1)]
    together = samples(model, asked)
    assert [wave.shape for wave in together] == [(1, 800), (1, 2666), (1, 80), (1, 800)]
    for request, wave in zip(asked, together, strict=True):
        np.testing.assert_allclose(samples(model, [request])[0], wave, atol=1e-4)
    with pytest.raises(UsageError, match=r"\b30\.5 s .*\b30 s"):
        model.generate(requests(1, 30.5))


def test_each_text_is_encoded_once(folder: Path) -> None:
    model = MusicGen(str(folder), device="cpu")
    samples(model, requests(1, 0.04))
    runs = []
    model._network.text_encoder.register_forward_hook(lambda *_: runs.append(1))
    samples(model, requests(9, 0.04))  # three seeds of three texts, the first of which is known
    assert len(runs) == 2


@pytest.mark.parametrize("whole", [False, True])
def test_an_adapter_is_heard_and_leaves_the_base_alone(
    folder: Path, adapter: Path, tmp_path: Path, whole: bool
) -> None:
    """Trained on the decoder, or, as its names tell, on the whole model."""
    asked = requests(2)
    if whole:
        from safetensors.torch import load_file, save_file

        weights = load_file(adapter / "adapter_model.safetensors")
        renamed = {name.replace("base_model.model.", "base_model.model.decoder."): w for name, w in weights.items()}
        save_file(renamed, tmp_path / "adapter_model.safetensors")
        (tmp_path / "adapter_config.json").write_bytes((adapter / "adapter_config.json").read_bytes())
    path = tmp_path if whole else adapter
    base = MusicGen(str(folder), device="cpu")
    before = samples(base, asked)
    heard = {
        scale: samples(MusicGen(str(folder), adapter=str(path), adapter_scale=scale, device="cpu"), asked)
        for scale in (0, 1.0)
    }
    np.testing.assert_array_equal(heard[0], before)
    assert np.abs(np.subtract(heard[1.0], before)).max() > 1e-3
    if whole:
        decoder_only = samples(MusicGen(str(folder), adapter=str(adapter), device="cpu"), asked)
        np.testing.assert_array_equal(heard[1.0], decoder_only)
    np.testing.assert_array_equal(samples(base, asked), before)
    np.testing.assert_array_equal(samples(MusicGen(str(folder), device="cpu"), asked), before)


def test_half_precision_gives_finite_sound(folder: Path) -> None:
    (wave,) = samples(MusicGen(str(folder), device="cpu", dtype="bfloat16"), requests(1))
    assert wave.std() > 1e-3


def test_closing_releases_the_network(folder: Path) -> None:
    model = MusicGen(str(folder), device="cpu")
    first = samples(model, requests(1))
    parameters = [weakref.ref(parameter) for parameter in model._network.parameters()]
    model.close()
    gc.collect()
    assert not any(reference() is not None for reference in parameters)
    np.testing.assert_array_equal(samples(model, requests(1)), first)


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0), ("top_k", 0), ("top_k", 2.5), ("guidance", -1), ("batch_size", 0)]
)
def test_parameters_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name):
        MusicGen(**{name: value})  # type: ignore[arg-type]
