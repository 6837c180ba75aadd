"""What tests of pages in browsers share: where a browser is, and what axe-core says of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"),
)
EVERY_PAGE = (
    "index.html",
    "compare.html",
    "prompts.html",
    "prompts/1.html",
    "metrics.html",
    "survey.html",
    "about.html",
)
HELP = "no Chromium: apt-get install chromium on Debian, elsewhere python -m playwright install chromium"


def find_chromium() -> str:
    """The path of a Chromium; without one the whole module is skipped, or fails where a browser is required."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return _without("no Playwright: pip install playwright")
    named = os.environ.get("TUNEBENCH_CHROMIUM")
    path = named or next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path:
        return path
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else _without(HELP)


@contextmanager
def opened_chromium(path: str) -> Iterator[Any]:
    """A Chromium that plays sounds without being asked, closed in the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


def _without(reason: str) -> str:
    if os.environ.get("TUNEBENCH_REQUIRE_BROWSER") == "1":
        raise RuntimeError(reason)
    pytest.skip(reason, allow_module_level=True)


def axe_script() -> str:
    """axe-core as one script (MPL-2.0), from the package that brings it along."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


AXE_RUN = """
axe.run({ resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations.map((one) => (
  [one.impact, one.id, one.nodes.map((node) => node.html.slice(0, 120))]))))
"""


def serious(violations: list[list[Any]]) -> list[list[Any]]:
    """Those that keep somebody from using a page."""
    return [one for one in violations if one[0] in ("serious", "critical")]
