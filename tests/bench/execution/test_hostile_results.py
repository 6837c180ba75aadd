"""Whatever plugins say, return, print, fork or close: it costs what it is about, and never the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench.storage.store import Store

PLUGIN = r"""
import asyncio, os, sys, threading, time
import numpy as np
from bench import (
    Audio, ClipMetric, Embedder, EmbedderRef, Estimate, GenerationError, MusicModel, Note, Notes, Notice, Score,
    SetMetric, Undefined,
)

class Mute(Exception):
    def __str__(self): raise ValueError("nothing to say")

class NoText(Exception):
    def __str__(self): return 5

class Base(BaseException):
    pass

def loop():
    itself = {}
    itself["itself"] = itself
    return itself

def deep():
    nested = []
    for _ in range(10_000): nested = [nested]
    return nested

def laughs():
    many = ["ha"] * 10
    for _ in range(20): many = [many] * 10
    return many

def daemon():
    # A daemon that holds all that is open.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)

def come_back():
    # In the child as well.
    if os.fork() == 0:
        time.sleep(0.2)

class Model(MusicModel):
    sample_rate = 8000
    def __init__(self, how: str = "") -> None:
        self.how = how
    def generate(self, requests):
        return [self.one(r) for r in requests]
    def one(self, r):
        notes = None
        if r.prompt.id == "jazz-2" and self.how:
            notes = eval(self.how)
        if isinstance(notes, Audio | Exception):
            return notes
        return Audio(np.full(round(r.duration * 8000), .1), 8000, notes)

def throw(error):
    raise error

class Metric(ClipMetric):
    def __init__(self, how: str = "") -> None:
        self.how = how
    def score(self, clip):
        found = eval(self.how) if clip.prompt.id == "jazz-2" and self.how else Score.of(1)
        return found if isinstance(found, Score) else Score.of(1)

class Bands(Embedder):
    dimension = 2
    def embed(self, audio):
        if not audio.frames: raise ValueError("nothing to embed")
        return np.ones((1, 2), dtype=np.float32)

class Whole(SetMetric):
    needs_reference = False
    embedders = (EmbedderRef("THIS:Bands"),)
    def __init__(self, how: str = "Estimate(1.0, None, None, 1)") -> None:
        self.how = how
    def evaluate(self, evaluated, reference):
        return eval(self.how)
