"""LoKr: adapters whose change of a weight is a Kronecker product, W + α/rank · (w1 ⊗ w2).

Yeh et al., "Navigating Text-To-Image Customization: From LyCORIS Fine-Tuning to Model Evaluation", ICLR 2024; files as
KohakuBlueleaf/LyCORIS writes them, which ACE-Step's own trainer does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from bench.errors import DataError, UsageError
from models.size_mismatch import size_mismatch

_KEY = re.compile(r"(?P<layer>.+?)\.lokr_(?P<factor>w1|w2|w1_a|w1_b|w2_a|w2_b)")
_NEEDED = ({"w1"}, {"w1_a", "w1_b"}), ({"w2"}, {"w2_a", "w2_b"})


@dataclass
class KroneckerFactors:
    """What LoKr adds to one layer: ``factor`` · (``left`` ⊗ ``right``).

    Attributes:
        left: shape (a, c).
        right: shape (b, d), or (b, d, *kernel) of a convolution.
        factor: α/rank; 1 where neither side is a product of two, as in LyCORIS.
    """

    left: torch.Tensor
    right: torch.Tensor
    factor: float

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight: (a · b, c · d, *kernel)."""
        (a, c), (b, d, *kernel) = self.left.shape, self.right.shape
        return (a * b, c * d, *kernel)

    def product(self) -> torch.Tensor:
        """Compute the change of the weight in full: float32, of the weight's `shape`."""
        left = self.left.reshape(*self.left.shape, *[1] * (self.right.ndim - 2))
        return self.factor * torch.kron(left, self.right.contiguous())


def take_kronecker(
    path: Path, tensors: Mapping[str, torch.Tensor], alphas: Mapping[str, float | None]
) -> tuple[dict[str, KroneckerFactors], dict[str, torch.Tensor]]:
    """Return the factors of each layer among the tensors of a file, and the remaining tensors.

    Args:
        path: the adapter's, for messages.
        tensors: by their names in the file.
        alphas: α of each layer.

    Raises:
        DataError: factors that do not match, or without their α.
    """
    found: dict[str, dict[str, torch.Tensor]] = {}
    rest = {}
    for key, value in tensors.items():
        if match := _KEY.fullmatch(key):
            found.setdefault(match["layer"], {})[match["factor"]] = value.float()
        else:
            rest[key] = value
    return {name: _factors(path, name, own, alphas.get(name)) for name, own in found.items()}, rest


def _factors(path: Path, name: str, own: Mapping[str, torch.Tensor], alpha: float | None) -> KroneckerFactors:
    wrong = DataError(f"adapter '{path}': the LoKr factors of layer '{name}' do not match")
    sides = [next((side for side in ways if side <= own.keys()), None) for ways in _NEEDED]
    if None in sides or len(own) != sum(len(side or ()) for side in sides):
        raise wrong
    ranks = {own[key].shape[1] for key in ("w1_a", "w2_a") if key in own and own[key].ndim == 2}
    if any(own[f"{side}_a"].ndim != 2 or own[f"{side}_a"].shape[1] != len(own[f"{side}_b"]) for side in _products(own)):
        raise wrong
    left, right = (own[side] if side in own else _product(own[f"{side}_a"], own[f"{side}_b"]) for side in ("w1", "w2"))
    if left.ndim != 2 or right.ndim < 2 or len(ranks) > 1:
        raise wrong
    if ranks and alpha is None:
        raise DataError(f"adapter '{path}': layer '{name}' has LoKr factors and no α; it is incomplete")
    return KroneckerFactors(left, right, (alpha or 0.0) / ranks.pop() if ranks else 1.0)


def _products(own: Mapping[str, torch.Tensor]) -> list[str]:
    return [side for side in ("w1", "w2") if f"{side}_a" in own]


def _product(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first @ second.flatten(1)).reshape(len(first), *second.shape[1:])


