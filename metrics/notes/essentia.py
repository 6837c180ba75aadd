"""essentia, with its logging off: it writes tens of thousands of warnings for ordinary music."""

from __future__ import annotations

from functools import cache
from typing import Any

from bench.errors import MissingError


@cache
def quiet_essentia() -> Any:
    """Import the module ``essentia.standard``.

    Raises:
        MissingError: essentia is not installed.
    """
    try:
        import essentia
    except ImportError:
        raise MissingError("tempo and key need essentia; install it with: pip install essentia") from None
    essentia.log.infoActive = False
    essentia.log.warningActive = False
    import essentia.standard

    return essentia.standard
