"""Two hundred listeners of a listening test at once, for ten minutes: how long saving and the first sound take."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from row import Row

import bench
from bench.storage.listening_answers import Answers

HERE = Path(__file__).resolve().parent
TINY = HERE.parent / "plugins" / "tiny.py"
LISTENERS, SECONDS, PAUSE = 200, 600.0, 3.0

sys.path.insert(0, str(HERE.parent / "bench" / "listening_test"))


def measure() -> Iterator[Row]:
    all_at_once = import_module("simulated_listeners").all_at_once
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "test"
        design = make_test(Path(name), folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-P", "-m", "bench", "survey", "serve", str(folder), "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
            while True:
                with socket.socket() as probe:
                    if not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            told = all_at_once(design, port, LISTENERS, PAUSE, SECONDS)
            server.kill()
        if told.errors:
            raise RuntimeError(f"{len(told.errors)} errors, such as {told.errors[0]}")
        saved = len(told.saves)
        note = f"{LISTENERS} listeners for {SECONDS:g} s, {saved:,} answers, {saved / SECONDS:.0f} a second"
        yield Row("saving an answer, 95 %", 1000 * told.slowest(told.saves), "ms", 200, "lower", note)
        yield Row("first bytes of a sound, 95 %", 1000 * told.slowest(told.first_audio), "ms", 1000, "lower", note)
        kept = sum(page.final for page in Answers(folder, design.id).answers())
        yield Row("acknowledged answers that are lost", len(told.acknowledged) - kept, "answers", 0, "lower", note)


def make_test(place: Path, folder: Path) -> bench.ListeningDesign:
    """A test of two models on 60 prompts of 4 s, long enough for ten minutes."""
    suite = place / "suite.jsonl"
    suite.write_text("".join(json.dumps({"id": f"p{n}", "text": f"tune {n}"}) + "\n" for n in range(60)))
    models = [{"name": f"{TINY}:Sine", "as": name, "params": {"hz": hz}} for name, hz in (("a", 200.0), ("b", 300.0))]
    bench.run({"suite": {"file": str(suite)}, "models": models, "metrics": [], "duration": 4.0}, place / "run")
    checks = bench.ListeningChecks(practice=0, beeps=0, spoiled=0, headphones=False)
    return bench.create_listening_test(
        place / "run", bench.ListeningTest(listeners=LISTENERS, minutes=120, checks=checks), folder
    )
