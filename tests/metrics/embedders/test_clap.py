"""CLAP through transformers itself, on a small network of random weights that the test builds and saves."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import Audio, DecodedClip, Prompt
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, MissingError, UsageError
from metrics.alignment import ClapScore
from metrics.embedders.clap import ClapEmbedder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

RATE = 48_000
WINDOW = 10 * RATE


def tokenizer_of(entries: int) -> Any:
    """A byte-level tokenizer of RoBERTa's kind with a vocabulary of that many entries."""
    from tokenizers.pre_tokenizers import ByteLevel

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    letters = sorted(ByteLevel.alphabet())
    filler = [f"<word {number}>" for number in range(entries - len(special) - len(letters) - 1)]
    words = [*special, *letters, *filler, "<mask>"]
    return transformers.RobertaTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])


def save_clap(folder: Path, fusion: bool = False, words: int = 300) -> Path:
    torch.manual_seed(7)
    audio = {
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "spec_size": 256,
        "num_mel_bins": 64,
        "projection_dim": 24,
        "enable_fusion": fusion,
        "fusion_type": "aff_2d" if fusion else None,
    }
    text = {
        "vocab_size": words,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 90,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "projection_dim": 24,
    }
    config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    transformers.ClapModel(config).eval().save_pretrained(folder)
    transformers.ClapFeatureExtractor(truncation="fusion" if fusion else "rand_trunc").save_pretrained(folder)
    tokenizer_of(words).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def embedder(checkpoint: Path) -> ClapEmbedder:
    return ClapEmbedder(str(checkpoint))