"""

THROWN = [
    r"throw(ValueError('half \ud800 of a character'))",
    r"throw(ValueError('\x00\x1b[2J\x9b'))",
    "throw(ValueError('x' * 2 * 10**7))",
    "throw(ValueError())",
    "throw(ValueError('', ''))",
    "throw(GenerationError(''))",
    "throw(GenerationError('two\\nlines'))",
    "throw(Mute())",
    "throw(NoText())",
    r"throw(type('\ud800', (Exception,), {})())",
    "throw(ExceptionGroup('many', [ValueError(n) for n in range(1000)]))",
    "throw(RecursionError())",
]
LEAVING = [
    "throw(Base('not an Exception'))",
    "throw(asyncio.CancelledError())",
    "throw(GeneratorExit())",
    "throw(type('Mute', (BaseException,), {'__str__': lambda self: 1 / 0})())",
    "sys.exit()",
    r"sys.exit('\ud800')",
]
KILLING = [
    "os._exit(0)",
    "os._exit(3)",
    "(daemon(), os._exit(0))",
    "(daemon(), os.abort())",
    "os.kill(os.getpid(), 15)",
    "os.killpg(0, 9)",
    "throw(KeyboardInterrupt())",
]
HARMLESS = [
    "daemon()",
    "come_back()",
    "print('x' * 10**7)",
    "threading.Thread(target=lambda: throw(ValueError('elsewhere')), daemon=True).start()",
    "(os.system('sleep 0 &'), None)[1]",
]
CLOSING = ["os.closerange(0, 1)", "os.closerange(1, 2)", "os.closerange(0, 3)"]
NOTES = [
    "Notes((Note(0.0, 1.0, np.int64(60), np.int32(80), np.uint8(3), np.bool_(False)),), quarter=np.float32(0.5))",
    r"Notes((Note(0.0, 1.0, 60),), key='\ud800 minor')",
]
NO_NOTES = [
    "Notes((Note(0.0, 1.0, 60.5),))",
    "Notes((Note(float('inf'), 1.0, 60),))",
    "Notes((Note(0.0, float('nan'), 60),))",
    "Notes((Note(0.0, 1.0, 60, program=128),))",
    "Notes((Note(0.0, 1.0, 60),), quarter=float('nan'))",
    "Notes((Note(0.0, 1.0, 'C4'),))",
    "Notes((Note(0.0, 1.0, 60),), origin={1}) and Audio(np.ones((1, 8)), 8000, 'no notes')",
    "Audio(np.ones((1, 0)), 8000)",
    "Audio(np.ones((1, 10**5)), 1)",
]
SCORES = [
    r"Score.of(2, said='half \ud800', **{'\udfff': 1})",
    r"Score.undefined('\x00 \x1b[2J \ud800 ' + 'x' * 2 * 10**7)",
    "Score.of(2, array=np.arange(5), one=np.float32(2), whole=np.int64(3), right=np.bool_(True), none=None)",
    "Score.of(2, mapping={1: 2, None: 3})",
    "throw(Undefined(''))",
    r"throw(Undefined('\ud800'))",
]
NO_SCORES = [
    "Score.of(2, nested={'a': [float('nan')]})",
    "Score.of(2, nested={'a': np.array([np.inf])})",
    "Score.of(2, loop=loop())",
    "Score.of(2, deep=deep())",
    "Score.of(2, laughs=laughs())",
    "Score.of(2, text='x' * 2 * 10**7)",
    "Score.of(2, many=np.zeros(10**7))",
    "Score.of(2, huge=10**5000)",
    "Score.of(2, raw=b'bytes')",
    "Score.of(2, thing=object())",
    "Score(2, details=None)",
    "Score(2, details=[1])",
]
ESTIMATES = [
    "Estimate(np.float32(1), np.float64(0), np.int64(2), np.int64(1))",
    r"Estimate(1.0, None, None, 1, '\ud800', (Notice('W-X', {'a': '\ud800'}, '\ud800'), 'W-Y: \x1b[2J'))",
    "Estimate(1.0, None, None, 1, details={'array': np.arange(3)})",
    "Estimate(None, None, None, 1)",
]
NO_ESTIMATES = [
    "None",
    "1.0",
    "Estimate(float('nan'), None, None, 1)",
    "Estimate(1.0, float('-inf'), None, 1)",
    "Estimate('high', None, None, 1)",
    "Estimate(1.0, None, None, 1.5)",
    "Estimate(1.0, None, None, 1, 5)",
    "Estimate(1.0, None, None, 1, None, (5,))",
    "Estimate(1.0, None, None, 1, None, (Notice('W-X', loop()),))",
    "Estimate(1.0, None, None, 1, details=loop())",
    "throw(Mute())",
    "throw(Base())",
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., bench.Run]:
    """Runs with the models, metrics and set metrics that these expressions make, each a row or a column of its own."""
    path = tmp_path / "hostile.py"
    path.write_text(PLUGIN.replace("THIS", str(path)))

    def call(
        models: list[str] | None = None,
        metrics: list[str] | None = None,
        sets: list[str] | None = None,
        workers: int = 0,
    ) -> bench.Run:
        rows = [{"name": f"{path}:Model", "as": f"m{n}", "params": {"how": how}} for n, how in enumerate(models or [])]
        config = {
            "models": [{"name": f"{path}:Model", "as": "good"}, *rows],
            "metrics": [
                f"{path}:Metric",
                *({"name": f"{path}:Metric", "params": {"how": how}} for how in metrics or []),
                *({"name": f"{path}:Whole", "params": {"how": how}} for how in sets or []),
            ],
            "duration": 0.1,
            "executor": {"workers": workers, "retries": 0},
        }
        finished = bench.run(config, tmp_path / "out")
        _check_readable(finished, len(rows) + 1)
        return finished

    return call


def _check_readable(finished: bench.Run, models: int) -> None:
    """All the rest is there, and whatever was said is one line of bounded length that any file takes."""
    with Store.read(finished.folder) as store:
        rows = store.rows(
            "SELECT model, COUNT(*) FROM clips WHERE state = 'made' AND prompt != 'jazz-2' GROUP BY model"
        )
        assert [count for _, count in rows] == [11] * models
        said = [text for row in store.rows("SELECT reason, error, details FROM scores") for text in row if text]
    said += [failure.reason for failure in finished.failures()]
    for text in said:
        text.encode()
        assert text.strip() and len(text) < 100_000
        assert "\n" not in text and "\x1b" not in text and "\0" not in text
    table = finished.leaderboard()
    assert len(table.to_csv().encode()) < 10**6
    json.dumps(table.to_dict(), default=str).encode()


@pytest.mark.parametrize("workers", [0, 1])
def test_whatever_is_raised_costs_its_clip(run: Callable[..., bench.Run], workers: int) -> None:
    models = [*THROWN, *LEAVING, *NO_NOTES, *(KILLING[:3] if workers else [])]
    found = run([*models, *NOTES], workers=workers)
    assert sorted(failure.model for failure in found.failures()) == sorted(f"m{n}" for n in range(len(models)))
    assert {failure.clip for failure in found.failures()} == {"jazz-2, seed 0"}


@pytest.mark.parametrize("workers", [0, 1])
def test_whatever_a_metric_gives_costs_its_score(run: Callable[..., bench.Run], workers: int) -> None:
    bad = [*THROWN, *LEAVING, *NO_SCORES]
    found = run(metrics=[*bad, *SCORES], workers=workers)
    assert len(found.failures()) == len(bad)
    assert {failure.clip for failure in found.failures()} == {"jazz-2, seed 0"}


def test_whatever_a_set_metric_gives_costs_its_distance(run: Callable[..., bench.Run]) -> None:
    found = run(sets=[*NO_ESTIMATES, *ESTIMATES])
    assert len({failure.metric for failure in found.failures()}) == len(NO_ESTIMATES)


def test_whatever_is_killed_forked_or_closed(run: Callable[..., bench.Run]) -> None:
    found = run([*KILLING, *HARMLESS], workers=2)
    assert sorted(failure.model for failure in found.failures()) == [f"m{n}" for n in range(len(KILLING))]
    assert {failure.clip for failure in found.failures()} == {"jazz-2, seed 0"}


def test_closing_the_standard_streams_harms_nobody(run: Callable[..., bench.Run]) -> None:
    assert run(CLOSING, workers=1).failures() == []
