"""PANN: CNN14 trained on AudioSet, a common embedder for distribution distances.

Q. Kong, Y. Cao, T. Iqbal, Y. Wang, W. Wang, M. D. Plumbley: PANNs: Large-Scale Pretrained Audio Neural Networks for
Audio Pattern Recognition. IEEE/ACM Transactions on Audio, Speech, and Language Processing 28, 2020. The networks are
those of frechet-audio-distance.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from bench.contracts.audio import Samples
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import MissingError, UsageError
from metrics.embedders import front_ends
from metrics.embedders.local_checkpoint import LocalCheckpoint
from metrics.embedders.windows import WaveformEmbedder
from metrics.networks.checkpoint import checkpoint_file, fill, load_state, required

SOURCE = "https://zenodo.org/records/3987831"


class _Variant(NamedTuple):
    network: str
    published: str
    window: int
    hop: int


VARIANTS = {
    8_000: _Variant("Cnn14_8k", "Cnn14_8k_mAP=0.416.pth", 256, 80),
    16_000: _Variant("Cnn14_16k", "Cnn14_16k_mAP=0.438.pth", 512, 160),
    32_000: _Variant("Cnn14", "Cnn14_mAP=0.431.pth", 1024, 320),
}


class PANN(LocalCheckpoint, WaveformEmbedder):
    """PANN's CNN14: 2048 numbers for each 10 s of mono audio at −14 LUFS, before the tagging layer.

    The last window is padded with zeros.

    Args:
        checkpoint: path of the checkpoint; by default the published name in the working folder.
        rate: sample rate in Hz of the variant: 32000, 16000 or 8000.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``kadtk``,
            ``frechet-audio-distance`` or ``audioldm_eval``; all give one vector for a whole recording. Or settings.

    Raises:
        UsageError: there is no variant of that rate.
    """

    version = 1
    family = "pann"
    dimension = 2048
    decided_front_end = front_ends.MONO
    provenance_params = frozenset({"checkpoint", "device", "batch_size"})

    @classmethod
    def require(cls) -> None:
        required("torch", "laion")
        _networks()

    def __init__(
        self,
        checkpoint: str | None = None,
        rate: int = 32_000,
        device: str = "cpu",
        batch_size: int = 4,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.front_end = front_end
        if rate not in VARIANTS:
            raise UsageError(f"pann has no network for {rate} Hz; rate is one of {', '.join(map(str, VARIANTS))}")
        self.rate = rate
        self.variant = VARIANTS[rate]
        self.checkpoint = checkpoint or self.variant.published
        self.device = device
        self.batch_size = batch_size

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return front_ends.pann(self.rate)

    @property
    def _file(self) -> Path:
        return checkpoint_file(self.checkpoint, self.variant.published, SOURCE)

    @cached_property
    def _network(self) -> Any:
        file = self._file
        build = getattr(_networks(), self.variant.network)
        network = build(
            sample_rate=self.rate,
            window_size=self.variant.window,
            hop_size=self.variant.hop,
            mel_bins=64,
            fmin=50,
            fmax=self.rate // 2,
            classes_num=527,
        )
        return fill(network, load_state(file, "model"), file).to(self.device)

    def _vectors(self, windows: Samples) -> Vectors:
        torch, network = required("torch", "laion"), self._network
        with torch.inference_mode():
            vectors: Vectors = network(torch.from_numpy(windows).to(self.device))["embedding"].cpu().numpy()
        return vectors


class PANNTags(PANN):
    """PANN's CNN14 as a tagger: the logits of AudioSet's 527 classes for each 10 s of mono audio at −14 LUFS.

    They are the output of its tagging layer for `PANN`'s vectors, before the sigmoid. The last window is padded with
    zeros.

    Args:
        checkpoint: path of the checkpoint; by default the published name in the working folder.
        rate: sample rate in Hz of the variant: 32000, 16000 or 8000.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``kadtk``,
            ``frechet-audio-distance`` or ``audioldm_eval``; all give one vector for a whole recording.

    Raises:
        UsageError: there is no variant of that rate.
    """

    version = 1
    dimension = 527

    def _vectors(self, windows: Samples) -> Vectors:
        torch = required("torch", "laion")
        with torch.inference_mode():
            embedding = torch.from_numpy(super()._vectors(windows)).to(self.device)
            logits: Vectors = self._network.fc_audioset(embedding).cpu().numpy()
        return logits


def _networks() -> ModuleType:
    """Import the module ``frechet_audio_distance.models.pann`` without the package around it.

    Importing the package also imports laion-clap, which downloads tokenizers, and EnCodec.
    """
    name = "frechet_audio_distance_models"
    if name not in sys.modules:
        package = importlib.util.find_spec("frechet_audio_distance")
        if package is None or not package.submodule_search_locations:
            raise MissingError("pann needs frechet-audio-distance; install it with: pip install 'tunebench[laion]'")
        folder = Path(package.submodule_search_locations[0], "models")
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None:
            raise MissingError(f"{folder} is not a Python package; reinstall frechet-audio-distance")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    module = required(f"{name}.pann", "laion")
    assert isinstance(module, ModuleType)
    return module