@pytest.fixture(scope="module")
def music() -> Audio:
    rng = np.random.default_rng(3)
    time = np.arange(int(24.5 * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time) * (time // f**0.2 % 3 == n) for n, f in enumerate((220, 330, 523)))
    return Audio((0.2 * tones + 0.01 * rng.standard_normal(len(time))).astype(np.float32), RATE)


def test_windows_are_fixed_and_each_is_heard_by_itself(embedder: ClapEmbedder, music: Audio, checkpoint: Path) -> None:
    from metrics.embedders.windows import network_input

    vectors = embedder.embed(music)
    assert vectors.shape == (3, embedder.dimension) == (3, 24)
    assert vectors.dtype == np.float32
    assert embedder.weights(music) == pytest.approx([1, 1, 0.45])
    np.random.seed(1)  # noqa: NPY002 - the extractor of transformers draws from the global generator
    np.testing.assert_array_equal(embedder.embed(music), vectors)
    # The same by hand with the model itself: cut, extract, project, normalise.
    samples = np.pad(network_input(music, RATE), (0, 3 * WINDOW))
    model = transformers.ClapModel.from_pretrained(checkpoint).eval()
    extractor = transformers.ClapFeatureExtractor.from_pretrained(checkpoint)
    for number, vector in enumerate(vectors):
        window = samples[number * WINDOW : (number + 1) * WINDOW]
        features = extractor(window, sampling_rate=RATE, return_tensors="pt")["input_features"]
        with torch.no_grad():
            output = model.audio_projection(
                model.audio_model(features, is_longer=torch.tensor([[False]])).pooler_output
            )
        np.testing.assert_allclose(vector, torch.nn.functional.normalize(output[0], dim=-1).numpy(), atol=1e-5)


def test_level_does_not_matter(embedder: ClapEmbedder, music: Audio) -> None:
    quiet = Audio(0.03 * music.samples, music.rate)
    np.testing.assert_allclose(embedder.embed(quiet), embedder.embed(music), atol=1e-4)


def test_a_fusion_network_mixes_no_random_crops(tmp_path: Path, music: Audio) -> None:
    fusion = ClapEmbedder(str(save_clap(tmp_path / "fusion", fusion=True)), batch_size=1)
    together = ClapEmbedder(fusion.checkpoint, batch_size=3)
    vectors = fusion.embed(music)
    for seed in range(4):
        np.random.seed(seed)  # noqa: NPY002
        np.testing.assert_allclose(together.embed(music), vectors, atol=1e-4)


def test_texts_lie_in_the_same_space_and_do_not_depend_on_their_batch(embedder: ClapEmbedder) -> None:
    texts = ["slow jazz", "a mixed choir sings a solemn hymn in four-part harmony", "rock " * 60]
    together = embedder.embed_text(texts)
    assert together.shape == (3, 24)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(embedder.embed_text([text])[0], vector, atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_the_score_of_a_clip_is_the_cosine_of_mean_window_and_text(checkpoint: Path, music: Audio) -> None:
    clip = DecodedClip(music, Prompt("p", "slow jazz", "jazz"))
    embedder = load_embedder(EmbedderRef("clap", {"checkpoint": str(checkpoint)}))
    windows, text = embedder.embed(music), embedder.embed_text(["slow jazz"])[0]
    mean = windows[0] + windows[1] + 0.45 * windows[2]
    cosine = float(mean @ text / np.linalg.norm(mean) / np.linalg.norm(text))
    assert ClapScore(str(checkpoint)).score(clip).value == pytest.approx(cosine, abs=1e-5)
    assert ClapScore(str(checkpoint), presentation="unit").score(clip).value == pytest.approx(
        (cosine + 1) / 2, abs=1e-5
    )


def test_the_weights_are_the_identity_and_not_the_folder(checkpoint: Path, tmp_path: Path) -> None:
    def identity(folder: Path) -> object:
        ref = EmbedderRef("clap", {"checkpoint": str(folder)})
        return embedder_identity(ref, load_embedder(ref))

    copied = Path(shutil.copytree(checkpoint, tmp_path / "copied"))
    assert identity(copied) == identity(checkpoint)
    from safetensors.torch import load_file, save_file

    state = load_file(copied / "model.safetensors")
    state["audio_projection.linear1.bias"] += 1e-3
    save_file(state, copied / "model.safetensors", metadata={"format": "pt"})
    assert identity(copied) != identity(checkpoint)


@pytest.mark.parametrize("entries", [260 + 5, 301])
def test_a_tokenizer_of_another_vocabulary_is_refused(checkpoint: Path, tmp_path: Path, entries: int) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    tokenizer_of(entries).save_pretrained(folder)
    with pytest.raises(MissingError, match=rf"\b{entries} entries.*\b300\b"):
        ClapEmbedder(str(folder)).embed_text(["slow jazz"])


def test_a_folder_without_tokenizer_files_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(checkpoint, tmp_path / "none"))
    for file in folder.glob("*token*"):
        file.unlink()
    with pytest.raises(MissingError, match=r"tokenizer\.json"):
        ClapEmbedder(str(folder)).embed_text(["slow jazz"])


def test_a_checkpoint_that_lacks_tensors_is_not_filled_with_noise(
    checkpoint: Path, tmp_path: Path, music: Audio
) -> None:
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(checkpoint, tmp_path / "cut"))
    state = load_file(folder / "model.safetensors")
    del state["audio_projection.linear1.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"audio_projection\.linear1\.weight"):
        ClapEmbedder(str(folder)).embed(music)


def test_pickled_weights_are_read_without_running_code(
    checkpoint: Path, embedder: ClapEmbedder, tmp_path: Path, music: Audio
) -> None:
    from safetensors.torch import load_file

    folder = Path(shutil.copytree(checkpoint, tmp_path / "pickled"))
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    short = music.cropped(5)
    np.testing.assert_array_equal(ClapEmbedder(str(folder)).embed(short), embedder.embed(short))


def test_folders_that_hold_something_else_are_named(checkpoint: Path, tmp_path: Path, music: Audio) -> None:
    with pytest.raises(MissingError, match=r"nowhere; .*'checkpoint'"):
        ClapEmbedder("./nowhere").fingerprint()
    other = tmp_path / "bert"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(DataError, match=rf"{re.escape(str(other))}.*\bbert\b"):
        ClapEmbedder(str(other)).embed(music)
    bare = Path(shutil.copytree(checkpoint, tmp_path / "bare"))
    (bare / "model.safetensors").unlink()
    with pytest.raises(MissingError, match=rf"{re.escape(str(bare))}.*model\.safetensors"):
        ClapEmbedder(str(bare)).embed(music)
    short = Path(shutil.copytree(checkpoint, tmp_path / "short"))
    transformers.ClapFeatureExtractor(max_length_s=5).save_pretrained(short)
    with pytest.raises(DataError, match="240000 samples at 48000 Hz"):
        ClapEmbedder(str(short)).embed(music)


def test_a_hub_id_without_network_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="hf download laion/larger_clap_music"):
        ClapEmbedder("laion/larger_clap_music").fingerprint()


def test_an_unknown_presentation_is_refused(checkpoint: Path) -> None:
    with pytest.raises(UsageError, match=r"'percent'.*cosine.*unit"):
        ClapScore(str(checkpoint), presentation="percent")  # type: ignore[arg-type]
