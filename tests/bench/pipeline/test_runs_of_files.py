"""Runs of clips that were made before: the files are the plan, whatever their seeds, and it changes as they do."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

import bench
from bench import UsageError
from bench.comparison.comparability import unequal
from bench.comparison.compare import compare
from bench.comparison.run_reader import ComparedRun, RunRow
from bench.config.run_config import load_config, parse_config
from bench.contracts.notice import Notice
from bench.pipeline.dry_run import preview
from bench.pipeline.merge_shards import merge
from bench.planning.plan import make_plan
from bench.planning.requests import available_seeds
from bench.planning.shards import Shard
from bench.report.provenance import seeds_in_words, seeds_of
from bench.scores.aggregate import Column
from bench.storage.store import Store

IDS = ("jazz-1", "jazz-2", "pop-1", "pop-2")
LEVELS = {
    "jazz-1": {3: 0.1, 9: 0.2},
    "jazz-2": {1: 0.3, 2: 0.1, 77: 0.5},
    "pop-1": {0: 0.2},
    "pop-2": {5: 0.4, 6: 0.1, 7: 0.2, 8: 0.6},
}
M12 = Path(__file__).parents[2] / "data" / "manifests" / "m12.csv"
Make = Callable[..., Path]
Configure = Callable[..., dict[str, Any]]


def write_clip(path: Path, level: float = 0.25) -> Path:
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, level * np.sin(np.arange(2000) / 3), 8000)
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Make:
    """Write the clips of a folder, each with a level of its own."""

    def write(*names: str, folder: str = "mine") -> Path:
        for place, name in enumerate(names, 1):
            write_clip(tmp_path / folder / f"{name}.wav", 0.1 + 0.7 * place / len(names))
        return tmp_path / folder

    return write


@pytest.fixture
def configure(tmp_path: Path, tiny: Path) -> Configure:
    prompts = [{"id": id, "genre": id[:-2], "level": int(id[-1]), "text": f"something like {id}"} for id in IDS]
    (tmp_path / "four.yaml").write_text(yaml.safe_dump({"name": "four", "version": 1, "prompts": prompts}))

    def write(*models: Any, **settings: Any) -> dict[str, Any]:
        return {
            "suite": str(tmp_path / "four.yaml"),
            "models": list(models),
            "metrics": [f"{tiny}:Peak"],
            "duration": 0.25,
            "executor": {"workers": 0},
            **settings,
        }

    return write


def files(path: Path, label: str = "mine", **more: Any) -> dict[str, Any]:
    return {"name": "folder", "as": label, "params": {"path": str(path)}, **more}


def held(folder: Path, states: Sequence[str] = ("made", "failed", "planned")) -> dict[tuple[str, str, int], str]:
    """State of every clip that belongs to the run, by model, prompt and seed."""
    with Store.read(folder) as store:
        rows = store.rows("SELECT model, prompt, seed, state FROM clips ORDER BY model, prompt, seed")
    return {(model, prompt, seed): state for model, prompt, seed, state in rows if state in states}


class TestPlan:
    def test_twelve_files_with_a_seed_each_are_twelve_clips(self, tmp_path: Path, tiny: Path) -> None:
        shutil.copy(M12, tmp_path)
        write_clip(tmp_path / "a.wav")
        with M12.open(newline="") as lines:
            seeds = {row["prompt"]: int(row["seed"]) for row in csv.DictReader(lines)}
        assert len(seeds) == len(set(seeds.values())) == 12
        row = {"name": "folder", "as": "m12", "params": {"path": str(tmp_path), "manifest": "m12.csv"}}
        config = {"suite": "quick@1", "models": [row], "metrics": [f"{tiny}:Peak"], "executor": {"workers": 0}}
        run = bench.run(config, tmp_path / "run")
        assert held(run.folder) == {("m12", prompt, seed): "made" for prompt, seed in sorted(seeds.items())}
        assert run.failures() == []
        (cell,) = run.leaderboard().to_dict("records")
        assert (cell["n"], cell["planned"]) == (12, 12)
        assert load_config(run.folder / "config.yaml").seeds == "auto"

    def test_many_seeds_are_not_asked_of_every_prompt(self, tmp_path: Path) -> None:
        ids = [f"p-{number}" for number in range(300)]
        prompts = [{"id": id, "genre": "pop", "level": 1, "text": f"tune {id}"} for id in ids]
        (tmp_path / "s.yaml").write_text(yaml.safe_dump({"name": "many", "version": 1, "prompts": prompts}))
        (tmp_path / "f").mkdir()
        for number, id in enumerate(ids):
            (tmp_path / "f" / f"{id}_{number * 7919}.wav").write_bytes(b"%d" % number)
        config = parse_config({"suite": str(tmp_path / "s.yaml"), "models": [files(tmp_path / "f")]})
        asked = [(clip.prompt.id, clip.request.seed) for clip in make_plan(config).clips]
        assert asked == [(id, number * 7919) for number, id in enumerate(ids)]

    def test_a_prompt_without_a_file_is_one_missing_clip(
        self, clips: Make, configure: Configure, tmp_path: Path
    ) -> None:
        config = configure(files(clips("jazz-1_3", "jazz-1_8", "pop-2_5")))
        assert preview(config, tmp_path / "run").to_make == {"mine": 5}
        run = bench.run(config, tmp_path / "run")
        assert held(run.folder) == {
            ("mine", "jazz-1", 3): "made",
            ("mine", "jazz-1", 8): "made",
            ("mine", "jazz-2", 0): "failed",
            ("mine", "pop-1", 0): "failed",
            ("mine", "pop-2", 5): "made",
        }
        assert len(run.failures()) == 2

    def test_named_seeds_are_asked_of_every_prompt(self, clips: Make, configure: Configure) -> None:
        row = files(clips("jazz-1_3", "pop-2_5"))
        for config in (configure(row, seeds=[3, 4]), configure({**row, "seeds": [3, 4]})):
            asked = {(clip.prompt.id, clip.request.seed) for clip in make_plan(parse_config(config)).clips}
            assert asked == {(id, seed) for id in IDS for seed in (3, 4)}

    @pytest.mark.parametrize("beside", [{}, {"seeds": [5, 6]}])
    def test_files_beside_models_that_make_clips(
        self, clips: Make, configure: Configure, tiny: Path, beside: Mapping[str, Any]
    ) -> None:
        model = {"name": f"{tiny}:Sine", "as": "sine"}
        row = files(clips("jazz-1_3", "jazz-2", "pop-1_9", "pop-2_5"), seeds="auto")
        plan = make_plan(parse_config(configure(model, row, **beside)))
        asked = {(clip.model, clip.prompt.id, clip.request.seed) for clip in plan.clips}
        theirs = {("sine", id, seed) for id in IDS for seed in beside.get("seeds", [0])}
        assert asked == theirs | {
            ("mine", "jazz-1", 3),
            ("mine", "jazz-2", 0),
            ("mine", "pop-1", 9),
            ("mine", "pop-2", 5),
        }

    def test_two_rows_may_hold_the_same_files(self, clips: Make, configure: Configure, tmp_path: Path) -> None:
        folder = clips("jazz-1", "pop-1")
        run = bench.run(configure(files(folder, "one"), files(folder, "two")), tmp_path / "run")
        assert held(run.folder, ["made"]).keys() == {(m, p, 0) for m in ("one", "two") for p in ("jazz-1", "pop-1")}
        # Nor does one that comes later take them away.
        bench.run(configure(files(folder, "three")), run.folder)
        assert len(held(run.folder, ["made"])) == 6

    def test_what_makes_clips_is_not_had_twice(self, configure: Configure, tiny: Path, tmp_path: Path) -> None:
        bench.run(configure({"name": f"{tiny}:Sine", "as": "one"}), tmp_path / "run")
        before = held(tmp_path / "run")
        with pytest.raises(UsageError) as caught:
            bench.run(configure({"name": f"{tiny}:Sine", "as": "two"}), tmp_path / "run")
        assert all(word in str(caught.value) for word in ("'two'", "'one'"))
        assert held(tmp_path / "run") == before


class TestChange:
    def test_files_that_come_later(self, clips: Make, configure: Configure, tmp_path: Path) -> None:
        config = configure(files(clips("jazz-1_3", "jazz-2", "pop-1")))
        run = bench.run(config, tmp_path / "run")
        assert held(run.folder)["mine", "pop-2", 0] == "failed"
        before = {key: state for key, state in held(run.folder).items() if state == "made"}
        clips("pop-2_77", "jazz-1_4")
        bench.run(config, run.folder)
        # The missing clip is missing no longer, whatever seed it has now.
        assert held(run.folder) == {**before, ("mine", "jazz-1", 4): "made", ("mine", "pop-2", 77): "made"}
        assert run.failures() == []
        assert run.leaderboard()["planned"].tolist() == [5]

    def test_files_that_go_and_come_back(self, clips: Make, configure: Configure, tmp_path: Path) -> None:
        folder = clips("jazz-1_3", "jazz-1_4", "jazz-2", "pop-1", "pop-2")
        config = configure(files(folder))
        run = bench.run(config, tmp_path / "run")
        whole = run.leaderboard()
        (folder / "jazz-1_4.wav").rename(tmp_path / "kept.wav")
        bench.run(config, run.folder)
        assert len(held(run.folder, ["made"])) == 4
        assert held(run.folder, ["replaced"]).keys() == {("mine", "jazz-1", 4)}
        assert run.leaderboard()["planned"].tolist() == [4]
        (tmp_path / "kept.wav").rename(folder / "jazz-1_4.wav")
        bench.run(config, run.folder)
        assert run.leaderboard().equals(whole)

    def test_the_same_command_makes_nothing_anew(self, clips: Make, configure: Configure, tmp_path: Path) -> None:
        config = configure(files(clips("jazz-1_3", "jazz-2", "pop-1")))
        notes: list[str] = []

        class Listener:
            def begin(self, stage: str, total: int, done: int) -> None:
                notes.append(f"{stage} {total - done}")

            def advance(self, count: int) -> None: ...
            def note(self, message: str) -> None:
                notes.append(message)

        bench.run(config, tmp_path / "run")
        bench.run(config, tmp_path / "run", Listener())
        assert notes[:2] == ["reading clips 1", "scoring clips 0"]  # the missing one is tried again

    def test_shards_of_files_that_change(self, clips: Make, configure: Configure, tmp_path: Path, tiny: Path) -> None:
        model = {"name": f"{tiny}:Sine", "as": "sine", "seeds": [0, 1]}
        config = configure(model, files(clips("jazz-1_3", "jazz-2", "pop-1")))
        for extra in ((), ("jazz-1_1", "pop-2_77")):
            clips(*extra)
            for index in (1, 2):
                bench.run(config, tmp_path / "out", shard=Shard(index, 2))
            assert merge(tmp_path / "out", plugin_files=True).lacking == []
        whole = bench.run(config, tmp_path / "whole").folder
        assert held(tmp_path / "out") == held(whole)
        assert len(held(whole)) == 8 + 5
        assert (tmp_path / "out" / "config.yaml").read_text() == (whole / "config.yaml").read_text()
        assert merge(tmp_path / "out", plugin_files=True).run.failures() == []


class TestComparing:
    """Halves of a row's seeds are those of each prompt: of clips with a seed each, others would be other prompts."""

    @pytest.fixture
    def run(self, configure: Configure, tmp_path: Path) -> Path:
        for prompt, levels in LEVELS.items():
            for seed, level in levels.items():
                write_clip(tmp_path / "varied" / f"{prompt}_{seed}.wav", level)
            write_clip(tmp_path / "single" / f"{prompt}_{len(levels) * 101}.wav", 0.3)
        rows = (files(tmp_path / "varied", "varied"), files(tmp_path / "single", "single"))
        return bench.run(configure(*rows), tmp_path / "run").folder

    def test_chance_is_within_prompts(self, run: Path) -> None:
        found = compare(run, "varied", "single")[0].chance
        # Peaks in %: late less early, by prompt; the one of pop-1 says nothing.
        apart = [20 - 10, 50 - 30, (20 + 60) / 2 - (40 + 10) / 2]
        assert found is not None and found.estimate == pytest.approx(np.mean(apart), abs=0.1)
        assert compare(run, "single", "varied")[0].chance is None

    def test_numbers_of_seeds_are_those_of_prompts(self, run: Path) -> None:
        with Store.read(run) as store:
            compared = ComparedRun(store)
            varied, single = (RunRow(compared, label, label) for label in ("varied", "single"))
            column = Column("kad@1", "", "lower", of_sets=True)
            assert unequal(varied, single, column) == (Notice("W-SEEDS", {"a": [1, 4], "b": [1, 1]}),)
            assert unequal(single, single, column) == ()
            assert [clip.seed for clip in varied.half(IDS, "later")] == [9, 77, 7, 8]

    def test_a_report_says_clips_where_seeds_differ(self, run: Path) -> None:
        with Store.read(run) as store:
            said = seeds_in_words(seeds_of(store))
        several, one = (f"different ones by prompt ({clips} per prompt)" for clips in ("1 to 4 clips", "1 clip"))
        assert said == f"varied: {several}; single: {one}"


