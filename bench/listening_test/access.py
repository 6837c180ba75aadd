"""Secret links: one for each listener, and one for the organizer."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from bench.listening_test.design import ListeningDesign


def listener_token(design: ListeningDesign, listener: int) -> str:
    """Return the token of a listener's link: the number of the session, and 130 bits that prove it.

    Args:
        design: of the test.
        listener: counted from 0.
    """
    return f"{listener + 1}-{_proof(design, f'listener {listener}')}"


def organizer_token(design: ListeningDesign) -> str:
    """Return the token of the link of the organizer's page."""
    return _proof(design, "organizer")


def listener_of(design: ListeningDesign, token: str) -> int | None:
    """Return the listener of a token, counted from 0, or None if it is invalid.

    The time does not depend on how much of it is right.
    """
    number = token.partition("-")[0]
    if not (number.isascii() and number.isdigit()) or len(number) > 6:
        return None
    listener = int(number) - 1
    proved = hmac.compare_digest(token.encode(), listener_token(design, listener).encode())
    return listener if proved and 0 <= listener < len(design.sessions) else None


def is_organizer(design: ListeningDesign, token: str) -> bool:
    """Return whether a token is the organizer's, compared in constant time."""
    return hmac.compare_digest(token.encode(), organizer_token(design).encode())


def is_web_address(text: str) -> bool:
    """Return whether a text is an http or https address.

    >>> is_web_address("https://example.org/test"), is_web_address("example.org"), is_web_address("http://[")
    (True, False, False)
    """
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _proof(design: ListeningDesign, of: str) -> str:
    digest = hmac.new(bytes.fromhex(design.secret), of.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode().lower()[:26]
