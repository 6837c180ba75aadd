"""``python tests/screenshots.py RUN``: the pictures of the docs, taken of the report of a real run in a browser."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/bench/report")]

from browsers import find_chromium, opened_chromium  # type: ignore[import-not-found]  # noqa: E402

FOLDER = ROOT / "docs" / "images"
WIDTH, HEIGHT = 1100, 760


def main() -> None:
    report = Path(sys.argv[1]).resolve() / "report" / "index.html"
    FOLDER.mkdir(exist_ok=True)
    with opened_chromium(find_chromium()) as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(report.as_uri())
        page.wait_for_load_state()
        page.screenshot(path=str(FOLDER / "report.png"))
    print(FOLDER / "report.png")


if __name__ == "__main__":
    main()
