"""The error for an adapter whose factors have other sizes than a layer of the network."""

from __future__ import annotations

from pathlib import Path

from bench.errors import UsageError


def size_mismatch(path: Path, name: str, here: tuple[int, ...], given: tuple[int, ...]) -> UsageError:
    """Return the error for one layer.

    Args:
        path: the adapter's.
        name: the layer's.
        here: shape of the layer in the network.
        given: shape that the adapter has for it.
    """
    sizes = ["×".join(map(str, shape)) for shape in (here, given)]
    return UsageError(
        f"adapter '{path}' does not fit: layer '{name}' is {sizes[0]} here and {sizes[1]} in the adapter; it was "
        "trained on a model of another size"
    )
