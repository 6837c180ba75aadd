"""Checkpoints that ``torch.save`` wrote under Python 2, read without running code in them.

Python 2 pickled integers of more than 32 bits, such as the keys of an optimizer's state, as decimal text (the opcode
``INT``), which the weights-only reader of `torch.load` does not know. Python 3 pickles them as bytes (``LONG1``).
Nothing else is changed: that reader still refuses whatever would run code.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.errors import DataError, one_line
from bench.weights_file import AGAIN, check_weights
from metrics.networks.checkpoint import load_state, required

_PICKLES = 5
"""Pickles at the head of such a file: magic number, protocol, machine, the content, and the keys of its tensors."""


def load_python2_state(file: Path, inner: str, extra: str) -> dict[str, Any]:
    """Read the tensors of such a checkpoint on the CPU, by name.

    Args:
        file: written by ``torch.save`` of a release before 1.6 or, where somebody saved it again, of any.
        inner: key of the tensors.
        extra: of the package, to install where PyTorch is missing.

    Raises:
        MissingError: there is no such file, or PyTorch is not installed.
        DataError: it is no such checkpoint, or holds objects that can only be restored by running code.
    """
    torch = required("torch", extra)
    check_weights(file)
    if zipfile.is_zipfile(file):
        return load_state(file, inner)
    try:
        content = torch.load(io.BytesIO(with_python3_integers(file.read_bytes())), "cpu", weights_only=True)
    except Exception as error:  # unpickling damaged or hostile bytes may raise anything
        raise DataError(
            f"{file}: holds more than weights, or is damaged, and is not read ({one_line(error)[:160]}); {AGAIN}"
        ) from error
    state = content.get(inner) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise DataError(f"{file}: holds no tensors under '{inner}'; {AGAIN}")
    return dict(state)


def with_python3_integers(content: bytes) -> bytes:
    """Return the bytes of a checkpoint with its long integers written as Python 3 writes them.

    Raises:
        ValueError: it does not begin with that many pickles.
    """
    source, parts = io.BytesIO(content), []
    for _ in range(_PICKLES):
        opcodes = list(pickletools.genops(source))
        ends = [position for *_, position in opcodes[1:]] + [source.tell()]
        for (opcode, value, position), end in zip(opcodes, ends, strict=True):
            is_long = opcode.name == "INT" and not isinstance(value, bool)
            parts.append(_long(value) if is_long else content[position or 0 : end])
    return b"".join(parts) + content[source.tell() :]


def _long(value: Any) -> bytes:
    number = int(value)
    written = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(written)]) + written
