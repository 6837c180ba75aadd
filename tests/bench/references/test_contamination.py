"""Leaks: a reference that holds what a model was trained on is refused, or every score against it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import bench
from bench import Audio
from bench.comparison.compare import compare
from bench.comparison.trainings import compare_trainings
from bench.config.run_config import RunConfig, load_config, parse_config
from bench.contracts.audio import content_hash, read_audio, write_flac
from bench.contracts.embedder import EmbedderRef
from bench.errors import DataError, UsageError
from bench.leaderboard.render import read_cells, render
from bench.pipeline.merge_shards import merge
from bench.pipeline.run import rescore
from bench.planning.plan import make_plan
from bench.planning.shards import Shard
from bench.recordings import recordings_in
from bench.references.build import ReferenceOptions, build_reference
from bench.references.contamination import maker_of
from bench.storage.store import Store

Command = Callable[..., Any]
PLUGIN = """
import sys; sys.path.insert(0, {folder!r})
from pathlib import Path
from tiny import Sine

class Taught(Sine):
    provenance_params = Sine.provenance_params | {{"lessons"}}

    def __init__(self, hz: float = 200.0, lessons: str = ""):
        super().__init__(hz)
        self.lessons = lessons

    def trained_on(self):
        return Path(self.lessons).read_text().split() if self.lessons else ()
"""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Six recordings, three of jazz and three of rock."""
    rng = np.random.default_rng(3)
    for place in range(6):
        genre = "jazz" if place < 3 else "rock"
        write_flac(tmp_path / f"music/{genre}/{place}.flac", Audio(rng.normal(0, 0.05, 8000).astype(np.float32), 8000))
    return tmp_path / "music"


@pytest.fixture
def lessons(tmp_path: Path, music: Path) -> Path:
    """What a model was trained on: two of the recordings, and one that is nowhere else."""
    heard = [read_audio(music / name) for name in ("jazz/0.flac", "rock/4.flac")]
    other = Audio(np.random.default_rng(4).normal(0, 0.05, 8000).astype(np.float32), 8000)
    path = tmp_path / "lessons.txt"
    path.write_text("\n".join(content_hash(audio) for audio in (*heard, other)))
    return path


@pytest.fixture
def config(tmp_path: Path, tiny: Path, music: Path, lessons: Path) -> dict[str, Any]:
    plugin = tmp_path / "taught.py"
    plugin.write_text(PLUGIN.format(folder=str(tiny.parent)))
    return {
        "models": [
            {"name": f"{plugin}:Taught", "as": "base"},
            {"name": f"{plugin}:Taught", "as": "tuned", "params": {"hz": 300.0, "lessons": str(lessons)}},
        ],
        "metrics": [f"{tiny}:Peak", {"name": "kad", "params": {"embedder": f"{tiny}:Bands"}}, f"{tiny}:Spread"],
        "reference": str(music),
        "duration": 0.5,
        "executor": {"workers": 0},
    }


