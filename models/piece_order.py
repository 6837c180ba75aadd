"""The order of the pieces of a fused layer, which Stable Audio 3's trainer and diffusers define differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Differential self-attention is q, k, v, q', k' for the trainer, and q, q', k, k', v for diffusers.
_DIFFERENTIAL = (0, 3, 1, 4, 2)


def piece_order(name: str, layer: Any) -> tuple[int, ...]:
    """Return which of the trainer's equal pieces of outputs is first in diffusers, second, …; empty for no reordering.

    Args:
        name: of the layer in diffusers.
        layer: with a weight.
    """
    differential = name.endswith(".self_attn.to_qkv") and layer.weight.shape[0] == 5 * layer.weight.shape[1]
    return _DIFFERENTIAL if differential else ()


def reordered(rows: torch.Tensor, order: tuple[int, ...]) -> torch.Tensor:
    """Return rows with their equal pieces in another order, or unchanged for an empty order.

    Args:
        rows: one for each output, shape (outputs, …), divisible by the number of pieces.
        order: which piece is first, second, …, as `piece_order` returns it.
    """
    import torch

    pieces = rows.chunk(len(order)) if order else ()
    return torch.cat([pieces[place] for place in order]) if order else rows


def reverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """Return the order that undoes another.

    >>> reverse((0, 3, 1, 4, 2))
    (0, 2, 4, 1, 3)
    """
    return tuple(sorted(range(len(order)), key=order.__getitem__))
