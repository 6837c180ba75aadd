"""CLAP as its authors' package laion-clap runs it, with a checkpoint that the user brings.

Y. Wu, K. Chen, T. Zhang, Y. Hui, T. Berg-Kirkpatrick, S. Dubnov: Large-Scale Contrastive Language-Audio Pretraining
with Feature Fusion and Keyword-to-Caption Augmentation. ICASSP 2023.

The package crops longer audio at random, repeats shorter audio and rounds samples to 16 bits; windows of exactly 10 s,
passed as tensors, avoid all of that.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bench.contracts.audio import Samples
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import DataError
from metrics.embedders.front_ends import CLAP, fixed_windows
from metrics.embedders.local_checkpoint import LocalCheckpoint
from metrics.embedders.tokenizer import load_tokenizer, tokenize
from metrics.embedders.windows import WaveformEmbedder, finite
from metrics.networks.checkpoint import checkpoint_file, fill, load_state, required

PUBLISHED = "music_audioset_epoch_15_esc_90.14.pt"
SOURCE = "https://huggingface.co/lukewys/laion_clap"

_EMBEDDINGS = "text_branch.embeddings.word_embeddings.weight"
_UNUSED = "text_branch.embeddings.position_ids"


class ClapLaion(LocalCheckpoint, WaveformEmbedder):
    """CLAP by laion-clap: a vector of length 1 for each 10 s of mono audio at 48 kHz and −14 LUFS, and for each text.

    The last window is padded with zeros.

    Args:
        checkpoint: path of a checkpoint without fusion; by default the one trained on music, in the working folder.
        amodel: its audio network: ``HTSAT-base``, or ``HTSAT-tiny`` for ``630k-audioset-best.pt``.
        tokenizer: folder or hub id of the RoBERTa tokenizer, for the text side only.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``fadtk``, ``kadtk``,
            ``frechet-audio-distance``, ``stable-audio-metrics`` or ``audiocraft`` (the last three use one window at a
            place that the audio's hash draws); or settings.
    """

    version = 1
    family = "clap-laion"
    dimension = 512
    provenance_params = frozenset({"checkpoint", "tokenizer", "device", "batch_size"})
    rate = 48_000
    decided_front_end = fixed_windows(10.0)
    tokens: ClassVar[int] = 50_265
    """Entries of RoBERTa's vocabulary, which every published checkpoint was trained with."""
    layers: ClassVar[int] = 12
    """Layers of the text network of every published checkpoint."""

    @classmethod
    def require(cls) -> None:
        required("torch", "laion")
        with _without_downloads():
            required("laion_clap", "laion")

    def __init__(
        self,
        checkpoint: str = PUBLISHED,
        amodel: str = "HTSAT-base",
        tokenizer: str = "roberta-base",
        device: str = "cpu",
        batch_size: int = 4,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.front_end = front_end
        self.checkpoint = checkpoint
        self.amodel = amodel
        self.tokenizer = tokenizer
        self.device = device
        self.batch_size = batch_size

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return CLAP

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        torch = required("torch", "laion")
        tokenizer, network = self._tokenizer, self._network
        with torch.inference_mode():
            vectors: Vectors = network.get_text_embedding(
                list(texts), tokenizer=lambda batch: tokenize(tokenizer, batch)
            )
        return finite(vectors, "clap-laion")

    def _vectors(self, windows: Samples) -> Vectors:
        torch, network = required("torch", "laion"), self._network
        with torch.inference_mode():
            tensors = torch.from_numpy(windows).to(self.device)
            vectors: Vectors = network.get_audio_embedding_from_data(tensors, use_tensor=True).cpu().numpy()
        return vectors

    @property
    def _file(self) -> Path:
        return checkpoint_file(self.checkpoint, PUBLISHED, SOURCE)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self.tokenizer, self.tokens, local_only=False)

    @cached_property
    def _network(self) -> Any:
        file = self._file
        state = {name.removeprefix("module."): tensor for name, tensor in load_state(file, "state_dict").items()}
        state.pop(_UNUSED, None)  # a buffer of older versions of transformers
        if _EMBEDDINGS not in state:
            raise DataError(f"{file}: holds no RoBERTa text network; give a checkpoint of laion-clap")
        with _without_downloads(self.tokens, self.layers):
            module = required("laion_clap", "laion").CLAP_Module(
                enable_fusion=False, device=self.device, amodel=self.amodel, tmodel="roberta"
            )
        fill(module.model, state, file)
        return module.eval()


@contextmanager
def _without_downloads(words: int = 0, layers: int = 0) -> Iterator[None]:
    """Import and build laion-clap without its downloads.

    It downloads three tokenizers when imported, and one more and a trained RoBERTa when a network is built. The
    checkpoint holds RoBERTa's weights, and our own tokenizer is passed in, so none of them is needed. A network that is
    built has a text encoder with so many words and layers.
    """
    transformers = required("transformers", "laion")

    def untrained(*_: Any, **__: Any) -> Any:
        return transformers.RobertaModel(_roberta_config(transformers, words, layers))

    def nothing(*_: Any, **__: Any) -> None:
        return None

    names = ("BertTokenizer", "RobertaTokenizer", "BartTokenizer")
    replaced = {getattr(transformers, name): nothing for name in names} | {transformers.RobertaModel: untrained}
    own = {kind: kind.__dict__.get("from_pretrained") for kind in replaced}
    for kind, stand_in in replaced.items():
        kind.from_pretrained = staticmethod(stand_in)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about functions that the package should no longer call
            yield
    finally:
        for kind, original in own.items():
            if original is None:
                del kind.from_pretrained
            else:
                kind.from_pretrained = original


def _roberta_config(transformers: Any, words: int, layers: int) -> Any:
    """Return the architecture of roberta-base."""
    return transformers.RobertaConfig(
        vocab_size=words,
        num_hidden_layers=layers,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
