"""Shipped networks in ONNX, run by onnxruntime on one thread."""

from __future__ import annotations

import hashlib
from importlib.resources.abc import Traversable
from typing import Any

from bench.errors import MissingError
from bench.library_setup import set_up_libraries


def load_network(file: Traversable, sha256: str, name: str) -> Any:
    """Return an onnxruntime session of the network in a file.

    Args:
        file: path of the weights, or a resource of a package.
        sha256: of the file, in hex.
        name: what the weights are called in messages, with their version.

    Raises:
        MissingError: no such file, or another content.
    """
    set_up_libraries()
    from onnxruntime import InferenceSession, SessionOptions

    try:
        weights = file.read_bytes()
    except OSError:
        raise MissingError(f"{file}: the weights of {name} are missing; reinstall tunebench") from None
    if hashlib.sha256(weights).hexdigest() != sha256:
        raise MissingError(f"{file}: these are not the weights of {name}; reinstall tunebench")
    options = SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return InferenceSession(weights, options, providers=["CPUExecutionProvider"])
