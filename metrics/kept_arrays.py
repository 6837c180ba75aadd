"""Arrays that took long to compute, kept in a file so that stopped work goes on."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.atomic_write import replacing

Arrays = Mapping[str, npt.NDArray[Any]]


def keep_arrays(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """The arrays in a file; where it is missing or damaged they are made, and written to it.

    Args:
        path: whose name says what the arrays depend on; its folder is there.
        make: returns the arrays by name.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        made = make()
    with replacing(path) as temporary, temporary.open("wb") as out:
        np.savez_compressed(out, **made)
    return made
