"""The networks of laion-clap, frechet-audio-distance and torchvggish themselves, with random weights."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench import Audio
from bench.contracts.embedder import EmbedderRef, embedder_identity, load_embedder
from bench.errors import DataError, MissingError, UsageError
from metrics.embedders.laion import ClapLaion, _without_downloads
from metrics.embedders.pann import PANN, PANNTags
from metrics.embedders.preparation import prepare
from metrics.embedders.vggish import VGGish
from metrics.embedders.windows import network_input
from metrics.networks.checkpoint import load_state

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

WORDS = 50_265


def tone(seconds: float, rate: int = 44_100) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    sound = np.sin(2 * np.pi * (200 + 20 * time) * time) * (1 + np.sin(2 * np.pi * 3 * time))
    return Audio((0.1 * sound).astype(np.float32), rate)


def stand_in(name: str, **members: object) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    module.__spec__ = importlib.util.spec_from_loader(name, None)
    return module


@contextlib.contextmanager
def torchvision_while_importing() -> Iterator[None]:
    """laion-clap imports torchvision, and networks without fusion never use it; the real one needs another torch."""
    if importlib.util.find_spec("torchvision"):
        yield
        return

    Unused = type("Unused", (torch.nn.Module,), {})

    members = dict.fromkeys(
        ("Normalize", "Compose", "RandomResizedCrop", "InterpolationMode", "ToTensor", "Resize", "CenterCrop"), Unused
    )
    modules = {
        "torchvision": stand_in("torchvision"),
        "torchvision.transforms": stand_in("torchvision.transforms", **members),
        "torchvision.datasets": stand_in("torchvision.datasets"),
        "torchvision.ops": stand_in("torchvision.ops"),
        "torchvision.ops.misc": stand_in("torchvision.ops.misc", FrozenBatchNorm2d=Unused),
    }
    modules["torchvision"].transforms = modules["torchvision.transforms"]  # type: ignore[attr-defined]
    modules["torchvision"].datasets = modules["torchvision.datasets"]  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


class SmallLaion(ClapLaion):
    """With a text network of one layer."""

    layers = 1


@pytest.fixture(scope="module")
def laion_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's own smallest network with one text layer, saved as its training script saves it."""
    pytest.importorskip("torchlibrosa")
    if not importlib.util.find_spec("laion_clap"):
        pytest.skip("laion-clap is not installed")
    torch.manual_seed(5)
    with torchvision_while_importing(), _without_downloads(WORDS, 1), contextlib.redirect_stdout(io.StringIO()):
        import laion_clap  # type: ignore[import-untyped]

        module = laion_clap.CLAP_Module(enable_fusion=False, device="cpu", amodel="HTSAT-tiny")
    state = {f"module.{name}": tensor for name, tensor in module.model.state_dict().items()}
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    path = tmp_path_factory.mktemp("laion") / "music.pt"
    torch.save({"epoch": 15, "best": np.float64(0.9), "state_dict": state}, path)
    return path