class KroneckerLayer(torch.nn.Module):
    """A layer with Kronecker products beside its weight, in float32 whatever the layer computes in.

    Args:
        base: a linear layer or a convolution, which may have LoRA beside it.
    """

    def __init__(self, base: Any) -> None:
        super().__init__()
        self.base_layer = base
        self._terms: list[tuple[KroneckerFactors, float]] = []

    @property
    def weight(self) -> torch.Tensor:
        """Weight of the layer itself."""
        found: torch.Tensor = self.base_layer.weight
        return found

    @property
    def bias(self) -> torch.Tensor | None:
        """Bias of the layer itself."""
        found: torch.Tensor | None = self.base_layer.bias
        return found

    def get_base_layer(self) -> Any:
        """Return the layer itself, without what peft has put around it."""
        base: Any = self.base_layer
        return base.get_base_layer() if hasattr(base, "get_base_layer") else base

    def add(self, factors: KroneckerFactors, scale: float) -> None:
        """Add a product, times ``scale``.

        Args:
            factors: of the shape of the layer's weight, as `fitted` returns them.
            scale: factor on the contribution; 1 is as trained.
        """
        number = len(self._terms)
        self.register_buffer(f"left_{number}", factors.left, persistent=False)
        self.register_buffer(f"right_{number}", factors.right, persistent=False)
        self._terms.append((factors, scale))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute the layer's outputs with the contributions of all products."""
        outputs: torch.Tensor = self.base_layer(inputs)
        for number, (factors, scale) in enumerate(self._terms):
            left, right = getattr(self, f"left_{number}"), getattr(self, f"right_{number}")
            term = self._term(inputs, KroneckerFactors(left, right, factors.factor))
            outputs = outputs + (scale * term).to(outputs.dtype)
        return outputs

    def fold(self) -> None:
        """Add all products to the weight of the layer itself."""
        weight = self.get_base_layer().weight
        for factors, scale in self._terms:
            weight.data = (weight.float() + scale * factors.product().to(weight.device)).to(weight.dtype)
        self._terms = []

    def _term(self, inputs: torch.Tensor, factors: KroneckerFactors) -> torch.Tensor:
        base, inputs = self.get_base_layer(), inputs.to(factors.left.dtype)
        if factors.right.ndim > 2:
            term: torch.Tensor = base._conv_forward(inputs, factors.product(), None)
            return term
        # (w1 ⊗ w2) x is w1 X w2ᵀ, with x as a matrix of c rows and d columns.
        blocks = inputs.reshape(*inputs.shape[:-1], factors.left.shape[1], factors.right.shape[1])
        found: torch.Tensor = factors.factor * (factors.left @ blocks @ factors.right.T).flatten(-2)
        return found


def fitted(path: Path, name: str, factors: KroneckerFactors, target: Any, piece: tuple[int, int]) -> KroneckerFactors:
    """Return the factors in a form that fits a layer of a network: LyCORIS writes a kernel's dimensions as one.

    Args:
        path: the adapter's, for messages.
        name: of the layer in the file, for messages.
        factors: as they were read.
        target: the layer.
        piece: which part of the file's layer it is, as in `models.adapter_names.Place`.

    Raises:
        UsageError: it is of another shape or kind.
    """
    own = tuple(target.weight.shape)
    if not isinstance(target, torch.nn.Linear | torch.nn.Conv1d | torch.nn.Conv2d) or piece != (0, 1):
        kind = type(target).__name__ if piece == (0, 1) else "a part of a fused layer"
        raise UsageError(
            f"adapter '{path}' holds LoKr for layer '{name}', {kind}; only linear layers and convolutions are read"
        )
    kernel, inputs = own[2:], factors.right.shape[1]
    if kernel and factors.right.ndim == 2 and inputs % math.prod(kernel) == 0:
        right = factors.right.reshape(len(factors.right), inputs // math.prod(kernel), *kernel)
        factors = replace(factors, right=right)
    if factors.shape != own:
        raise size_mismatch(path, name, own, factors.shape)
    return factors
