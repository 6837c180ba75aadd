"""AudioLDM and AudioLDM 2 on tiny checkpoints: what clips depend on, and that they are the plain pipeline's."""

from __future__ import annotations

import gc
import inspect
import json
import re
import shutil
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import diffusers
import torch

from bench import Audio, GenerationRequest, Prompt
from bench.contracts.plugins import create, find
from bench.errors import MissingError, UsageError
from models import tiny
from models.audioldm import AudioLDM, AudioLDMLora
from models.audioldm2 import AudioLDM2

STEPS = 2
SECONDS = 0.32
RATE = 8000  # Hz, of the tiny checkpoints
TEXTS = ("slow jazz with brushed drums and an upright bass", "techno", "a gentle bossa nova")
MODELS = {"audioldm": AudioLDM, "audioldm2": AudioLDM2}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Layers this small take longer to hand out than to compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module", params=MODELS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make(kind, tmp_path_factory.mktemp("checkpoints") / kind)


@pytest.fixture(scope="module")
def adapter(kind: str, folder: Path) -> Path:
    return tiny.make_adapter(kind, folder, folder.parent / f"{kind}-adapter")


def made(kind: str, folder: Path, **params: object) -> AudioLDM:
    return MODELS[kind](str(folder), **{"steps": STEPS, "device": "cpu", **params})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(kind: str, folder: Path) -> AudioLDM:
    """Draws fresh noise at each step, too."""
    return made(kind, folder, eta=0.8)


