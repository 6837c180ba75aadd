"""The pages of a report in Firefox: at any width, light and dark, without a word in the console."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.report.browsers import AXE_RUN, EVERY_PAGE, axe_script, serious
from tests.bench.report.firefox import Firefox, opened

PROGRAM = next(filter(None, map(shutil.which, ("firefox", "firefox-esr"))), None)
pytestmark = pytest.mark.skipif(
    PROGRAM is None or importlib.util.find_spec("websockets") is None,
    reason="no Firefox: apt-get install firefox-esr on Debian, and pip install websockets",
)
DRAWN = """
new Promise((resolve) => {
  const empty = (one) => one.checkVisibility() && !one.childNodes.length;
  const look = () => ([...document.querySelectorAll('.chart')].some(empty)
    ? setTimeout(look, 30) : resolve(document.querySelectorAll('.chart svg').length));
  look();
})
"""


@pytest.fixture(scope="module")
def firefox() -> Iterator[Firefox]:
    assert PROGRAM
    with opened(PROGRAM) as light:
        yield light


def look(firefox: Firefox, folder: Path, name: str, width: int) -> None:
    """Open a page and check what holds of all of them."""
    firefox.open(f"{folder.as_uri()}/{name}", width)
    charts = firefox.run(DRAWN)
    assert charts > 0 or name not in ("index.html", "compare.html", "metrics.html", "survey.html")
    assert firefox.run("document.documentElement.scrollWidth") <= width, f"{name} is too wide for {width} px"
    assert firefox.problems == [], name


def ground(firefox: Firefox) -> int:
    """How red the page's ground is, from 0 to 255: it is grey."""
    return int(firefox.run("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"))


def harms(firefox: Firefox) -> list[Any]:
    firefox.run(f"(() => {{ {axe_script()} }})()")
    return serious(json.loads(firefox.run(AXE_RUN.strip())))


def test_pages_open_at_every_width(firefox: Firefox, report_folder: Path) -> None:
    for name in EVERY_PAGE:
        look(firefox, report_folder, name, 1440)
    for name in ("index.html", "compare.html", "prompts.html", "prompts/1.html"):
        look(firefox, report_folder, name, 1024)
        look(firefox, report_folder, name, 390)
    assert ground(firefox) > 200


def test_the_first_page_keeps_nobody_out_in_the_dark(report_folder: Path) -> None:
    assert PROGRAM
    with opened(PROGRAM, dark=True) as firefox:
        look(firefox, report_folder, "index.html", 1024)
        assert ground(firefox) < 60
        assert harms(firefox) == []


def test_notes_sorting_lists_and_sound_work(firefox: Firefox, report_folder: Path) -> None:
    look(firefox, report_folder, "index.html", 1440)
    firefox.run("document.querySelector('.tip').click()")
    assert firefox.run("document.querySelector('#about-0').matches(':popover-open')")
    firefox.run("document.querySelector('[data-metric=\"0\"] .sort').click()")
    order = "[...document.querySelector('#board tbody').rows].map((row) => row.dataset.model).join('')"
    assert firefox.run(order) == "210"
    look(firefox, report_folder, "metrics.html", 1440)
    assert firefox.run("[...document.querySelectorAll('.chart a')].every((one) => one.getAttribute('aria-label'))")
    look(firefox, report_folder, "prompts/1.html#clip=base", 1440)
    assert firefox.run("document.querySelector('.clip.current').dataset.label") == "base"
    seconds = (
        "new Promise((r) => { const a = document.querySelector('audio'); a.onloadedmetadata = () => r(a.duration);"
    )
    assert firefox.run(f"{seconds} a.preload = 'auto'; a.load(); }})") == pytest.approx(6, abs=0.1)
    look(firefox, report_folder, "prompts.html#metric=0&order=low", 1440)
    waited = "new Promise((r) => setTimeout(() => r(document.querySelector('#prompts .score').textContent), 300))"
    assert firefox.run(waited) != ""
