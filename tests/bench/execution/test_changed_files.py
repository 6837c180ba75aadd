"""What is executed is what was planned: a file that changes while a run goes on costs clips, and names none wrongly."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

import bench
from bench import read_audio

Edit = Callable[[Path, bytes], None]

PLUGINS = """
from pathlib import Path
import numpy as np
from bench import Audio, ClipMetric, Embedder, EmbedderRef, MusicModel, Score
from bench.file_hash import hash_file

LEVEL = 0.5

class Tone(MusicModel):
    sample_rate = 8000
    provenance_params = frozenset({"weights", "meddle"})
    def __init__(self, weights, meddle=""):
        self.weights, self.meddle, self.level = Path(weights), meddle, None
    def fingerprint(self):
        return {"weights": hash_file(self.weights, lasting=True)}
    def generate(self, requests):
        if self.level is None:
            good = self.weights.read_bytes()
            if self.meddle:
                self.weights.write_bytes(self.meddle.encode())
            self.level = float(self.weights.read_text())
            if self.meddle:
                self.weights.write_bytes(good)
        return [Audio(np.full(round(r.duration * 8000), self.level * LEVEL, np.float32), 8000) for r in requests]

class Level(Embedder):
    dimension = 1
    provenance_params = frozenset({"weights"})
    def __init__(self, weights):
        self.weights = Path(weights)
    def fingerprint(self):
        return {"weights": hash_file(self.weights)}
    def embed(self, audio):
        return np.full((2, 1), float(self.weights.read_text()), np.float32)

class Peak(ClipMetric):
    def __init__(self, embedder="", weights=""):
        self.embedders = (EmbedderRef(embedder, {"weights": weights}),) if embedder else ()
    def score(self, clip):
        if self.embedders:
            return Score.of(float(clip.embedding(self.embedders[0]).mean()))
        return Score.of(clip.audio.peak * (1 if LEVEL == 0.5 else 100))