class TestWhatAModelSaysItHas:
    @pytest.mark.parametrize(
        ("said", "message"),
        [
            ("{'jazz-9': [0]}", "'jazz-9', which is not a prompt"),
            ("{'jazz-1': [-1]}", "-1 as a seed of 'jazz-1'"),
            ("{'jazz-1': [2**63]}", "9223372036854775808 as a seed"),
            ("{'jazz-1': [1.5]}", "1.5 as a seed"),
            ("{'jazz-1': [True]}", "True as a seed"),
            ("{'jazz-1': 3}", "TypeError"),
            ("[1]", "TypeError"),
            ("1 / 0", "ZeroDivisionError"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path: Path, configure: Configure, said: str, message: str) -> None:
        plugin = tmp_path / "shelf.py"
        plugin.write_text(
            "from bench import MusicModel\nclass Shelf(MusicModel):\n    def generate(self, requests): ...\n"
            f"    def available(self, prompts): return {said}\n"
        )
        with pytest.raises(UsageError, match=message.replace("[", r"\[")):
            make_plan(parse_config(configure(f"{plugin}:Shelf")))

    def test_seeds_are_sorted_and_counted_once(self, tmp_path: Path, configure: Configure) -> None:
        from bench.contracts.plugins import create, find
        from bench.contracts.prompt_suite import load_suite_named

        plugin = tmp_path / "shelf.py"
        plugin.write_text(
            "from bench import MusicModel\nclass Shelf(MusicModel):\n    def generate(self, requests): ...\n"
            "    def available(self, prompts): return {prompts[0].id: (9, 3, 9)}\n"
        )
        model = create(find("model", f"{plugin}:Shelf"), {}, bench.MusicModel)
        prompts = load_suite_named(configure()["suite"]).prompts
        assert available_seeds(model, prompts, "shelf") == {"jazz-1": [3, 9]}
        assert available_seeds(create(find("model", "noise"), {}, bench.MusicModel), prompts, "noise") is None
