"""Trials of faults, counted: how many were tried of each kind, and how many a run held."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.conftest import TRIALS

MODELS = ("levels-a", "levels-b")
PLUGINS = Path(__file__).parents[1] / "plugins"
METRICS = (
    f"{PLUGINS}/levels.py:Peak",
    f"{PLUGINS}/levels.py:Loud",
    f"{PLUGINS}/tiny.py:Loudest",
    f"{PLUGINS}/tiny.py:Spread",
)
CODES = {0, 2, 3, 4, 5}
"""Exit codes of a command that was not interrupted."""


def amounts(short: int, full: int) -> pytest.MarkDecorator:
    """Parametrize a test by how many trials to make: few in the suite, many in ``make faults``."""
    return pytest.mark.parametrize(
        "count", [short, pytest.param(full, marks=pytest.mark.faults)], ids=["short", "full"]
    )


@dataclass
class Trials:
    """Makes trials of one kind of fault and counts those that were held."""

    kind: str
    tried: int = 0
    broken: list[str] = field(default_factory=list)

    def make(self, count: int, trial: Callable[[np.random.Generator], None]) -> None:
        """Make ``count`` trials, each with randomness of its own, and tell of all that failed.

        Raises:
            AssertionError: a trial failed; its number makes it again.
        """
        for number in range(count):
            self.tried += 1
            try:
                trial(np.random.default_rng([zlib.crc32(self.kind.encode()), number]))
            except AssertionError as error:
                self.broken.append(f"{self.kind} {number}: {error}")
        assert not self.broken, "\n\n".join(self.broken)


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Iterator[Trials]:
    """Count the trials of a test under its name."""
    made = Trials(request.function.__name__.removeprefix("test_").replace("_", " "))
    yield made
    request.node.user_properties.append((TRIALS, [made.kind, made.tried, made.tried - len(made.broken)]))


@dataclass(frozen=True)
class Bench:
    """A small run of two models, and what it gives where nothing disturbs it.

    Attributes:
        server: starts commands.
        folder: holds the configuration.
        table: the leaderboard as JSON.
        sounds: content hashes of all clips.
        run: an undisturbed run folder, to be copied and not written to.
        seconds: how long it took.
    """

    server: Any
    folder: Path
    table: str
    sounds: frozenset[str]
    run: Path
    seconds: float

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    def start(self, *arguments: str | Path) -> Any:
        return self.server.start([str(argument) for argument in arguments], self.folder)

    def call(self, *arguments: str | Path, codes: set[int] = CODES) -> Any:
        """Run a command to its end.

        Raises:
            AssertionError: it left with another code than ``codes``, or with a traceback.
        """
        done = self.start(*arguments).wait()
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in codes, f"{arguments} left with {done.returncode}: {done.stderr[-2000:]}"
        return done

    def copy(self, folder: Path) -> Path:
        """A copy of the undisturbed run."""
        if folder.exists():
            shutil.rmtree(folder)
        return Path(shutil.copytree(self.run, folder))

    def score(self, folder: Path, *options: str, codes: set[int] = CODES) -> Any:
        """Score a run again, with its own metrics."""
        return self.call(
            "score", folder, *(word for name in METRICS for word in ("--metric", name)), *options, codes=codes
        )

    def finish(self, folder: Path, codes: set[int] | None = None) -> None:
        """Resume a run, and check that it then holds all that an undisturbed one holds.

        Raises:
            AssertionError: it does not.
        """
        self.call("run", self.config, "--out", folder, codes=codes or {0})
        assert self.call("leaderboard", folder, "--json", codes={0}).stdout == self.table
        assert sounds_of(folder) == self.sounds


def sounds_of(folder: Path) -> frozenset[str]:
    """The content hashes of the audio of a run's models, decoded from the files."""
    from bench import read_audio
    from bench.contracts.audio import content_hash

    paths = [path for model in MODELS for path in (folder / "audio" / model).glob("*.flac")]
    return frozenset(content_hash(read_audio(path)) for path in paths)


@pytest.fixture(scope="session")
def bench_run(command_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A run to disturb: two models, twelve prompts, scores of clips and of sets."""
    import time

    if command_server is None:
        pytest.skip("commands are started by forking, which is safe on Linux only")
    folder = tmp_path_factory.mktemp("disturbed")
    levels = PLUGINS / "levels.py"
    config = {
        "suite": "quick@1",
        "models": [
            {"name": f"{levels}:Levels", "as": MODELS[0], "params": {"salt": 1}},
            {"name": f"{levels}:Levels", "as": MODELS[1], "params": {"salt": 2, "shift": 0.1}},
        ],
        "metrics": list(METRICS),
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    run = folder / "undisturbed"
    command = ["run", str(folder / "config.yaml"), "--out", str(run)]
    command_server.run(["list"], folder)  # what is imported once is not timed
    began = time.monotonic()
    done = command_server.run(command, folder)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    table = command_server.run(["leaderboard", str(run), "--json"], folder).stdout
    assert len(json.loads(table)) == 8
    return Bench(command_server, folder, table, sounds_of(run), run, took)
