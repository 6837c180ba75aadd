"""Settings before importing libraries that would write to folders shared by all processes."""

from __future__ import annotations

import os

from bench.numba_cache import use_private_cache


def set_up_libraries() -> None:
    """Keep numba's compiled code to this process, and onnxruntime from recording telemetry.

    Call it before heavy imports; it imports nothing itself, and a second call does nothing.
    """
    # From 1.31 on, importing onnxruntime (diffusers does) writes an identifier of this user and a database of
    # telemetry events into the cache folder.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    use_private_cache()
