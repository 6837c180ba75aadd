"""The code blocks of a Markdown page, for the tests that run or read them."""

from __future__ import annotations

import re


def code_blocks(page: str, language: str) -> list[str]:
    """Return the text of the blocks in one language, or several as in ``python|toml``, in the page's order."""
    return re.findall(rf"^```(?:{language})\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
