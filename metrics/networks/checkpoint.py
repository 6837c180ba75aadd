"""Checkpoints that users bring: found, hashed and loaded without running code in them."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import DataError, MissingError
from bench.library_setup import set_up_libraries
from bench.network_weights import fill_network
from bench.weights_file import hash_weights, load_weights


def required(module: str, extra: str, *names: str) -> Any:
    """Import a module of an optional extra, and return it.

    Args:
        module: its name.
        extra: what to install for it.
        names: what is used of it, where that is imported on access, as in transformers.

    Raises:
        MissingError: it, or something it imports, is not installed or broken; the message names the command.
    """
    set_up_libraries()
    try:
        imported = importlib.import_module(module)
        for name in names:
            getattr(imported, name)
    except Exception as error:  # a library of another build raises OSError, and transformers RuntimeError
        missing = getattr(error, "name", None) or module
        raise MissingError(
            f"{module} cannot be imported ({missing} is missing or broken); install it with: "
            f"pip install 'tunebench[{extra}]'"
        ) from error
    return imported


def checkpoint_file(path: str, published: str, source: str) -> Path:
    """Return the file of a checkpoint.

    Args:
        path: as the user gave it, from the working folder.
        published: name that the file is published under.
        source: where it is published.

    Raises:
        MissingError: there is no such file; the message says where to get it and where to put it.
    """
    file = Path(path).expanduser().absolute()
    if not file.exists():
        raise MissingError(
            f"there is no checkpoint {file}; download {published} from {source} and put it there, or give its path "
            f"as the parameter 'checkpoint'"
        )
    return file


def hash_of(files: Iterable[Path]) -> str:
    """Compute the SHA-256 over the contents of files, whatever their names and places.

    Raises:
        MissingError, DataError: a file is missing or cannot be read.
    """
    contents = sorted(hash_weights(file) for file in files)
    return contents[0] if len(contents) == 1 else hashlib.sha256("".join(contents).encode()).hexdigest()


def load_state(file: Path, inner: str) -> dict[str, Any]:
    """Read the tensors of a PyTorch checkpoint on the CPU, by name, without running code.

    Args:
        file: a file that ``torch.save`` wrote.
        inner: key of the tensors, where the checkpoint holds more than them.

    Raises:
        DataError: it is not a checkpoint, or holds objects that can only be restored by running code.
        MissingError: there is no such file, or PyTorch is not installed.
    """
    required("torch", "diffusion")
    # Training scripts save the epoch and the best score as numpy scalars next to the tensors.
    state, _ = load_weights(file, _numpy_globals())
    tensors = state.get(inner, state) if isinstance(state, Mapping) else None
    if not isinstance(tensors, Mapping) or not tensors:
        raise DataError(f"{file}: holds no tensors; download it again")
    return dict(tensors)


def _numpy_globals() -> list[Any]:
    restore = np.float64().__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # as numpy 1 and 2 call it
    kinds = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "b1")]
    return [*((restore, name) for name in names), np.dtype, *kinds]


def fill(network: Any, state: Mapping[str, Any], file: Path) -> Any:
    """Put the tensors into the network and return it, ready for use and in float32.

    Args:
        network: a PyTorch module.
        state: its tensors by name.
        file: where they are from, for the message.

    Raises:
        DataError: names, shapes or types differ (a partly filled network would embed noise), or a tensor holds NaN or
            infinities; the message names it.
    """
    fill_network(network, state, file)
    return network.float().eval()