@pytest.fixture(scope="module")
def laion(laion_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> ClapLaion:
    from tokenizers.pre_tokenizers import ByteLevel

    folder = tmp_path_factory.mktemp("roberta")
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(ByteLevel.alphabet())]
    words += [f"<word {number}>" for number in range(WORDS - len(words) - 1)] + ["<mask>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    transformers.RobertaTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    return SmallLaion(str(laion_checkpoint), amodel="HTSAT-tiny", tokenizer=str(folder))


def test_laion_hears_fixed_windows_one_by_one(laion: ClapLaion) -> None:
    audio = tone(13)
    vectors = laion.embed(audio)
    assert vectors.shape == (2, 512)
    assert vectors.dtype == np.float32
    assert laion.weights(audio) == pytest.approx([1, 0.3])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.random.seed(1)  # noqa: NPY002 - the package crops with the global generator
    np.testing.assert_array_equal(laion.embed(audio), vectors)
    last = np.pad(network_input(audio, 48_000)[480_000:], (0, 480_000 - 144_000))
    with torch.no_grad():
        direct = laion._network.model.get_audio_embedding([{"waveform": torch.from_numpy(last)}]).numpy()
    np.testing.assert_allclose(vectors[1], direct[0], atol=1e-5)
    np.testing.assert_allclose(laion.embed(Audio(0.05 * audio.samples, audio.rate)), vectors, atol=1e-4)


def test_laion_hears_overlapping_windows_under_the_front_end_of_fadtk(laion: ClapLaion) -> None:
    published = SmallLaion(laion.checkpoint, amodel="HTSAT-tiny", tokenizer=laion.tokenizer, front_end="fadtk")
    audio = tone(2.5)
    vectors = published.embed(audio)
    assert vectors.shape == (3, 512)
    assert published.weights(audio).tolist() == [1, 1, 1]
    heard = prepare(audio, 48_000, published.front_ends["fadtk"]).astype(np.float32)
    for second in range(3):
        window = np.pad(heard[second * 48_000 :], (0, 480_000 - len(heard) + second * 48_000))
        with torch.no_grad():
            direct = laion._network.model.get_audio_embedding([{"waveform": torch.from_numpy(window)}]).numpy()
        np.testing.assert_allclose(vectors[second], direct[0].astype(np.float16), atol=1e-3)
    assert len(SmallLaion(laion.checkpoint, "HTSAT-tiny", front_end="stable-audio-metrics").embed(audio)) == 1


def test_laion_reads_texts(laion: ClapLaion) -> None:
    vectors = laion.embed_text(["slow jazz", "a loud rock song"])
    assert vectors.shape == (2, 512)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(laion.embed_text(["slow jazz"])[0], vectors[0], atol=1e-5)


def test_laion_leaves_transformers_as_it_was(laion: ClapLaion) -> None:
    laion.embed_text(["slow jazz"])
    for kind in (transformers.RobertaModel, transformers.RobertaTokenizer, transformers.BertTokenizer):
        assert kind.from_pretrained.__name__ == "from_pretrained"


def test_laion_refuses_a_tokenizer_that_is_not_there(
    laion_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MissingError, match=r"\b5 entries.*\b50,265\b"):
        SmallLaion(str(laion_checkpoint), amodel="HTSAT-tiny", tokenizer=str(tmp_path)).embed_text(["slow jazz"])


@pytest.mark.parametrize(
    ("embedder", "published", "source"),
    [
        (ClapLaion, "music_audioset_epoch_15_esc_90.14.pt", "huggingface.co/lukewys/laion_clap"),
        (PANN, "Cnn14_mAP=0.431.pth", "zenodo.org/records/3987831"),
        (VGGish, "vggish-10086976.pth", "github.com/harritaylor/torchvggish"),
    ],
)
def test_a_missing_checkpoint_is_named_with_its_source(
    embedder: type[ClapLaion] | type[PANN] | type[VGGish],
    published: str,
    source: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for use in (lambda: embedder().fingerprint(), lambda: embedder().embed(tone(1))):
        with pytest.raises(MissingError) as caught:
            use()
        assert str(tmp_path / published) in str(caught.value)
        assert source in str(caught.value)
        assert caught.value.exit_code == 3


@pytest.fixture(scope="module")
def pann(tmp_path_factory: pytest.TempPathFactory) -> PANN:
    pytest.importorskip("torchlibrosa")
    if not importlib.util.find_spec("frechet_audio_distance"):
        pytest.skip("frechet-audio-distance is not installed")
    from metrics.embedders.pann import _networks

    torch.manual_seed(1)
    network = _networks().Cnn14_16k(16_000, 512, 160, 64, 50, 8_000, 527)
    path = tmp_path_factory.mktemp("pann") / "cnn14.pth"
    torch.save({"iteration": 1, "model": network.state_dict()}, path)
    return PANN(str(path), rate=16_000)


def test_pann_gives_one_vector_a_window(pann: PANN) -> None:
    audio = tone(14)
    vectors = pann.embed(audio)
    assert vectors.shape == (2, 2048)
    np.testing.assert_array_equal(pann.embed(audio), vectors)
    first = torch.from_numpy(network_input(audio, 16_000)[:160_000])[None]
    with torch.no_grad():
        direct = pann._network(first, None)["embedding"].numpy()
    np.testing.assert_allclose(vectors[0], direct[0], atol=1e-4 * np.abs(direct).max())
    assert "laion_clap" not in dir(sys.modules["frechet_audio_distance_models"])


def test_pann_hears_a_whole_recording_under_a_published_front_end(pann: PANN) -> None:
    published = PANN(pann.checkpoint, rate=16_000, front_end="audioldm_eval")
    audio = tone(1.5)
    vectors = published.embed(audio)
    heard = prepare(audio, 16_000, published.front_ends["audioldm_eval"]).astype(np.float32)
    assert len(heard) == 32_000
    with torch.no_grad():
        direct = pann._network(torch.from_numpy(heard)[None], None)["embedding"].numpy()
    np.testing.assert_allclose(vectors, direct, atol=1e-4 * np.abs(direct).max())


def test_pann_tags_are_the_logits_of_the_published_probabilities(pann: PANN) -> None:
    tagger, audio = PANNTags(pann.checkpoint, rate=16_000, front_end="audioldm_eval"), tone(1.5)
    logits = tagger.embed(audio)
    heard = prepare(audio, 16_000, tagger.front_ends["audioldm_eval"]).astype(np.float32)
    with torch.no_grad():
        direct = pann._network(torch.from_numpy(heard)[None], None)["clipwise_output"].numpy()
    assert logits.shape == (1, 527) and logits.std() > 0
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), direct, rtol=1e-4)
    assert PANNTags(pann.checkpoint, rate=16_000).embed(tone(14)).shape == (2, 527)


def test_pann_of_an_unknown_rate_or_another_network_is_refused(pann: PANN) -> None:
    with pytest.raises(UsageError, match="32000"):
        PANN(rate=44_100)
    with pytest.raises(DataError, match="Cnn14"):
        PANN(pann.checkpoint, rate=32_000).embed(tone(1))


