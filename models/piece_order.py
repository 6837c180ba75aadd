"""In which order the pieces of a fused layer stand: to the trainer of Stable Audio 3 another than to diffusers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Differential self-attention is q, k, v, q', k' to the trainer, and q, q', k, k', v to diffusers.
_DIFFERENTIAL = (0, 3, 1, 4, 2)


def piece_order(name: str, layer: Any) -> tuple[int, ...]:
    """Which of the trainer's equal pieces of outputs stands first in diffusers, then second, …; empty for as they are.

    Args:
        name: of the layer in diffusers.
        layer: with a weight.
    """
    differential = name.endswith(".self_attn.to_qkv") and layer.weight.shape[0] == 5 * layer.weight.shape[1]
    return _DIFFERENTIAL if differential else ()


def reordered(rows: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Rows with their equal pieces in another order; as they are for none."""
    import torch

    pieces = rows.chunk(len(order)) if order else ()
    return torch.cat([pieces[place] for place in order]) if order else rows


def reverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes another.

    >>> reverse((0, 3, 1, 4, 2))
    (0, 2, 4, 1, 3)
    """
    return tuple(sorted(range(len(order)), key=order.__getitem__))
