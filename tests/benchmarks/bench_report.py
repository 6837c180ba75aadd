"""A report built, large or with sounds, and opened in a browser."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from large_run import Size, build_run
from row import Row

from bench.contracts.audio import Audio, content_hash, read_audio, write_flac
from bench.report.context import ClipMedia
from bench.report.media import prepare
from bench.report.size import measure_report
from bench.storage.store import StoredClip

HERE = Path(__file__).resolve().parent
TUNES, TINY = HERE / "tunes.py", HERE.parent / "plugins" / "tiny.py"
MODELS = 8
MEDIA_CLIPS, MEDIA_FILES = 480, 24  # clips share files: what is made of each is made all the same
CHROMIUM = "/usr/bin/chromium"
PATIENCE = 60_000  # milliseconds


def measure() -> Iterator[Row]:
    yield _large()
    yield _media()
    yield from _small()


def _large() -> Row:
    """A report that plays nothing, of a run of 100,000 clips that was never made."""
    tunebench = str(Path(sys.executable).parent / "tunebench")
    with tempfile.TemporaryDirectory() as folder:
        size = Size(100_000)
        run = build_run(Path(folder), size, files=False)
        taken = _seconds(tunebench, "report", str(run), "--audio", "none")
    return Row(f"report of {size.clips:,} clips without audio", taken, "s", 60.0, "lower", f"10 metrics; {_machine()}")


def _media() -> Row:
    """Sounds and pictures of stereo clips at 44.1 kHz, the start of the workers included."""
    with tempfile.TemporaryDirectory() as folder:
        run, rng = Path(folder, "run"), np.random.default_rng(0)
        files = [_clip(run, place, rng) for place in range(MEDIA_FILES)]
        clips = [_another(files[place % MEDIA_FILES], place) for place in range(MEDIA_CLIPS)]
        started = time.perf_counter()
        made = prepare(run, clips, Path(folder, "report"), workers=2)
        taken = time.perf_counter() - started
        if not all(isinstance(one, ClipMedia) for one in made.values()):
            raise RuntimeError("not all media were made")
    return Row(
        "sounds and pictures of clips of 10 s", MEDIA_CLIPS / taken, "clips/s", 20.0, note=f"2 workers; {_machine()}"
    )


def _clip(run: Path, place: int, rng: np.random.Generator) -> StoredClip:
    """A clip of chords that fade, with some noise."""
    time_of = np.arange(441_000) / 44_100
    pitches = 110 * 2 ** (rng.integers(0, 36, size=6) / 12)
    tones = sum(np.sin(2 * np.pi * pitch * time_of + rng.uniform(0, 6, size=(2, 1))) for pitch in pitches)
    samples = tones * np.exp(-3 * (time_of % 1)) + rng.normal(0, 0.05, size=(2, len(time_of)))
    audio = Audio((0.8 * samples / np.abs(samples).max()).astype(np.float32), 44_100)
    path = f"audio/model/{place}.flac"
    write_flac(run / path, audio)
    return StoredClip("", "model", "", 0, path, content_hash(read_audio(run / path)), audio.duration, None)


def _another(clip: StoredClip, place: int) -> StoredClip:
    """A clip with the same sound, of which four have one prompt."""
    return replace(clip, id=hashlib.sha256(str(place).encode()).hexdigest(), prompt=f"p{place // 4}", seed=place % 4)


def _machine() -> str:
    return f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}"


def _small() -> Iterator[Row]:
    tunebench = str(Path(sys.executable).parent / "tunebench")
    for prompts, seconds, limit in ((36, 20.0, 60.0), (1000, 0.3, None)):
        size = f"{prompts:,} prompts × {MODELS} models"
        with tempfile.TemporaryDirectory() as folder:
            config, run = Path(folder, "run.yaml"), Path(folder, "run")
            _write(config, prompts, seconds)
            _seconds(tunebench, "run", str(config), "--out", str(run))
            taken = _seconds(tunebench, "report", str(run))
            note = f"clips of {seconds:g} s, 5 metrics, all pairs compared; {_machine()}"
            yield Row(f"report of {size}", taken, "s", limit, "lower", note)
            yield Row("… built again", _seconds(tunebench, "report", str(run)), "s", None, "lower", "nothing changed")
            weight = measure_report(run / "report")
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
