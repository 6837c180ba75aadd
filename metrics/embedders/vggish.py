"""VGGish: the embedder that Fréchet audio distance was first defined with.

S. Hershey et al.: CNN Architectures for Large-Scale Audio Classification. ICASSP 2017. frechet-audio-distance fetches
the network's code at run time (``torch.hub``, harritaylor/torchvggish); here it is the same code as released in the
package torchvggish, with a checkpoint that the user brings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd
from metrics.embedders import front_ends, preparation
from metrics.embedders.local_checkpoint import LocalCheckpoint
from metrics.embedders.windows import finite, network_input
from metrics.networks.checkpoint import checkpoint_file, fill, load_state, required

RATE = 16_000
EXAMPLE = 15_600
"""Samples that one example of 96 frames spans: 0.975 s."""

HOP = 15_360
"""Samples from one example to the next: 0.96 s."""

PUBLISHED = "vggish-10086976.pth"
SOURCE = "https://github.com/harritaylor/torchvggish/releases/tag/v0.1"


class VGGish(LocalCheckpoint):
    """VGGish: 128 numbers for each 0.96 s of mono audio at 16 kHz and −14 LUFS.

    They are taken before the last ReLU and without the PCA and 8-bit rounding, as frechet-audio-distance takes them.
    The remainder after the last whole example is left out; audio shorter than one is padded with zeros.

    Args:
        checkpoint: path of ``vggish-10086976.pth``; by default in the working folder.
        device: where the network runs, as PyTorch writes it.
        batch_size: examples in one call of the network.
        front_end: how a published tool prepares the audio, instead of the above: ``fadtk``, ``kadtk``,
            ``frechet-audio-distance`` or ``audioldm_eval``; or settings.
    """

    own_front_end = replace(front_ends.own(EXAMPLE / RATE, padding=False), hop=HOP / RATE)
    decided_front_end = {  # noqa: RUF012 - a default of the contract's
        **front_ends.fixed_windows(EXAMPLE / RATE),
        "hop": HOP / RATE,
        "padding": "drop",
        "selection": "all",
        "pooling": "none",
    }

    version = 1
    family = "vggish"
    dimension = 128
    provenance_params = frozenset({"checkpoint", "device", "batch_size"})

    @classmethod
    def require(cls) -> None:
        for module in ("torch", "torchvggish.vggish_input", "torchvggish.torchvggish"):
            required(module, "laion")

    def __init__(
        self,
        checkpoint: str = PUBLISHED,
        device: str = "cpu",
        batch_size: int = 32,
        front_end: str | Mapping[str, Any] | None = None,
    ) -> None:
        self.front_end = front_end
        self.checkpoint = checkpoint
        self.device = device
        self.batch_size = batch_size

    def embed(self, audio: Audio) -> Vectors:
        network = self._network
        torch = required("torch", "laion")
        published = self.published_front_end
        samples = preparation.prepare(audio, RATE, published) if published else network_input(audio, RATE)
        samples = np.pad(samples, (0, max(0, EXAMPLE - len(samples))))
        examples = required("torchvggish.vggish_input", "laion").waveform_to_examples(samples, RATE, False)
        inputs = torch.from_numpy(examples.astype(np.float32))[:, None].to(self.device)
        with torch.inference_mode():
            batches = [network(batch).cpu().numpy() for batch in inputs.split(self.batch_size)]
        vectors = np.concatenate(batches)
        return finite(preparation.stored(vectors, published) if published else vectors, "vggish")

    def weights(self, audio: Audio) -> Vectors:
        published = self.published_front_end
        if published:  # its windows all count equally
            frames = len(preparation.prepare(audio, RATE, published))
            return np.ones(max(1, 1 + (frames - EXAMPLE) // HOP), dtype=np.float32)
        frames = round(audio.duration * RATE)
        return np.full(max(1, 1 + (frames - EXAMPLE) // HOP), min(1.0, frames / EXAMPLE), dtype=np.float32)

    @property
    def front_ends(self) -> Mapping[str, FrontEnd]:
        return front_ends.VGGISH

    @property
    def _file(self) -> Path:
        return checkpoint_file(self.checkpoint, PUBLISHED, SOURCE)

    @cached_property
    def _network(self) -> Any:
        file = self._file
        package = required("torchvggish.torchvggish", "laion")
        network = fill(package.VGG(package.make_layers(), postprocess=False), load_state(file, "model"), file)
        network.embeddings = network.embeddings[:-1]
        return network.to(self.device)
