"""What a process settles before it imports libraries that would write to a place that all processes share."""

from __future__ import annotations

import os

from bench.numba_cache import use_private_cache


def set_up_libraries() -> None:
    """Keep numba's compiled code to this process, and onnxruntime from recording what it is used for.

    Call it before anything heavy is imported; it imports nothing itself, and a second call does nothing.
    """
    # From 1.31 on, importing onnxruntime, as diffusers does too, writes an identifier of this user and a database of
    # events to be sent into the folder for caches.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    use_private_cache()
