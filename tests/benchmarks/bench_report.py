"""A report built, and opened in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from row import Row

from bench.report.size import folder_size

HERE = Path(__file__).resolve().parent
TUNES, TINY = HERE / "tunes.py", HERE.parent / "plugins" / "tiny.py"
MODELS = 8
CHROMIUM = "/usr/bin/chromium"
PATIENCE = 60_000  # milliseconds


def measure() -> Iterator[Row]:
    tunebench = str(Path(sys.executable).parent / "tunebench")
    for prompts, seconds, limit in ((36, 20.0, 60.0), (1000, 0.3, None)):
        size = f"{prompts:,} prompts × {MODELS} models"
        with tempfile.TemporaryDirectory() as folder:
            config, run = Path(folder, "run.yaml"), Path(folder, "run")
            _write(config, prompts, seconds)
            _seconds(tunebench, "run", str(config), "--out", str(run))
            taken = _seconds(tunebench, "report", str(run))
            machine = f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"
            note = f"clips of {seconds:g} s, 5 metrics, all pairs compared; {machine}"
            yield Row(f"report of {size}", taken, "s", limit, "lower", note)
            yield Row("… built again", _seconds(tunebench, "report", str(run)), "s", None, "lower", "nothing changed")
            weight = folder_size(run / "report")
            yield Row("… its first page", weight.first_page / 1e6, "MB", 1.0, "lower", str(weight))
            yield from _opened(run / "report" / "index.html")


def _write(config: Path, prompts: int, seconds: float) -> None:
    lines = "".join(
        f"  - {{id: p{i}, text: tune number {i}, genre: g{i % 6}, level: {i % 3 + 1}}}\n" for i in range(prompts)
    )
    suite = config.with_name("suite.yaml")
    suite.write_text(f"name: many\nversion: 1\nprompts:\n{lines}")
    models = ", ".join(f"{{name: '{TUNES}:Tunes', as: m{i}, params: {{spoiled: {i / 10}}}}}" for i in range(MODELS))
    metrics = ", ".join(f"'{TINY}:{name}'" for name in ("Peak", "Frames", "Loudest", "Spread"))
    diversity = f"{{name: diversity, params: {{embedder: '{TINY}:Bands'}}}}"
    config.write_text(
        f"{{suite: {suite}, models: [{models}], metrics: [{metrics}, {diversity}], duration: {seconds}, seeds: [0]}}"
    )


def _opened(page: Path) -> Iterator[Row]:
    """How long a browser takes from nothing to a table with rows; the median of five."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        print("no Playwright, so no page is opened: pip install playwright", file=sys.stderr)
        return
    if not Path(CHROMIUM).exists():
        print(f"no {CHROMIUM}, so no page is opened: apt-get install chromium", file=sys.stderr)
        return
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(5):
            tab = browser.new_page()
            begin = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="commit")
            tab.locator("table tbody tr").first.wait_for(timeout=PATIENCE)
            taken.append(time.perf_counter() - begin)
            tab.close()
        version = browser.version
        browser.close()
    yield Row("… time to its first table", sorted(taken)[2], "s", 3.0, "lower", f"Chromium {version}, from disk")


def _seconds(*command: str) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return time.perf_counter() - begin
