"""Silence the libraries' progress bars and messages, which would mix with ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Let transformers (and diffusers, where it is installed) report only errors and show no progress bars."""
    from transformers.utils import logging as transformers_logging

    loggings = [transformers_logging]
    if find_spec("diffusers"):
        from diffusers.utils import logging as diffusers_logging

        loggings.append(diffusers_logging)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore", FutureWarning)  # about names that older versions need and newer ones deprecate
        for logging in loggings:
            stack.callback(logging.set_verbosity, logging.get_verbosity())
            logging.set_verbosity_error()
            if logging.is_progress_bar_enabled():
                stack.callback(logging.enable_progress_bar)
                logging.disable_progress_bar()
        yield
