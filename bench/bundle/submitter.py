"""The submitter of a bundle, as stated: a name and a link for a leaderboard, not verified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bench.errors import UsageError

SUBMITTER = "submitter"
"""Its key in the index."""

_LONGEST = 200  # characters


def describe_submitter(name: str = "", link: str = "") -> dict[str, str]:
    """Return the submitter of a bundle for the index; empty if not stated.

    Args:
        name: of a person or group, up to 200 characters in one line.
        link: an address that begins with ``https://`` or ``http://``.

    Raises:
        UsageError: one of them has another form.
    """
    found = {key: text for key, text in (("name", name.strip()), ("link", link.strip())) if text}
    if wrong := _wrong(found):
        raise UsageError(wrong)
    return found


def read_submitter(index: Mapping[str, Any]) -> dict[str, str]:
    """Return the submitter stated in the index of a bundle; empty if not stated.

    Raises:
        ValueError: it is not what `describe_submitter` returns.
    """
    found = index.get(SUBMITTER, {})
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError("its submitter is not text")
    if set(found) - {"name", "link"} or not all(found.values()):
        raise ValueError("its submitter has keys other than name and link")
    if wrong := _wrong(found):
        raise ValueError(wrong)
    return dict(found)


def _wrong(found: Mapping[str, str]) -> str:
    """Return the problem with a name or a link; empty if there is none."""
    for what, text in found.items():
        if len(text) > _LONGEST or not text.isprintable():
            return f"the submitter's {what} must be one line of at most {_LONGEST} printable characters"
    if link := found.get("link"):
        try:
            parts = urlsplit(link)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in link
        except ValueError:
            good = False
        if not good:
            return f"the submitter's link {link!r:.80} is not an address such as 'https://example.org/me'"
    return ""
