"""CLAP's embedding of a sound, which AudioLDM was originally trained on.

Wu et al., "Large-Scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation",
ICASSP 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bench import interrupts
from bench.contracts.audio import Samples
from bench.network_weights import load_network
from models.base_checkpoint import identity, locate


class ClapConditioner:
    """A CLAP checkpoint of transformers.

    Args:
        checkpoint: a folder, or a hub id such as ``laion/clap-htsat-unfused``.

    Raises:
        UsageError: there is no such checkpoint, or it is of another kind.
        MissingError: it is incomplete.
        DataError: it lacks weights.
    """

    def __init__(self, checkpoint: str) -> None:
        from transformers import ClapFeatureExtractor, ClapModel

        folder = locate(checkpoint, None, "ClapModel")
        self.checkpoint = checkpoint
        self.identity: Mapping[str, str] = identity(checkpoint, None)
        network = load_network(ClapModel, folder, weights_only=True)
        self._extractor = ClapFeatureExtractor.from_pretrained(str(folder), local_files_only=True)
        self._network = network.float().requires_grad_(False).eval()

    @interrupts.held()
    def embed(self, samples: Samples, rate: int) -> torch.Tensor:
        """Embed a sound, of unit length, shape (1, dimension).

        Longer audio is cut into consecutive windows of the network's length, whose embeddings are averaged, weighted
        by length: the extractor itself would take one window at random. Shorter audio is repeated, as in CLAP's own
        training.

        Args:
            samples: mono, shape (frames,).
            rate: in Hz.
        """
        import soxr

        wanted = int(self._extractor.sampling_rate)
        if rate != wanted:
            samples = soxr.resample(samples, rate, wanted)
        size = int(self._extractor.nb_max_samples)
        parts = [samples[start : start + size] for start in range(0, len(samples), size)]
        total = torch.stack([len(part) * self._window(part) for part in parts]).sum(dim=0)
        return torch.nn.functional.normalize(total, dim=-1).cpu()

    def embed_text(self, tokens: Sequence[int]) -> torch.Tensor:
        """Embed a text, given as the ids of its tokens: of unit length, shape (1, dimension)."""
        ids = torch.tensor([list(tokens)], device=self._network.device)
        with torch.no_grad():
            return _unit(self._network.get_text_features(ids, torch.ones_like(ids))).cpu()

    def to(self, device: str) -> None:
        self._network.to(device)

    def _window(self, samples: Samples) -> torch.Tensor:
        features = self._extractor(samples, sampling_rate=self._extractor.sampling_rate, return_tensors="pt")
        with torch.no_grad():
            return _unit(
                self._network.get_audio_features(
                    features["input_features"].float().to(self._network.device),
                    # The extractor marks a random window as longer than it is if none is.
                    torch.zeros((1, 1), dtype=torch.bool, device=self._network.device),
                )
            )


def _unit(output: Any) -> torch.Tensor:
    pooled = getattr(output, "pooler_output", output)  # transformers 4 returns the tensor itself
    return torch.nn.functional.normalize(pooled.float(), dim=-1)
