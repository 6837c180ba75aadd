"""Arrays that took long to compute, stored in a file so that interrupted work resumes."""

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
    """Return the arrays in a file; if it is missing or damaged, compute them and write it.

    Args:
        path: its name must identify what the arrays depend on; its folder exists.
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
