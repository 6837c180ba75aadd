"""CDPAM: which sounds listeners judge to be the same, learned from judgments of just noticeable differences.

P. Manocha, Z. Jin, R. Zhang, A. Finkelstein: CDPAM: Contrastive Learning for Perceptual Audio Similarity. ICASSP 2021.
Its encoder is rewritten here after the module ``cdpam.models`` of the package cdpam, which needs a dozen libraries to
be imported; the weights are those in the package's wheel. fadtk has it as an embedder too, and fadtk's wheel contains
published distances with it: ``docs/design/front-ends.md`` says how close ours come.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from bench.errors import UsageError
from metrics.embedders.front_ends import CDPAM_FRONT_ENDS, MONO, own
from metrics.embedders.local_checkpoint import LocalCheckpoint
from metrics.embedders.windows import WaveformEmbedder
from metrics.networks.checkpoint import checkpoint_file, fill, required
from metrics.networks.python2_checkpoint import load_python2_state

PUBLISHED = "scratchJNDdefault_best_model.pth"
SOURCE = "the wheel of cdpam 0.0.6 (pip download --no-deps cdpam==0.0.6, and unzip it)"
MODES = ("acoustic", "content")

_LAYERS, _KERNEL = 16, 15
_PART = "base_encoder."


class CDPAM(LocalCheckpoint, WaveformEmbedder):
    """CDPAM's encoder: a vector of length 1 for each second of mono audio at 22.05 kHz and −14 LUFS.

    Its first 512 numbers are the acoustic half, which describes quality, and the others the content half. The last
    window is padded with zeros.

    Args:
        checkpoint: path of ``scratchJNDdefault_best_model.pth``; by default in the working folder.
        mode: the half to use, ``acoustic`` or ``content``.
        device: where the network runs, as PyTorch writes it.
        batch_size: windows in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``fadtk`` or ``kadtk``; or settings.

    Raises:
        UsageError: another mode.
    """

    version = 1
    family = "cdpam"
    dimension = 512
    provenance_params = frozenset({"checkpoint", "device", "batch_size"})
    rate = 22_050
    window = 1.0
    filters: ClassVar[int] = 64
    """Channels of the first layers of the published network."""
    own_front_end = own(window)
    decided_front_end = MONO

    @classmethod
    def require(cls) -> None:
        required("torch", "cdpam")

    def __init__(
        self,
        checkpoint: str = PUBLISHED,
        mode: str = "acoustic",
        device: str = "cpu",
        batch_size: int = 4,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        if mode not in MODES:
            raise UsageError(f"cdpam: mode is {mode!r}, must be {' or '.join(MODES)}")
        self.checkpoint = checkpoint
        self.mode = mode
        self.device = device
        self.batch_size = batch_size
        self.front_end = front_end

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return CDPAM_FRONT_ENDS

    @property
    def _file(self) -> Path:
        return checkpoint_file(self.checkpoint, PUBLISHED, SOURCE)

    @cached_property
    def _network(self) -> Any:
        file = self._file
        state = load_python2_state(file, "state", "cdpam")
        own_part = {name.removeprefix(_PART): tensor for name, tensor in state.items() if name.startswith(_PART)}
        return fill(_encoder(self.filters), own_part, file).to(self.device)

    def _vectors(self, windows: Samples) -> Vectors:
        torch, network = required("torch", "cdpam"), self._network
        # The network was trained with samples in units of 16-bit audio.
        whole = torch.from_numpy(np.round(windows.astype(np.float32) * np.float32(32768))).to(self.device)
        half = slice(0, self.dimension) if self.mode == "acoustic" else slice(self.dimension, None)
        with torch.inference_mode():
            vectors: Vectors = torch.nn.functional.normalize(network(whole)[:, half], dim=1).cpu().numpy()
        return vectors


def _encoder(filters: int) -> Any:
    """Return the network: a waveform, shape (batch, frames) → its mean features, shape (batch, 16 · filters).

    Sixteen convolutions; the number of channels doubles at every fourth, after which every second frame is dropped.
    """
    torch = required("torch", "cdpam")

    class Encoder(torch.nn.Module):  # type: ignore[misc,name-defined]  # PyTorch is imported here alone
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.ebatch = torch.nn.ModuleList(), torch.nn.ModuleList()
            channels = [1, *(filters * 2 ** (layer // 4) for layer in range(1, _LAYERS + 1))]
            for before, after in pairwise(channels):
                self.encoder.append(torch.nn.Conv1d(before, after, _KERNEL, padding=_KERNEL // 2))
                self.ebatch.append(torch.nn.BatchNorm1d(after))

        def forward(self, waveform: Any) -> Any:
            features = waveform[:, None]
            for layer, (convolution, norm) in enumerate(zip(self.encoder, self.ebatch, strict=True), 1):
                features = torch.nn.functional.leaky_relu(norm(convolution(features)), 0.1)
                if layer % 4 == 0:
                    features = features[:, :, ::2]
            return features.mean(dim=2)

    return Encoder()
