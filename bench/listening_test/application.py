"""Assemble the application that serves a listening test."""

from __future__ import annotations

from pathlib import Path

from bench.errors import MissingError, UsageError
from bench.listening_test.access import is_web_address
from bench.listening_test.design import ListeningDesign, check_sound_files
from bench.listening_test.server import Server
from bench.listening_test.web_guard import Guard
from bench.storage.listening_answers import Answers


def make_app(folder: Path, design: ListeningDesign, public_url: str = "") -> Guard:
    """Return the application that serves a listening test.

    Args:
        folder: of the test.
        design: its design.
        public_url: the public address, if it differs; for links and cookies.

    Raises:
        UsageError: the answers cannot be written, or the address is invalid.
        DataError: a sound or the answers are damaged.
        MissingError: the extra ``web`` is not installed.
    """
    try:
        import fastapi  # noqa: F401
    except ImportError as error:
        raise MissingError(f"serving a listening test needs {error.name}; pip install 'tunebench[web]'") from None
    from bench.listening_test.routes import make_routes

    if public_url and (not is_web_address(public_url) or set("?#") & set(public_url)):
        raise UsageError(f"--public-url is '{public_url}', must be an address such as https://example.org/test")
    check_sound_files(design, folder)
    server = Server(folder, design, Answers(folder, design.id), public_url.rstrip("/"))
    return Guard(make_routes(server), public_url.startswith("https:"))
