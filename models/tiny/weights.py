"""Random weights that are the same on every computer and with every version of the libraries."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch


def fill(tensors: Mapping[str, torch.Tensor], seed: int) -> None:
    """Overwrite weights in place: each from a generator of its own, seeded by ``seed`` and the weight's name.

    Matrices and kernels get normal numbers with variance 1/fan-in, so that signals keep their size; the magnitudes of
    weight-normalized layers become 1 and biases 0. Vectors that the library made constant, such as the gains of
    normalizations, stay.

    Args:
        tensors: by their names, which decide the numbers.
        seed: ≥ 0.
    """
    for name, tensor in tensors.items():
        last = name.rpartition(".")[2]
        if last in ("original0", "weight_g"):
            tensor.data.fill_(1.0)
        elif tensor.ndim >= 2:
            _draw(name, tensor, seed, (tensor.shape[0] / tensor.numel()) ** 0.5)
        elif last == "bias":
            tensor.data.zero_()
        elif tensor.numel() > 1 and bool((tensor != tensor[0]).any()):
            _draw(name, tensor, seed, 1.0)


def fill_module(module: torch.nn.Module, seed: int) -> None:
    """Fill all parameters of a module, and codebooks, which are buffers; ends in evaluation mode."""
    fill(dict(module.named_parameters()), seed)
    fill({name: buffer for name, buffer in module.named_buffers() if name.endswith(".embed")}, seed)
    module.eval()


def _draw(name: str, tensor: torch.Tensor, seed: int, deviation: float) -> None:
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    values = rng.standard_normal(tuple(tensor.shape)) * deviation
    tensor.data.copy_(torch.from_numpy(values.astype(np.float32)))
