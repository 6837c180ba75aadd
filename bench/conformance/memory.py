"""Memory of an object: the arrays and tensors reachable from it."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterable
from types import BuiltinFunctionType, FrameType, FunctionType, ModuleType
from typing import Any

import numpy as np

# From these, everything in the process is reachable.
_DOORS = (ModuleType, type, BuiltinFunctionType, FrameType)


def arrays(root: Any) -> list[weakref.ref[Any]]:
    """Return weak references to the NumPy arrays and PyTorch tensors reachable from ``root``.

    Modules, classes and the global names of functions are not followed.
    """
    torch = sys.modules.get("torch")
    kinds: tuple[type, ...] = (np.ndarray, torch.Tensor) if torch else (np.ndarray,)
    seen, waiting, found = {id(root)}, [root], []
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, kinds):
            found.append(weakref.ref(thing))
        for other in _referents(thing):
            if id(other) not in seen and not isinstance(other, _DOORS):
                seen.add(id(other))
                waiting.append(other)
    return found


def megabytes(references: Iterable[weakref.ref[Any]]) -> float:
    """Return the size of the arrays still alive, in 10⁶ bytes; views count with their own size."""
    alive = [array for reference in references if (array := reference()) is not None]
    return sum(int(array.nbytes) for array in alive) / 1e6


def _referents(thing: Any) -> list[Any]:
    if isinstance(thing, FunctionType):
        return [thing.__closure__, thing.__defaults__, thing.__kwdefaults__, thing.__dict__]
    if isinstance(thing, np.ndarray) and thing.dtype != object:
        return [thing.base]  # NumPy hides this from the garbage collector
    return gc.get_referents(thing)