def shared(folder: Path, by: str | None = None) -> dict[tuple[str, str], list[str]]:
    """The W-SHARED warnings of each cell that has one, by model and metric."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in read_cells(folder, by):
        if warnings := [w.sentence for w in cell.estimate.warnings if w.code == "W-SHARED"]:
            found.setdefault((cell.model, cell.column.ref.partition("[")[0]), []).extend(warnings)
    return found


WARNING = "W-SHARED: 'tuned' was trained on 2 of the 6 recordings of the reference 'music', which flatters it"


def test_a_leak_is_refused_in_one_line_and_the_clips_are_kept(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as refused:
        bench.run(config, tmp_path / "out")
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in ("'tuned'", "2 of the 6", "'music'", "'shared_recordings: mark'"))
    with Store.read(tmp_path / "out") as store:
        assert len(store.made()) == 24
        assert store.rows("SELECT * FROM set_scores") == []
    # Marked, the same folder goes on from there; without the metric, nothing is in the way.
    harmless = bench.run({**config, "metrics": config["metrics"][::2]}, tmp_path / "out")
    assert shared(harmless.folder) == {}
    marked = bench.run({**config, "shared_recordings": "mark"}, tmp_path / "out")
    assert shared(marked.folder) == {("tuned", "kad"): [WARNING]}


def test_marks_stand_under_every_score_of_that_model_and_no_other(tmp_path: Path, config: dict[str, Any]) -> None:
    run = bench.run({**config, "shared_recordings": "mark"}, tmp_path / "out")
    lines = str(render(run.folder, "markdown")).splitlines()
    assert [line.partition(": ")[2] for line in lines if "W-SHARED" in line] == [WARNING]
    marked = [row for row in json.loads(render(run.folder, "json")) if WARNING in row["warnings"]]
    assert [(row["model"], row["metric"].partition("[")[0]) for row in marked] == [("tuned", "kad")]
    assert shared(run.folder, "genre") == {("tuned", "kad"): [WARNING] * 7}
    values = run.leaderboard().set_index(["model", "metric"]).value
    # The mark is all that differs from the numbers of a model that nothing is known of.
    unknown = [config["models"][0], {**config["models"][1], "params": {"hz": 300.0}}]
    other = bench.run({**config, "models": unknown}, tmp_path / "unknown")
    assert other.leaderboard().set_index(["model", "metric"]).value.equals(values)
    assert shared(other.folder) == {}


def test_what_is_learnt_later_marks_old_scores(tmp_path: Path, config: dict[str, Any], lessons: Path) -> None:
    known = lessons.read_text()
    lessons.write_text("")
    config["shared_recordings"] = "mark"
    run = bench.run(config, tmp_path / "out")
    assert shared(run.folder) == {}
    lessons.write_text(known)
    assert shared(bench.run(config, run.folder).folder) == {("tuned", "kad"): [WARNING]}
    with Store.read(run.folder) as store:
        before = store.rows("SELECT rowid, * FROM set_scores ORDER BY rowid")
    assert shared(bench.run(config, run.folder).folder) == {("tuned", "kad"): [WARNING]}
    with Store.read(run.folder) as store:
        assert store.rows("SELECT rowid, * FROM set_scores ORDER BY rowid") == before
    lessons.write_text(known.split()[0])
    one = WARNING.replace("2 of", "1 of")
    assert shared(bench.run(config, run.folder).folder) == {("tuned", "kad"): [one]}


def test_the_run_remembers_when_the_training_is_gone(
    tmp_path: Path, config: dict[str, Any], lessons: Path, music: Path, tunebench: Command
) -> None:
    run = bench.run({**config, "reference": "composer", "metrics": config["metrics"][:1]}, tmp_path / "out")
    lessons.unlink()
    frozen = load_config(run.folder / "config.yaml")
    again = frozen.model_copy(update={"reference": str(music), "metrics": parse_config(config).metrics})
    with pytest.raises(UsageError, match=r"'tuned' .*\b2 of the 6\b"):
        rescore(run.folder, again)
    (run.folder / "config.yaml").write_text(again.as_yaml())
    scored = tunebench("score", run.folder, "--plugin-files")
    assert (scored.returncode, scored.stdout) == (2, "")
    assert scored.stderr.splitlines()[-1].startswith("tunebench: model 'tuned' was trained on 2 of the 6 recordings")
    rescore(run.folder, again.model_copy(update={"shared_recordings": "mark"}))
    assert shared(run.folder) == {("tuned", "kad"): [WARNING]}


def test_shards_are_refused_when_they_are_merged(tmp_path: Path, config: dict[str, Any]) -> None:
    for index in (1, 2):
        bench.run(config, tmp_path / "out", shard=Shard(index, 2))
    with pytest.raises(UsageError, match=r"'tuned' .*\b2 of the 6\b"):
        merge(tmp_path / "out", plugin_files=True)


def test_files_of_embeddings_or_of_statistics_alone_are_seen_and_other_sounds_are_not(
    tmp_path: Path, config: dict[str, Any], tiny: Path, music: Path, lessons: Path
) -> None:
    ref = EmbedderRef(f"{tiny}:Bands")
    options = ReferenceOptions(statistics_only=True)
    build_reference(recordings_in(music), ref, tmp_path / "gauss.safetensors", "gauss", options)
    metrics = [{"name": "fad", "params": {"embedder": f"{tiny}:Bands"}}]
    with pytest.raises(UsageError, match=r"\b2 of the 6\b.*'gauss'"):
        bench.run({**config, "reference": str(tmp_path / "gauss.safetensors"), "metrics": metrics}, tmp_path / "out")
    # A crop and another encoding are other sounds: what this cannot see, it does not claim to see.
    audio = read_audio(music / "jazz/0.flac")
    write_flac(music / "jazz/0.flac", audio.cropped(0.9))
    soundfile.write(music / "rock/4.wav", read_audio(music / "rock/4.flac").samples.T, 8000, subtype="PCM_16")
    (music / "rock/4.flac").unlink()
    assert shared(bench.run({**config, "metrics": metrics}, tmp_path / "out").folder) == {}
    # The same sound in a lossless file of another name is the same recording.
    lessons.write_text(content_hash(read_audio(music / "rock/4.wav")))
    soundfile.write(music / "rock/moved.flac", read_audio(music / "rock/4.wav").samples.T, 8000, subtype="PCM_24")
    (music / "rock/4.wav").unlink()
    with pytest.raises(UsageError, match="1 of the 6"):
        bench.run({**config, "metrics": metrics}, tmp_path / "out")


def test_the_default_is_to_refuse_and_another_word_is_a_mistake() -> None:
    assert RunConfig().shared_recordings == "refuse"
    with pytest.raises(UsageError, match="shared_recordings"):
        parse_config({"shared_recordings": "ignore"})


@pytest.mark.parametrize(
    ("says", "problem"),
    [("return ['jazz/0.flac']", "gives 'jazz/0.flac', which is no"), ("return 1 / 0", "raises ZeroDivisionError")],
)
def test_a_model_that_does_not_name_sounds_is_refused(tmp_path: Path, tiny: Path, says: str, problem: str) -> None:
    plugin = tmp_path / "odd.py"
    plugin.write_text(
        f"import sys; sys.path.insert(0, {str(tiny.parent)!r})\nfrom tiny import Sine\n"
        f"class Odd(Sine):\n    def trained_on(self):\n        {says}\n"
    )
    with pytest.raises(UsageError, match=rf"model 'odd': its trained_on\(\) {problem}"):
        make_plan(parse_config({"models": [{"name": f"{plugin}:Odd", "as": "odd"}]}))


class TestCards:
    """What a model with published weights knows of its training: the cards beside adapter and checkpoint."""

    @staticmethod
    def card(*train: str, held_out: tuple[str, ...] = ()) -> str:
        from models.card import Card, Losses, TrainedOn

        data = TrainedOn("music", "captions", "f" * 64, sorted(train), sorted(held_out), len(train), len(held_out))
        card = Card(
            base={"kind": "stable-audio", "checkpoint": "somewhere", "weights": "0" * 64},
            objective="v-prediction",
            method="lora",
            rank=4,
            alpha=4.0,
            steps=10,
            epochs=1.0,
            batch=2,
            accumulation=1,
            precision="fp32",
            optimizer={"kind": "adamw"},
            schedule={"kind": "constant"},
            seed=0,
            data=data,
            losses=Losses(),
            epochs_per_hour=None,
            seconds=1.0,
            peak_memory_bytes=None,
            peak_memory_of=None,
            trainable=8,
            parameters=100,
            machine={"device": "cpu"},
        )
        return card.as_json()

    @pytest.fixture
    def adapter(self, tmp_path: Path) -> Path:
        (tmp_path / "adapter").mkdir()
        (tmp_path / "adapter/adapter_model.safetensors").write_bytes(b"")
        return tmp_path / "adapter"

    def test_adapter_and_checkpoint_both_count(self, tmp_path: Path, adapter: Path) -> None:
        from models.stable_audio import StableAudio

        (tmp_path / "full").mkdir()
        tuned: dict[str, Any] = {"checkpoint": str(tmp_path / "full"), "adapter": str(adapter)}
        assert StableAudio(**tuned).trained_on() == frozenset()
        (adapter / "card.json").write_text(self.card("a" * 64, "b" * 64, held_out=("c" * 64,)))
        assert StableAudio(**tuned).trained_on() == {"a" * 64, "b" * 64}
        # The weights' own file names the same adapter.
        file = str(adapter / "adapter_model.safetensors")
        assert StableAudio(checkpoint="owner/name", adapter=file).trained_on() == {"a" * 64, "b" * 64}
        (tmp_path / "full/card.json").write_text(self.card("b" * 64, "d" * 64))
        assert StableAudio(**tuned).trained_on() == {"a" * 64, "b" * 64, "d" * 64}
        # At scale 0 the model is its checkpoint, bit for bit.
        assert StableAudio(**tuned, adapter_scale=0).trained_on() == {"b" * 64, "d" * 64}

    @pytest.mark.parametrize("damage", ["{", "[]", '{"format": 1, "data": {"train": "everything"}}'])
    def test_a_damaged_card_is_an_error_and_not_an_absent_one(self, adapter: Path, damage: str) -> None:
        from models.stable_audio import StableAudio

        (adapter / "card.json").write_text(damage)
        with pytest.raises(DataError, match=r"card\.json"):
            StableAudio(checkpoint="owner/name", adapter=str(adapter)).trained_on()


def test_a_model_trained_on_a_makers_music_is_marked_against_that_makers_reference(
    tmp_path: Path, config: dict[str, Any], tiny: Path, music: Path
) -> None:
    """Where a reference says who made its music, and a model says that it was trained on such."""
    path = tmp_path / "made.safetensors"
    about = {"provenance": {"model": "composer@1"}, "synthetic": True}
    build_reference(music, f"{tiny}:Bands", path, options=ReferenceOptions(about=about, genre_from="folder"))
    for entry, families in zip(config["models"], ([], ["composer"]), strict=True):
        entry["trained_with"], entry["params"] = families, {"hz": entry.get("params", {}).get("hz", 200.0)}
    folder = bench.run({**config, "reference": str(path)}, tmp_path / "run").folder
    marked = {
        (cell.model, cell.column.ref.partition("[")[0])
        for cell in read_cells(folder)
        for warning in cell.estimate.warnings
        if warning.code == "W-ONE-MAKER"
    }
    assert marked == {("tuned", "kad")}
    base = next(entry.get("as", "") for entry in config["models"] if entry.get("as") != "tuned")
    for one in compare(folder, base, "tuned"):
        assert ("W-ONE-MAKER" in {warning.code for warning in one.warnings}) == one.column.ref.startswith("kad")


def test_so_is_a_comparison_with_trainings_on_that_music(
    tmp_path: Path, config: dict[str, Any], tiny: Path, music: Path
) -> None:
    path = tmp_path / "made.safetensors"
    about = {"provenance": {"model": "composer@1"}, "synthetic": True}
    build_reference(music, f"{tiny}:Bands", path, options=ReferenceOptions(about=about, genre_from="folder"))
    plain, tuned = config["models"]
    tuned = {**tuned, "trained_with": ["composer"]}
    taught = [{**tuned, "as": f"tuned-{n}", "params": {"hz": 300.0 + n, "lessons": ""}} for n in (1, 2)]
    config["models"] = [{**plain, "as": "base"}, *taught]
    folder = bench.run({**config, "reference": str(path)}, tmp_path / "run").folder
    found = compare_trainings(folder, "base", "tuned-*")
    assert any(one.column.ref.startswith("kad") for one in found)
    for one in found:
        marks = [w for w in one.warnings if w.code == "W-ONE-MAKER"]
        expected = ["tuned-1", "tuned-2"] if one.column.ref.startswith("kad") else []
        assert [w.params["model"] for w in marks] == expected
        assert one.record()["warning_codes"] == [w.code for w in one.warnings]


@pytest.mark.parametrize(
    ("provenance", "maker"),
    [
        ({"model": "composer@1"}, "composer"),
        ({"model": "mine.py:M@2"}, "mine.py:M"),
        ({"model": "clap", "imported": "x.npz"}, ""),
        ({"model": 3}, ""),
        ({}, ""),
        ("a text", ""),
    ],
)
def test_the_maker_of_a_reference(provenance: object, maker: str) -> None:
    assert maker_of({"provenance": provenance}) == maker
    assert maker_of({}) == ""