"""


class During:
    """Progress that edits a file as soon as one stage begins, when all is planned."""

    def __init__(self, stage: str, edit: Callable[[], object]) -> None:
        self._stage, self._edit = stage, edit

    def begin(self, stage: str, total: int, done: int) -> None:
        del total, done
        if stage == self._stage:
            self._edit()

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def replace(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


def link_elsewhere(path: Path, content: bytes) -> None:
    path.with_name(f"other{path.suffix}").write_bytes(content)
    path.unlink()
    path.symlink_to(path.with_name(f"other{path.suffix}"))


def edit_and_put_the_time_back(path: Path, content: bytes) -> None:
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


edits = pytest.mark.parametrize("edit", [overwrite, replace, link_elsewhere, edit_and_put_the_time_back])


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGINS)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.txt"
    path.write_bytes(b"0.50")
    return path


def config(plugins: Path, weights: Path, **settings: object) -> dict[str, object]:
    return {
        "suite": _suite(plugins.parent),
        "models": [{"name": f"{plugins}:Tone", "as": "tone", "params": {"weights": str(weights)}}],
        "metrics": [f"{plugins}:Peak"],
        "duration": 0.1,
        "executor": {"workers": 0, "retries": 0},
        **settings,
    }


def _suite(folder: Path) -> str:
    prompts = [{"id": f"p{i}", "text": f"tune {i}"} for i in range(2)]
    (folder / "suite.yaml").write_text(yaml.safe_dump({"name": "two", "version": 1, "prompts": prompts}))
    return str(folder / "suite.yaml")


def _refused(run: bench.Run, file: Path) -> bool:
    """Whether both clips failed, each with the name of a file, and nothing is in the run."""
    failures = run.failures()
    assert len(failures) == 2, failures
    assert all(str(file) in failure.reason for failure in failures), failures
    return not list(run.folder.glob("audio/*/*"))


class TestWeights:
    @edits
    def test_rewritten_between_plan_and_load(self, plugins: Path, weights: Path, edit: Edit, tmp_path: Path) -> None:
        progress = During("generating clips", lambda: edit(weights, b"0.25"))
        run = bench.run(config(plugins, weights), tmp_path / "out", progress)
        assert _refused(run, weights)

    def test_put_back_after_they_were_loaded(self, plugins: Path, weights: Path, tmp_path: Path) -> None:
        settings = config(plugins, weights)
        settings["models"][0]["params"]["meddle"] = "0.25"  # type: ignore[index]
        run = bench.run(settings, tmp_path / "out")
        assert _refused(run, weights)

    def test_that_stay_are_used(self, plugins: Path, weights: Path, tmp_path: Path) -> None:
        run = bench.run(config(plugins, weights), tmp_path / "out")
        assert run.failures() == []
        assert {read_audio(path).peak for path in run.folder.glob("audio/*/*")} == {0.25}

    @edits
    def test_of_an_embedder(self, plugins: Path, weights: Path, edit: Edit, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        own = tmp_path / "mine" / "embedder.txt"
        own.write_bytes(b"0.1")
        params = {"embedder": f"{plugins}:Level", "weights": str(own)}
        settings = config(plugins, weights, metrics=[{"name": f"{plugins}:Peak", "params": params}])
        run = bench.run(settings, tmp_path / "out", During("scoring clips", lambda: edit(own, b"0.2")))
        failures = run.failures()
        assert len(failures) >= 2
        assert all(str(own) in failure.reason for failure in failures)
        own.unlink()
        own.write_bytes(b"0.1")
        assert bench.run(settings, tmp_path / "out").leaderboard().value.tolist() == [pytest.approx(0.1)]


class TestPluginFiles:
    @pytest.mark.parametrize("edit", [overwrite, edit_and_put_the_time_back])
    def test_workers_run_what_was_planned_or_nothing(
        self, plugins: Path, weights: Path, edit: Edit, tmp_path: Path
    ) -> None:
        other = PLUGINS.replace("LEVEL = 0.5", "LEVEL = 0.3").encode()
        progress = During("generating clips", lambda: edit(plugins, other))
        settings = config(plugins, weights, executor={"workers": 1, "retries": 0})
        run = bench.run(settings, tmp_path / "out", progress)
        assert _refused(run, plugins)

    def test_metrics_too(self, plugins: Path, weights: Path, tmp_path: Path) -> None:
        model = tmp_path / "model.py"
        model.write_text(f"{PLUGINS}# another file\n")
        settings = config(plugins, weights, executor={"workers": 1, "retries": 0})
        settings["models"][0]["name"] = f"{model}:Tone"  # type: ignore[index]
        other = PLUGINS.replace("LEVEL = 0.5", "LEVEL = 0.3")
        run = bench.run(settings, tmp_path / "out", During("scoring clips", lambda: plugins.write_text(other)))
        assert [failure.metric for failure in run.failures()] == ["Peak", "Peak"]
        assert all(str(plugins) in failure.reason for failure in run.failures())

    def test_in_this_process_what_was_loaded_is_used(self, plugins: Path, weights: Path, tmp_path: Path) -> None:
        other = PLUGINS.replace("LEVEL = 0.5", "LEVEL = 0.3")
        run = bench.run(
            config(plugins, weights), tmp_path / "out", During("generating clips", lambda: plugins.write_text(other))
        )
        assert run.failures() == []
        assert {read_audio(path).peak for path in run.folder.glob("audio/*/*")} == {0.25}

    def test_compiled_code_of_a_file_of_the_same_size_and_time_is_not_used(
        self, plugins: Path, weights: Path, tmp_path: Path
    ) -> None:
        first = bench.run(config(plugins, weights), tmp_path / "a")
        edit_and_put_the_time_back(plugins, PLUGINS.replace("LEVEL = 0.5", "LEVEL = 0.3").encode())
        second = bench.run(config(plugins, weights), tmp_path / "b")
        peaks = [read_audio(next(run.folder.glob("audio/*/*"))).peak for run in (first, second)]
        assert peaks == [0.25, pytest.approx(0.15)]


class TestFoldersAndCommands:
    def _folder(self, tmp_path: Path) -> Path:
        (tmp_path / "clips").mkdir()
        for i in range(2):
            soundfile.write(tmp_path / "clips" / f"p{i}.wav", np.full(800, 0.5), 8000)
        return tmp_path / "clips"

    @edits
    def test_a_file_of_a_folder(self, plugins: Path, edit: Edit, tmp_path: Path) -> None:
        clips = self._folder(tmp_path)
        soundfile.write(tmp_path / "other.wav", np.full(800, 0.25), 8000)
        other = (tmp_path / "other.wav").read_bytes()
        settings = config(plugins, plugins, models=[{"name": "folder", "params": {"path": str(clips)}}])
        progress = During("reading clips", lambda: edit(clips / "p0.wav", other))
        run = bench.run(settings, tmp_path / "out", progress)
        (failure,) = run.failures()
        assert str(clips / "p0.wav") in failure.reason
        assert {read_audio(path).peak for path in run.folder.glob("audio/*/*")} == {0.5}

    def test_a_file_that_comes_late(self, plugins: Path, tmp_path: Path) -> None:
        clips = self._folder(tmp_path)
        (clips / "p0.wav").rename(tmp_path / "late.wav")
        settings = config(plugins, plugins, models=[{"name": "folder", "params": {"path": str(clips)}}], seeds=[0])
        progress = During("reading clips", lambda: (tmp_path / "late.wav").rename(clips / "p0.wav"))
        run = bench.run(settings, tmp_path / "out", progress)
        assert len(run.failures()) == 1
        assert len(list(run.folder.glob("audio/*/*"))) == 1
        assert bench.run(settings, tmp_path / "out").failures() == []

    SCRIPT = """
        import json, sys
        from pathlib import Path
        import numpy as np, soundfile
        requests, out = sys.argv[1:]
        for line in Path(requests).read_text().splitlines():
            request = json.loads(line)
            soundfile.write(Path(out) / request["file"], np.full(800, LEVEL), 8000)
    """

    @pytest.mark.parametrize("when", ["before", "itself"])
    def test_a_command_s_script(self, plugins: Path, tmp_path: Path, when: str) -> None:
        import sys

        script = tmp_path / "generate.py"
        own = textwrap.dedent(self.SCRIPT).replace("LEVEL", "0.5")
        script.write_text(own + ("Path(__file__).write_text(Path(__file__).read_text())\n" * (when == "itself")))
        command = [sys.executable, str(script), "{requests}", "{out}"]
        settings = config(plugins, plugins, models=[{"name": "command", "params": {"command": command}}])
        edit = script.write_text if when == "before" else str
        run = bench.run(settings, tmp_path / "out", During("generating clips", lambda: edit(own.replace("0.5", "0.4"))))
        assert _refused(run, script)


def test_a_reference_that_is_another(plugins: Path, weights: Path, tmp_path: Path, tiny: Path) -> None:
    for name, level in (("one", 0.1), ("two", 0.3)):
        (tmp_path / name).mkdir()
        for place in range(4):
            noise = np.random.default_rng(place).normal(0, level, 800)
            soundfile.write(tmp_path / name / f"{place}.wav", noise, 8000)
    metric = {"name": "kad", "params": {"embedder": f"{tiny}:Bands"}}
    both = [
        bench.run(config(plugins, weights, metrics=[metric], reference=str(tmp_path / name)), tmp_path / f"run-{name}")
        for name in ("one", "two")
    ]
    files = [next(run.folder.glob("references/*")) for run in both]
    out = tmp_path / "out"
    settings = config(plugins, weights, metrics=[metric], reference=str(tmp_path / "one"))
    kept = out / "references" / files[0].name
    run = bench.run(settings, out, During("computing set metrics", lambda: kept.write_bytes(files[1].read_bytes())))
    assert run.failures()
    assert all(str(kept) in failure.reason for failure in run.failures())
