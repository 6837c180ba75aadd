"""Files that were damaged at random: each gives a result or one line, never a traceback, and nothing hangs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Bench, Trials, amounts

pytestmark = pytest.mark.slow(3)

TOKENS = (
    b"[",
    b"{",
    b'"',
    b"&a *a",
    b"\x00",
    b"\xff\xfe",
    b"\r",
    b"nan",
    b"-1e309",
    b"99999999999999999999",
    b"../..",
    b"=1+1",
)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """A few random changes: flipped bits, cut, repeated, moved or inserted pieces."""
    for _ in range(rng.integers(1, 5)):
        place, other = sorted(int(n) for n in rng.integers(0, len(data) + 1, 2))
        piece = data[place:other][: 1 + int(rng.integers(64))]
        match rng.integers(6):
            case 0 if len(data):
                place = min(place, len(data) - 1)
                data = data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :]
            case 1:
                data = data[:place] + data[place + len(piece) :]
            case 2:
                data = data[:other] + piece + data[other:]
            case 3:
                data = data[:place] + TOKENS[rng.integers(len(TOKENS))] + data[place:]
            case 4:
                data = data[:place] + rng.bytes(int(rng.integers(1, 9))) + data[other:]
            case _:
                data = data[: len(data) - int(rng.integers(min(len(data), 200) + 1))]
    return data


def _try(bench_run: Bench, tmp_path: Path, name: str, original: bytes, *command: str | Path) -> Callable[..., None]:
    """A trial: the command, given a damaged copy of a file, leaves with a code of ours and no traceback."""

    def trial(rng: np.random.Generator) -> None:
        (tmp_path / name).write_bytes(mutate(original, rng))
        done = bench_run.call(*command)
        if done.returncode in (2, 5):
            lines = [line for line in done.stderr.splitlines() if line.startswith("tunebench: ")]
            assert len(lines) == 1, done.stderr

    return trial


@amounts(6, 150)
def test_damaged_configurations(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    command = ("run", tmp_path / "c.yaml", "--out", tmp_path / "run", "--dry-run")
    trials.make(count, _try(bench_run, tmp_path, "c.yaml", bench_run.config.read_bytes(), *command))


@amounts(6, 100)
def test_damaged_ratings(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    rows = [
        f"{listener},{model},{prompt},{rng.integers(1, 6)}"
        for listener in range(5)
        for model in ("base", "tuned")
        for prompt in ("jazz-1", "jazz-2", "rock-1", "rock-2")
    ]
    original = "\n".join(["listener,model,prompt,rating", *rows]).encode()
    trials.make(count, _try(bench_run, tmp_path, "r.csv", original, "survey", "analyze", tmp_path / "r.csv"))


@amounts(6, 100)
def test_damaged_bundles(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    packed = tmp_path / "packed.tunebench.zip"
    bench_run.call("export", "bundle", bench_run.run, packed, codes={0})
    original, path = packed.read_bytes(), tmp_path / "b.tunebench.zip"

    def trial(rng: np.random.Generator) -> None:
        path.write_bytes(mutate(original, rng))
        bench_run.call("verify", path)

    trials.make(count, trial)


def _sounds(folder: Path) -> dict[str, bytes]:
    """A short song as audio of four kinds, MIDI and MusicXML."""
    import mido
    import soundfile

    samples = 0.3 * np.sin(np.arange(16000) / 10) * np.linspace(1, 0, 16000)
    found = {}
    for ending in ("wav", "flac", "ogg", "mp3"):
        soundfile.write(folder / f"jazz-1.{ending}", samples, 8000)
        found[ending] = (folder / f"jazz-1.{ending}").read_bytes()
        (folder / f"jazz-1.{ending}").unlink()
    song = mido.MidiFile()
    song.tracks.append(mido.MidiTrack())
    for pitch in (60, 64, 67, 72, 67, 64) * 4:
        song.tracks[0].append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        song.tracks[0].append(mido.Message("note_off", note=pitch, time=240))
    song.save(folder / "jazz-1.mid")
    found["mid"] = (folder / "jazz-1.mid").read_bytes()
    (folder / "jazz-1.mid").unlink()
    notes = "".join(
        f"<note><pitch><step>{step}</step><octave>4</octave></pitch><duration>1</duration></note>" for step in "CEGC"
    )
    found["musicxml"] = (
        '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1"><part-name>P</part-name>'
        f'</score-part></part-list><part id="P1"><measure number="1"><attributes><divisions>1</divisions></attributes>'
        f"{notes}</measure></part></score-partwise>"
    ).encode()
    return found


@amounts(6, 200)
def test_damaged_sounds_and_scores(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    """A damaged file is that clip's failure or is read; the other clip has its score."""
    import soundfile

    own = tmp_path / "own"
    own.mkdir()
    kinds = sorted(_sounds(own).items())
    soundfile.write(own / "rock-1.wav", 0.1 * np.ones(8000), 8000)

    def trial(rng: np.random.Generator) -> None:
        for path in own.glob("jazz-1.*"):
            path.unlink()
        ending, original = kinds[rng.integers(len(kinds))]
        (own / f"jazz-1.{ending}").write_bytes(mutate(original, rng))
        command = ("score", own, "--out", tmp_path / "scored", "--workers", "0", "--duration", "1", "--json")
        done = bench_run.call(*command, "--metric", "melodic-complexity", "--metric", "tempo-adherence")
        if done.returncode == 0:
            assert json.loads(done.stdout)
        shutil.rmtree(tmp_path / "scored", ignore_errors=True)

    trials.make(count, trial)