@pytest.mark.parametrize("change", ["removed", "NaN"])
@pytest.mark.parametrize(
    ("network", "inner", "name"),
    [
        ("laion", "state_dict", "module.text_branch.encoder.layer.0.output.dense.bias"),
        ("pann", "model", "conv_block3.bn1.running_var"),
        ("vggish", None, "features.3.bias"),
    ],
)
def test_a_tensor_that_is_missing_or_not_finite_is_refused_by_name(
    network: str,
    inner: str | None,
    name: str,
    change: str,
    vggish_checkpoint: Path,
    laion: ClapLaion,
    pann: PANN,
    tmp_path: Path,
) -> None:
    whole = {"laion": laion.checkpoint, "pann": pann.checkpoint, "vggish": str(vggish_checkpoint)}[network]
    content = torch.load(whole, mmap=True, weights_only=False)
    state = content[inner] if inner else content
    tensor = state.pop(name)
    if change == "NaN":
        state[name] = torch.full_like(tensor, float("nan"))
    torch.save(content, tmp_path / "changed.pt")
    made = {
        "laion": lambda place: SmallLaion(place, amodel="HTSAT-tiny", tokenizer=laion.tokenizer),
        "pann": lambda place: PANN(place, rate=16_000),
        "vggish": VGGish,
    }[network](str(tmp_path / "changed.pt"))
    with pytest.raises(DataError) as caught:
        made.embed(tone(1))
    assert f"'{name.removeprefix('module.')}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_that_is_missing_as_a_whole_makes_no_smaller_network(laion_checkpoint: Path) -> None:
    class TwoLayers(SmallLaion):
        layers = 2

    with pytest.raises(DataError, match=r"'text_branch\.encoder\.layer\.1\."):
        TwoLayers(str(laion_checkpoint), amodel="HTSAT-tiny").embed(tone(1))


@pytest.fixture(scope="module")
def vggish_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    released = pytest.importorskip("torchvggish.torchvggish")
    torch.manual_seed(2)
    path = tmp_path_factory.mktemp("vggish") / "vggish.pth"
    torch.save(released.VGG(released.make_layers(), postprocess=False).state_dict(), path)
    return path


def test_vggish_is_the_released_network_without_its_last_relu(tmp_path: Path) -> None:
    released = pytest.importorskip("torchvggish.torchvggish")
    examples = pytest.importorskip("torchvggish.vggish_input").waveform_to_examples
    torch.manual_seed(2)
    network = released.VGG(released.make_layers(), postprocess=False).eval()
    torch.save(network.state_dict(), tmp_path / "vggish.pth")
    vggish = VGGish(str(tmp_path / "vggish.pth"))
    audio = tone(3.5)
    vectors = vggish.embed(audio)
    assert vectors.shape == (len(vggish.weights(audio)), 128) == (3, 128)
    with torch.no_grad():
        whole = network(examples(network_input(audio, 16_000), 16_000)).numpy()
    np.testing.assert_allclose(np.maximum(vectors, 0), whole, atol=1e-5)
    assert (vectors < 0).any()
    short = tone(0.6)
    assert vggish.embed(short).shape == (1, 128)
    assert vggish.weights(short) == pytest.approx([0.6 / 0.975], abs=1e-3)


def test_the_place_of_a_checkpoint_is_not_its_identity(pann: PANN, tmp_path: Path) -> None:
    def identity(path: Path | str, rate: int = 16_000) -> object:
        ref = EmbedderRef("pann", {"checkpoint": str(path), "rate": rate})
        return embedder_identity(ref, load_embedder(ref))

    moved = tmp_path / "moved.pth"
    moved.write_bytes(Path(pann.checkpoint).read_bytes())
    assert identity(moved) == identity(pann.checkpoint) != identity(moved, rate=8_000)
    moved.write_bytes(moved.read_bytes() + b"\0")
    assert identity(moved) != identity(pann.checkpoint)


def test_checkpoints_run_no_code(tmp_path: Path) -> None:
    class Malice:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "ran",))  # type: ignore[return-value]

    path = tmp_path / "malice.pt"
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "extra": Malice()}, path)
    with pytest.raises(DataError, match=r"malice\.pt: .*weights"):
        load_state(path, "state_dict")
    assert not (tmp_path / "ran").exists()
    path.write_bytes(b"not a checkpoint at all")
    with pytest.raises(DataError, match=r"malice\.pt"):
        load_state(path, "state_dict")


def test_checkpoints_may_hold_the_numbers_that_training_scripts_save(tmp_path: Path) -> None:
    path = tmp_path / "numbers.pt"
    numbers = {"loss": np.float64(0.5), "step": np.int64(3), "rate": np.float32(1e-3)}
    torch.save({"state_dict": {"weight": torch.ones(2)}, **numbers}, path)
    assert load_state(path, "state_dict")["weight"].tolist() == [1, 1]
