"""CLAP as the transformers library runs it: audio and text in one space.

Y. Wu, K. Chen, T. Zhang, Y. Hui, T. Berg-Kirkpatrick, S. Dubnov: Large-Scale Contrastive Language-Audio Pretraining
with Feature Fusion and Keyword-to-Caption Augmentation. ICASSP 2023.

The feature extractor of transformers crops longer audio at random, repeats shorter audio, and marks a random window of
every batch as longer than it is; a fusion network then mixes random crops. Here every window is exactly as long as the
network's input, and none is marked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import DataError, MissingError, TunebenchError
from bench.network_weights import load_network
from bench.weights_file import check_file, damaged
from metrics.embedders.front_ends import CLAP, fixed_windows
from metrics.embedders.tokenizer import load_tokenizer, tokenize
from metrics.embedders.windows import WaveformEmbedder, finite
from metrics.networks.checkpoint import hash_of, required

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_SAFE = ("*.json", "*.txt", "*.safetensors")
_PICKLED = ("*.json", "*.txt", "pytorch_model*.bin")


class ClapEmbedder(WaveformEmbedder):
    """CLAP by transformers: a vector of length 1 for each 10 s of mono audio at 48 kHz and −14 LUFS, and for each text.

    The last window is padded with zeros.

    Args:
        checkpoint: a folder, or a hub id such as ``laion/larger_clap_music``. Weights are read from safetensors, or
            from a pickle without running code in it; code beside them is never run.
        revision: branch, tag or commit of a hub id.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above, as for ``clap-laion``; or settings.
    """

    version = 1
    family = "clap-laion"
    # The weights are the identity, whether they come from a folder or a hub id, with or without a revision.
    provenance_params = frozenset({"checkpoint", "revision", "device", "batch_size"})
    rate = 48_000
    decided_front_end = fixed_windows(10.0)
    examples: ClassVar[Mapping[str, str]] = {"checkpoint": "laion/larger_clap_music"}

    @classmethod
    def require(cls) -> None:
        required("torch", "diffusion")
        required("transformers", "diffusion", "ClapModel", "ClapFeatureExtractor", "RobertaTokenizer")

    def __init__(
        self,
        checkpoint: str,
        revision: str | None = None,
        device: str = "cpu",
        batch_size: int = 4,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.front_end = front_end
        self.checkpoint = checkpoint
        self.revision = revision
        self.device = device
        self.batch_size = batch_size

    @property
    def dimension(self) -> int:  # type: ignore[override]  # depends on the checkpoint
        return int(self._config.projection_dim)

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return CLAP

    def embed_text(self, texts: Sequence[str]) -> Vectors:
        torch, network = required("torch", "diffusion"), self._network
        tokens = {name: tensor.to(self.device) for name, tensor in tokenize(self._tokenizer, list(texts)).items()}
        with torch.inference_mode():
            output = network.get_text_features(tokens["input_ids"], tokens["attention_mask"])
        return finite(_vectors_in(output), "clap")

    def fingerprint(self) -> Mapping[str, Any]:
        if Path(self.checkpoint).expanduser().is_dir():
            return {"weights": hash_of(sorted(file for file in self._folder.iterdir() if _identifies(file)))}
        return {"repository": self.checkpoint, "commit": self._folder.name}

    def check_weights(self) -> None:
        if Path(self.checkpoint).expanduser().is_dir() or not HUB_ID.fullmatch(self.checkpoint):
            self._folder  # noqa: B018 - says what is wrong with it
            return
        hub = required("huggingface_hub", "diffusion")
        try:
            hub.snapshot_download(self.checkpoint, revision=self.revision, local_files_only=True)
        except (OSError, ValueError, hub.errors.LocalEntryNotFoundError) as error:
            raise MissingError(
                f"clap: {self.checkpoint} is not on this machine; it is downloaded on first use"
            ) from error

    def close(self) -> None:
        self.__dict__.pop("_network", None)

    def _vectors(self, windows: Samples) -> Vectors:
        torch, network = required("torch", "diffusion"), self._network
        features = self._extractor(list(windows), sampling_rate=self.rate, return_tensors="pt")["input_features"]
        longer = torch.zeros((len(windows), 1), dtype=torch.bool)
        with torch.inference_mode():
            output = network.get_audio_features(features.float().to(self.device), longer.to(self.device))
        return _vectors_in(output)

    @cached_property
    def _folder(self) -> Path:
        return _folder_of(self.checkpoint, self.revision)

    @cached_property
    def _config(self) -> Any:
        transformers = required("transformers", "diffusion")
        for file in sorted(self._folder.iterdir()):
            if file.suffix in (".safetensors", ".json", ".txt") or file.match("pytorch_model*.bin"):
                check_file(file)
        try:
            config = transformers.AutoConfig.from_pretrained(self._folder, local_files_only=True)
        except Exception as error:  # the libraries may raise anything on a damaged file
            raise damaged(self._folder / "config.json", error) from error
        if config.model_type != "clap":
            raise DataError(f"{self._folder}: holds a model of type {config.model_type}, not clap")
        return config

    @cached_property
    def _extractor(self) -> Any:
        transformers = required("transformers", "diffusion")
        try:
            extractor = transformers.ClapFeatureExtractor.from_pretrained(self._folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise MissingError(f"{self._folder}: preprocessor_config.json is missing; download it too") from error
        if (extractor.sampling_rate, extractor.nb_max_samples) != (self.rate, round(self.window * self.rate)):
            raise DataError(
                f"{self._folder}: its network takes {extractor.nb_max_samples} samples at {extractor.sampling_rate} Hz "
                f"and clap cuts windows of {self.window:g} s at {self.rate} Hz"
            )
        return extractor

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(str(self._folder), int(self._config.text_config.vocab_size), local_only=True)

    @cached_property
    def _network(self) -> Any:
        transformers = required("transformers", "diffusion")
        self._config  # noqa: B018 - refuses a folder of another model first
        try:
            network = load_network(transformers.ClapModel, self._folder, weights_only=True)
        except TunebenchError:
            raise
        except OSError as error:
            raise MissingError(f"{self._folder}: holds no weights (model.safetensors); download them too") from error
        except Exception as error:
            raise damaged(self._folder, error) from error
        return network.float().eval().to(self.device)


def _vectors_in(output: Any) -> Vectors:
    pooled = getattr(output, "pooler_output", output)  # transformers 4 returns the tensor itself
    vectors = pooled.float().cpu().numpy()
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _identifies(file: Path) -> bool:
    return file.suffix in {".safetensors", ".bin", ".json", ".txt"} and file.is_file()


def _folder_of(checkpoint: str, revision: str | None) -> Path:
    folder = Path(checkpoint).expanduser().absolute()
    if folder.is_dir():
        return folder
    if not HUB_ID.fullmatch(checkpoint):
        raise MissingError(f"clap: there is no folder {folder}; give one, or a hub id, as the parameter 'checkpoint'")
    hub = required("huggingface_hub", "diffusion")
    try:
        for patterns in (_SAFE, _PICKLED):
            place = Path(hub.snapshot_download(checkpoint, revision=revision, allow_patterns=list(patterns)))
            if any(_weights_in(place)):
                return place
    except (OSError, ValueError, hub.errors.HfHubHTTPError) as error:
        at = f" at {revision}" if revision else ""
        raise MissingError(
            f"clap: {checkpoint}{at} is neither a folder nor in the local cache, and the hub did not give it; where "
            f"there is a network run: hf download {checkpoint}, or give a folder as the parameter 'checkpoint'"
        ) from error
    raise MissingError(f"clap: {checkpoint} holds no weights (model.safetensors or pytorch_model.bin)")


def _weights_in(folder: Path) -> list[Path]:
    return [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]