def requests(count: int, seconds: float = SECONDS) -> list[GenerationRequest]:
    """Texts in turn, each with several seeds."""
    prompts = [Prompt(id=f"p{i}", text=text, genre="any", level=1) for i, text in enumerate(TEXTS)]
    return [GenerationRequest(prompts[i % len(TEXTS)], 10 + i // len(TEXTS), seconds) for i in range(count)]


def samples(model: AudioLDM, asked: Sequence[GenerationRequest]) -> list[np.ndarray]:
    clips = model.generate(asked)
    assert all(isinstance(clip, Audio) for clip in clips)
    return [clip.samples for clip in clips if isinstance(clip, Audio)]


@pytest.mark.parametrize("guidance", [2.0, 1.0])
@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_clips_are_those_of_the_plain_pipeline(kind: str, folder: Path, guidance: float) -> None:
    asked = requests(3)
    ours = samples(made(kind, folder, eta=0.8, guidance=guidance, negative_prompt="low quality"), asked)
    plain = getattr(diffusers, {"audioldm": "AudioLDMPipeline", "audioldm2": "AudioLDM2Pipeline"}[kind])
    pipeline = plain.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    for request, wave in zip(asked, ours, strict=True):
        expected = pipeline(
            request.prompt.text,
            negative_prompt="low quality",
            audio_length_in_s=SECONDS,
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            eta=0.8,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        ).audios
        np.testing.assert_allclose(wave, expected, atol=1e-5)


def test_a_clip_does_not_depend_on_its_batch(model: AudioLDM) -> None:
    asked = requests(8)
    by_size = {}
    for size in (1, 3, 8):
        model.batch_size = size
        by_size[size] = samples(model, asked)
    for size in (1, 3):
        np.testing.assert_allclose(by_size[size], by_size[8], atol=1e-4)
    np.testing.assert_array_equal(samples(model, asked), by_size[8])
    np.testing.assert_allclose(samples(model, asked[::-1])[::-1], by_size[8], atol=1e-4)
    apart = [np.abs(a - b).max() for i, a in enumerate(by_size[8]) for b in by_size[8][:i]]
    assert min(apart) > 0.01  # eight prompts and seeds, eight clips


def test_a_clip_is_as_long_as_asked_for_whatever_its_neighbours_are(model: AudioLDM) -> None:
    asked = [requests(1, seconds)[0] for seconds in (0.1, 0.3333, 0.01, 0.1)]
    together = samples(model, asked)
    assert [wave.shape for wave in together] == [(1, 800), (1, 2666), (1, 80), (1, 800)]
    for request, wave in zip(asked, together, strict=True):
        np.testing.assert_allclose(samples(model, [request])[0], wave, atol=1e-4)
    clip = model.generate(asked[:1])[0]
    assert isinstance(clip, Audio)
    assert clip.rate == RATE
    assert clip.peak > 0.01


def test_too_long_a_clip_is_refused_before_anything_is_loaded(kind: str, folder: Path) -> None:
    model = made(kind, folder)
    with pytest.raises(UsageError, match=r"\b11 s .*\b10\.24 s"):
        model.generate(requests(1, 11.0))
    assert model._network is None
    short = made(kind, folder, max_duration=0.2)
    with pytest.raises(UsageError, match=r"\b0\.21 s .*\b0\.2 s"):
        short.generate(requests(1, 0.21))


def test_each_text_is_encoded_once(kind: str, folder: Path) -> None:
    model = made(kind, folder, steps=1)
    samples(model, requests(1))
    runs = []
    network = model._network
    encoder = network.text_encoder.text_model if kind == "audioldm2" else network.text_encoder
    encoder.register_forward_hook(lambda *_: runs.append(1))
    samples(model, requests(9))  # three seeds of three texts, the first of which is known
    # AudioLDM 2 encodes the negative prompt beside each text, since it is cut to that text's length.
    assert len(runs) == {"audioldm": 2, "audioldm2": 4}[kind]


def test_guidance_steers_away_from_the_negative_prompt(kind: str, folder: Path) -> None:
    def played(guidance: float, negative: str) -> np.ndarray:
        return samples(made(kind, folder, guidance=guidance, negative_prompt=negative), requests(1))[0]

    assert np.abs(played(3.0, "") - played(3.0, "loud")).max() > 1e-4
    np.testing.assert_array_equal(played(1.0, ""), played(1.0, "loud"))


def test_an_adapter_is_heard_at_its_scale_and_leaves_the_base_alone(kind: str, folder: Path, adapter: Path) -> None:
    asked = requests(2)
    base = made(kind, folder)
    before = samples(base, asked)
    tuned = {scale: made(kind, folder, adapter=str(adapter), adapter_scale=scale) for scale in (0, 0.5, 1.0)}
    heard = {scale: samples(model, asked) for scale, model in tuned.items()}
    np.testing.assert_array_equal(heard[0], before)
    assert np.abs(np.subtract(heard[1.0], before)).max() > 1e-3
    assert np.abs(np.subtract(heard[1.0], heard[0.5])).max() > 1e-3
    np.testing.assert_array_equal(samples(base, asked), before)
    np.testing.assert_array_equal(samples(made(kind, folder), asked), before)


def test_the_fingerprint_is_the_weights_not_their_folder(
    kind: str, folder: Path, adapter: Path, tmp_path: Path
) -> None:
    base = made(kind, folder).fingerprint()
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert made(kind, copy).fingerprint() == base
    assert made(kind, folder, dtype="bfloat16").fingerprint() != base
    assert made(kind, folder, dtype="fp32").fingerprint() == base
    assert made(kind, folder, adapter=str(adapter)).fingerprint() != base
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert made(kind, copy).fingerprint() != base


def test_half_precision_gives_finite_sound(kind: str, folder: Path) -> None:
    exact = samples(made(kind, folder, steps=1), requests(1))[0]
    rounded = samples(made(kind, folder, steps=1, dtype="bfloat16"), requests(1))[0]
    assert np.corrcoef(exact[0], rounded[0])[0, 1] > 0.9
    assert not np.array_equal(exact, rounded)


def test_closing_releases_the_network(kind: str, folder: Path) -> None:
    model = made(kind, folder, steps=1)
    first = samples(model, requests(1))
    parameters = [weakref.ref(parameter) for parameter in model._network.unet.parameters()]
    model.close()
    gc.collect()
    assert not any(reference() is not None for reference in parameters)
    np.testing.assert_array_equal(samples(model, requests(1)), first)


def test_a_checkpoint_of_another_kind_is_refused(kind: str, folder: Path) -> None:
    other = "audioldm2" if kind == "audioldm" else "audioldm"
    with pytest.raises(UsageError, match=f"'{kind}'"):
        made(other, folder).generate(requests(1))


def test_a_tokenizer_without_its_vocabulary_is_refused(kind: str, folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    for path in (broken / "tokenizer").iterdir():
        if path.name != "tokenizer_config.json":
            path.unlink()
    with pytest.raises(MissingError, match="tokenizer"):
        made(kind, broken).generate(requests(1))


@pytest.mark.parametrize(
    ("scheduler", "reason"),
    [("PNDMScheduler", "eta"), ("DPMSolverSDEScheduler", "noise")],
)
def test_a_scheduler_that_cannot_do_what_is_asked_is_refused(
    kind: str, folder: Path, tmp_path: Path, scheduler: str, reason: str
) -> None:
    pytest.importorskip("torchsde")
    changed = shutil.copytree(folder, tmp_path / "changed")
    index = json.loads((changed / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", scheduler]
    (changed / "model_index.json").write_text(json.dumps(index))
    getattr(diffusers, scheduler)().save_pretrained(changed / "scheduler")
    with pytest.raises(UsageError, match=f"{scheduler}.* {reason}"):
        made(kind, changed, eta=0.5).generate(requests(1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", True),
        ("steps", 2.5),
        ("guidance", -1),
        ("guidance", float("nan")),
        ("eta", 1.1),
        ("adapter_scale", -0.1),
        ("max_duration", 0),
        ("batch_size", 0),
        ("dtype", "float12"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(kind: str, name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        MODELS[kind](**{name: value})  # type: ignore[arg-type]


def test_the_ready_name_for_lora_needs_only_the_adapter(tmp_path: Path) -> None:
    base = tiny.make("audioldm", tmp_path / "base")
    adapter = tiny.make_adapter("audioldm", base, tmp_path / "adapter")
    tuned = AudioLDMLora(str(base), adapter=str(adapter), steps=STEPS, device="cpu")
    same = made("audioldm", base, adapter=str(adapter))
    np.testing.assert_array_equal(samples(tuned, requests(1)), samples(same, requests(1)))
    for params in ({}, {"adapter": None}):
        with pytest.raises(UsageError, match="adapter"):
            create(find("model", "audioldm-lora"), params, AudioLDM)


@pytest.mark.parametrize(("sibling", "own_defaults"), [(AudioLDMLora, set()), (AudioLDM2, {"checkpoint", "guidance"})])
def test_siblings_take_the_parameters_of_audioldm(sibling: type[AudioLDM], own_defaults: set[str]) -> None:
    own, base = (inspect.signature(model).parameters for model in (sibling, AudioLDM))
    assert set(own) == set(base)
    assert {name for name in own if own[name].default != base[name].default} == own_defaults


def test_an_adapter_for_another_base_is_refused_before_anything_is_made(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    other = tiny.make("audioldm2" if kind == "audioldm" else "audioldm", tmp_path / "other")
    foreign = tiny.make_adapter("audioldm2" if kind == "audioldm" else "audioldm", other, tmp_path / "adapter")
    with pytest.raises(UsageError, match=re.escape(str(foreign))):
        made(kind, folder, adapter=str(foreign)).generate(requests(1))
