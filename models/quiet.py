"""Loading and saving without the libraries' progress bars and remarks, which would end up between our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let diffusers and transformers report errors only, and draw no progress bars, until the block ends."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    loggings = (diffusers_logging, transformers_logging)
    before = [(logging.get_verbosity(), logging.is_progress_bar_enabled()) for logging in loggings]
    for logging in loggings:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        yield
    finally:
        for logging, (level, bars) in zip(loggings, before, strict=True):
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
