"""Merging: shards joined are the run that one process would have made, whatever happens in between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.errors import UsageError
from bench.leaderboard.render import read_cells, records
from bench.pipeline.merge_shards import merge
from bench.pipeline.run import run
from bench.planning.shards import Shard
from bench.storage.digests import write_digests
from bench.storage.store import Store

SEEDS = [0, 1]


@pytest.fixture
def config(tiny: Path, tmp_path: Path) -> dict[str, Any]:
    """12 clips of each of two models, in batches of unlike size; one metric is undefined for some of them."""
    ids = [f"{genre}-{number}" for genre in ("jazz", "pop", "rock") for number in (1, 2)]
    prompts = [{"id": id, "genre": id[:-2], "level": int(id[-1]), "text": f"something like {id}"} for id in ids]
    suite = tmp_path / "six.yaml"
    suite.write_text(yaml.safe_dump({"name": "six", "version": 1, "prompts": prompts}))
    return {
        "suite": str(suite),
        "models": [
            {"name": f"{tiny}:Sine", "as": "low", "params": {"batch": 5}},
            {"name": f"{tiny}:Sine", "as": "high", "params": {"batch": 2, "hz": 700.0}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames", f"{tiny}:Loudest", f"{tiny}:Spread"],
        "seeds": SEEDS,
        "duration": 0.25,
        "executor": {"workers": 0},
    }


def make_shards(config: dict[str, Any], out: Path, *indices: int, count: int = 3) -> None:
    for index in indices:
        run(config, out, shard=Shard(index, count))


def with_params(config: dict[str, Any], **params: Any) -> dict[str, Any]:
    models = [{**model, "params": {**model["params"], **params}} for model in config["models"]]
    return {**config, "models": models}


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a run knows but how long things took, by table, in order of planning."""
    found = {}
    with closing(sqlite3.connect(folder / "run.db")) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "seconds"]
            order = "rowid" if table == "clips" else ", ".join(columns)
            found[table] = database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}").fetchall()
    del found["whole_plan"], found["digests"]  # which are of how long things took, too
    return found


def contents_of(folder: Path, columns: str, table: str) -> list[tuple[Any, ...]]:
    with Store.read(folder) as store:
        return store.rows(f"SELECT {columns} FROM {table}")


@contextmanager
def edited(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as database:
        yield database
        write_digests(database)


def sounds(folder: Path) -> dict[str, tuple[str, str]]:
    """State and content hash of every clip, by its id."""
    return {row[0]: row[5:7] for row in contents(folder)["clips"]}


def audio(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.glob("audio/*/*")}


def assert_same_run(folder: Path, other: Path) -> None:
    ours, theirs = contents(folder), contents(other)
    assert ours.keys() == theirs.keys()
    for table in ours:
        if table == "set_scores":  # a merge before all shards were there leaves the scores of fewer clips behind
            assert set(theirs[table]) <= set(ours[table])
        else:
            assert ours[table] == theirs[table], table
    assert audio(folder) == audio(other)
    assert records(read_cells(folder)) == records(read_cells(other))


@pytest.fixture
def undisturbed(config: dict[str, Any], tmp_path: Path) -> Path:
    return run(config, tmp_path / "undisturbed").folder


def test_three_shards_merged_are_the_run_of_one_process(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 3, 1, 2)

    merged = tunebench("merge", "--plugin-files", out, "--json")

    assert merged.returncode == 0, merged.stderr
    assert_same_run(out, undisturbed)
    assert merged.stdout == tunebench("leaderboard", undisturbed, "--json").stdout
    assert (out / "config.yaml").read_bytes() == (undisturbed / "config.yaml").read_bytes()
    assert all(len(rows) for table, rows in contents(out).items() if table != "digests"), (
        "a table that nothing fills proves nothing"
    )
    made = next((out / "audio/low").iterdir())
    assert made.stat().st_nlink == 2, "audio on one disk is not copied"


def test_merging_again_changes_nothing_and_the_shards_may_go(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    for _ in range(2):
        assert merge(out, plugin_files=True).lacking == []
        assert_same_run(out, undisturbed)
    shutil.rmtree(out / "shards")
    assert_same_run(out, undisturbed)


def test_a_merged_run_goes_on_as_any_other(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    marks = tmp_path / "marks"
    config = with_params(config, marks=str(marks))
    make_shards(config, tmp_path / "out", 1, 2, 3)
    merge(tmp_path / "out", plugin_files=True)
    made = marks.read_text()

    run(config, tmp_path / "out")
    assert marks.read_text() == made

    extended = {**config, "seeds": [*SEEDS, 2], "metrics": [*config["metrics"], f"{tiny}:Fragile"]}
    run(extended, tmp_path / "out")
    again = marks.read_text()[len(made) :]
    assert len(again.splitlines()) >= 12
    run(extended, tmp_path / "whole")
    assert contents(tmp_path / "out")["scores"] == contents(tmp_path / "whole")["scores"]


def test_a_missing_shard_is_named_and_its_clips_stay_planned(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 3)
    (out / "shards" / "2-of-3").mkdir()  # its job died before it began

    merged = tunebench("merge", "--plugin-files", out)

    assert merged.returncode == 4
    assert "shard 2/3 " in merged.stderr and f" {5 + 2 + 2} clips" in merged.stderr
    assert f"tunebench run CONFIG --out {out} --shard" in merged.stderr
    states = [row[5] for row in contents(out)["clips"]]
    assert (states.count("planned"), states.count("made"), len(states)) == (9, 15, 24)
    assert {record["planned"] for record in records(read_cells(out))} == {12}

    completed = shutil.copytree(out, tmp_path / "completed")
    run(config, completed)
    assert_same_run(completed, undisturbed)

    make_shards(config, out, 2)
    assert merge(out, plugin_files=True).lacking == []
    assert_same_run(out, undisturbed)


def test_an_unfinished_shard_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    with edited(out / "shards/2-of-3") as database:
        database.execute("DELETE FROM scores WHERE clip = (SELECT MIN(clip) FROM scores)")
    next((out / "shards/3-of-3/audio/low").iterdir()).unlink()

    second, third = merge(out, plugin_files=True).lacking
    assert "2/3" in second and "1 clips not scored" in second
    assert "3/3" in third and "1 clips not made" in third


def test_a_failed_clip_is_carried_over_and_mended_by_a_later_merge(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(with_params(config, bad="raise"), out, 1, 2, 3)

    merged = tunebench("merge", "--plugin-files", out)
    assert merged.returncode == 4
    assert ": 2 clips, e.g. jazz-2, seed 0: RuntimeError: the model stumbled over two lines\n" in merged.stderr
    assert "failed: low: 2 clips, e.g. jazz-2, seed 0: " in merged.stderr

    make_shards(config, out, 1, 2, 3)
    assert merge(out, plugin_files=True).run.failures() == []
    assert audio(out) == audio(undisturbed)
    assert contents(out)["scores"] == contents(undisturbed)["scores"]


def test_the_stack_of_a_crash_in_a_shard_goes_with_its_reason(config: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    config["executor"] = {"workers": 1}
    make_shards(with_params(config, bad="segfault"), out, 1, 2, count=2)
    failures = merge(out, plugin_files=True).run.failures()
    (stack,) = (out / "crashes").iterdir()
    assert {failure.clip for failure in failures} == {"jazz-2, seed 0", "jazz-2, seed 1"}
    assert all(stack.name in failure.reason for failure in failures)
    make_shards(config, out, 1, 2, count=2)
    assert merge(out, plugin_files=True).run.failures() == []
    assert not (out / "crashes").exists()


def test_a_failed_score_gives_way_to_a_value(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    plugin = tmp_path / "level.py"
    plugin.write_text(tiny.read_text().replace("clip.audio.peak", "clip.audio.loudness"))
    config["metrics"] = [f"{plugin}:Peak"]
    make_shards(config, tmp_path / "out", 1, 2, count=2)
    assert len(merge(tmp_path / "out", plugin_files=True).run.failures()) == 24

    plugin.write_text(tiny.read_text())
    make_shards(config, tmp_path / "out", 1, 2, count=2)
    assert merge(tmp_path / "out", plugin_files=True).run.failures() == []


def test_what_the_folder_holds_already_stays(config: dict[str, Any], tmp_path: Path) -> None:
    """A clip that sounds different in a shard brings neither its audio nor the scores of that audio."""
    out = tmp_path / "out"
    run(with_params(config, bad="loud"), out)
    with edited(out) as database:
        loud = "SELECT id FROM clips WHERE prompt = 'jazz-2'"
        database.execute(f"DELETE FROM scores WHERE metric = 'Peak' AND clip IN ({loud})")
        database.execute(f"UPDATE scores SET value = 77 WHERE metric = 'Peak' AND clip NOT IN ({loud})")
    before = contents(out), audio(out)
    notes: list[str] = []
    make_shards(config, out, 1, 2, 3)

    class Listener:
        def begin(self, stage: str, total: int, done: int) -> None: ...
        def advance(self, count: int) -> None: ...
        def note(self, message: str) -> None:
            notes.append(message)

    for _ in range(2):
        merge(out, Listener(), plugin_files=True)
        assert (contents(out), audio(out)) == before
    assert notes and all("exist already with different audio" in note for note in notes)


def test_a_clip_that_failed_in_a_shard_only_stays(config: dict[str, Any], undisturbed: Path) -> None:
    make_shards(with_params(config, bad="raise"), undisturbed, 1, 2, 3)
    before = contents(undisturbed)["clips"]
    assert merge(undisturbed, plugin_files=True).run.failures() == []
    assert contents(undisturbed)["clips"] == before


def test_a_clip_that_lost_its_audio_takes_the_shards_with_its_scores(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(with_params(config, bad="loud"), out)
    loud = {path for path, content in audio(out).items() if audio(undisturbed)[path] != content}
    assert len(loud) == 4
    for path in loud:
        (out / path).unlink()
    with edited(out) as database:
        database.execute(
            "INSERT OR REPLACE INTO notes SELECT id, 'of the lost audio' FROM clips WHERE prompt = 'jazz-2'"
        )
    make_shards(config, out, 1, 2, 3)
    merge(out, plugin_files=True)
    assert audio(out) == audio(undisturbed)
    assert contents(out)["scores"] == contents(undisturbed)["scores"]
    assert contents(out)["notes"] == contents(undisturbed)["notes"]


def test_clips_of_unlike_length_are_heard_as_in_the_whole_run(
    config: dict[str, Any], tmp_path: Path, tiny: Path
) -> None:
    """A shard with clips of one model only hears all of them; the whole run hears what both models have."""
    plugin = tmp_path / "half.py"
    plugin.write_text(
        tiny.read_text()
        + "\n\nclass Half(Sine):\n"
        + "    def _samples(self, request):\n"
        + "        samples = super()._samples(request)\n"
        + "        return samples[: len(samples) // 2]\n"
    )
    config["models"][1] = {"name": f"{plugin}:Half", "as": "half", "params": {"batch": 12}}
    config["duration"] = 1.0
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    whole = run(config, tmp_path / "whole").folder

    assert merge(out, plugin_files=True).lacking == []
    views = [
        {view for view, shown in contents_of(folder, "view, shown", "metrics") if shown and view}
        for folder in (out / "shards/2-of-3", out, whole)
    ]
    assert views == [{"{}"}, {'{"seconds":0.5}'}, {'{"seconds":0.5}'}]
    assert records(read_cells(out)) == records(read_cells(whole))


def test_shards_extend_what_the_folder_holds(config: dict[str, Any], undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run({**config, "models": config["models"][:1], "seeds": [1]}, out)
    make_shards(config, out, 1, 2, 3)
    merge(out, plugin_files=True)
    assert sounds(out) == sounds(undisturbed)
    assert contents(out)["scores"] == contents(undisturbed)["scores"]
    assert records(read_cells(out)) == records(read_cells(undisturbed))


def test_a_model_under_a_second_name_is_refused(config: dict[str, Any], undisturbed: Path) -> None:
    models = [config["models"][0], {**config["models"][1], "as": "higher"}]
    before = contents(undisturbed)
    make_shards({**config, "models": models}, undisturbed, 1, 2, 3)
    with pytest.raises(UsageError) as caught:
        merge(undisturbed, plugin_files=True)
    assert all(word in str(caught.value) for word in ("'higher'", "'high'"))
    assert contents(undisturbed) == before


def test_clips_of_an_earlier_plan_are_carried_over(config: dict[str, Any], undisturbed: Path, tmp_path: Path) -> None:
    """The shards were made with two seeds, and made again with one: the other seed's clips are still theirs."""
    out = tmp_path / "out"
    for seeds in (SEEDS, SEEDS[:1]):
        make_shards({**config, "seeds": seeds}, out, 1, 2, 3)
    merge(out, plugin_files=True)
    assert sounds(out) == sounds(undisturbed)
    assert contents(out)["scores"] == contents(undisturbed)["scores"]


def test_what_a_changed_file_replaced_stays_replaced(config: dict[str, Any], tmp_path: Path) -> None:
    """A clip read from a file that changed is another clip; the older one is kept, and never shown again."""
    import soundfile

    clips = tmp_path / "clips"
    clips.mkdir()
    out = tmp_path / "out"
    config = {**config, "models": [{"name": "folder", "as": "mine", "params": {"path": str(clips)}}], "seeds": [0]}
    with Store.read(run({**config, "models": ["noise"], "metrics": []}, tmp_path / "names").folder) as store:
        prompts = [id for (id,) in store.rows("SELECT id FROM prompts")]
    for level in (0.25, 0.5):
        for prompt in prompts if level == 0.25 else prompts[:1]:
            soundfile.write(clips / f"{prompt}.wav", [level] * 2000, 8000)
        make_shards(config, out, 1, 2, count=2)
        merge(out, plugin_files=True)
    states = [row[5] for row in contents(out)["clips"]]
    assert (states.count("made"), states.count("replaced")) == (len(prompts), 1)
    assert len(audio(out)) == len(prompts) + 1

    # Even when the plan of today no longer names the model.
    make_shards({**config, "models": ["noise"]}, out, 1, 2, count=2)
    shutil.copytree(out / "shards", tmp_path / "late/shards")
    merge(tmp_path / "late", plugin_files=True)
    assert {id: state for id, (state, _) in sounds(tmp_path / "late").items() if id in sounds(out)} == {
        id: state for id, (state, _) in sounds(out).items()
    }


def test_tables_show_the_metrics_of_the_shards(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    """The same metric with other parameters is another column: the older one stays, with its scores, unshown."""

    def scored(how: str) -> dict[str, Any]:
        return {**config, "metrics": [{"name": f"{tiny}:Fragile", "params": {"how": how}}]}

    out = tmp_path / "out"
    run(scored("one"), out)
    make_shards(scored("two"), out, 2, count=2)
    make_shards(scored("three"), out, 1, 2, count=2)
    merge(out, plugin_files=True)
    with edited(out) as database:
        shown = dict(database.execute("SELECT name, shown FROM metrics"))
    assert shown == {"Fragile[how=one]": 0, "Fragile[how=two]": 0, "Fragile[how=three]": 1}
    assert len(contents(out)["scores"]) == 24 + (5 + 2 + 2 + 2) + 24


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"seeds": [0, 2]}, "config.seeds is [0,1] and [0,2]"),
        ({"duration": 0.5}, "duration is 0.25 and 0.5"),
        ({"suite": "genres@1"}, 'suite is "six@1" and "genres@1"'),
        ({"metrics": []}, "config.metrics is "),
    ],
)
def test_shards_of_two_configurations_are_refused(
    config: dict[str, Any], change: dict[str, Any], place: str, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, count=50)
    make_shards({**config, **change}, out, 2, count=50)

    refused = tunebench("merge", "--plugin-files", out)

    assert refused.returncode == 2
    named = (f"{out}/shards/1-of-50", f"{out}/shards/2-of-50", f": {place}")
    assert all(word in refused.stderr for word in named)
    assert [path.name for path in out.iterdir()] == ["shards"]


def test_shards_of_two_versions_of_a_model_are_refused(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    plugin = tmp_path / "model.py"
    config["models"] = [{"name": f"{plugin}:Sine", "as": "mine"}]
    for index, text in ((1, tiny.read_text()), (2, tiny.read_text() + "# changed\n")):
        plugin.write_text(text)
        make_shards(config, tmp_path / "out", index, count=2)
    with pytest.raises(UsageError, match=r'models\.mine\.plugin\.source is "[0-9a-f]{64}" and "[0-9a-f]{64}"'):
        merge(tmp_path / "out", plugin_files=True)


def test_shards_of_two_versions_of_a_suite_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    suite = tmp_path / "suite.yaml"
    config["suite"] = str(suite)
    for version in (1, 2):
        prompts = [{"id": f"p{n}", "genre": "jazz", "level": 1, "text": f"tune {n}, take {version}"} for n in range(4)]
        suite.write_text(yaml.safe_dump({"name": "mine", "version": version, "prompts": prompts}))
        make_shards(config, tmp_path / "out", version, count=2)
    with pytest.raises(UsageError, match=r'suite .*"mine@1".*"mine@2"'):
        merge(tmp_path / "out", plugin_files=True)


def test_shards_whose_source_files_changed_between_them_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    import soundfile

    prompts = [{"id": f"p{n}", "genre": "jazz", "level": 1, "text": f"tune {n}"} for n in range(2)]
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump({"name": "mine", "version": 1, "prompts": prompts}))
    config |= {
        "suite": str(tmp_path / "suite.yaml"),
        "models": [{"name": "folder", "as": "mine", "params": {"path": str(tmp_path)}}],
        "seeds": [0],
    }
    for index, level in ((1, 0.25), (2, 0.5)):
        for prompt in prompts:
            soundfile.write(tmp_path / f"{prompt['id']}.wav", [level] * 2000, 8000)
        make_shards(config, tmp_path / "out", index, count=2)
    with pytest.raises(UsageError, match=r"mine, p0, seed 0 .*[0-9a-f]{16} .*shard 1 .*[0-9a-f]{16} "):
        merge(tmp_path / "out", plugin_files=True)


def test_a_folder_that_holds_another_run_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    low, high = config["models"]
    run({**config, "models": [{**low, "params": {"hz": 300.0}}, high]}, out)
    before = contents(out)
    make_shards(config, out, 1, 2, 3)
    with pytest.raises(UsageError, match=r"models\.low\.params\.hz .*300\.0.*200\.0"):
        merge(out, plugin_files=True)
    assert contents(out) == before


def test_shards_of_two_divisions_are_refused(config: dict[str, Any], tmp_path: Path) -> None:
    make_shards(config, tmp_path / "out", 1, count=30)
    make_shards(config, tmp_path / "out", 1, count=40)
    with pytest.raises(UsageError, match=r"\b30\b.*\b40\b"):
        merge(tmp_path / "out", plugin_files=True)


@pytest.mark.parametrize("busy", ["shards/2-of-3", "."])
def test_what_is_in_use_is_refused(config: dict[str, Any], tmp_path: Path, tunebench: Callable, busy: str) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    with Store.open(out / busy):
        refused = tunebench("merge", "--plugin-files", out)
    assert refused.returncode == 2
    assert f"{out / busy} " in refused.stderr and f" {os.getpid()} " in refused.stderr
    assert not (out / "audio").exists()


@pytest.mark.parametrize("begun", [False, True])
def test_a_folder_without_shards_is_refused(tmp_path: Path, begun: bool, tunebench: Callable) -> None:
    if begun:
        (tmp_path / "out/shards/1-of-2").mkdir(parents=True)
    refused = tunebench("merge", "--plugin-files", tmp_path / "out")
    assert refused.returncode == 2
    assert "shards" in refused.stderr
    assert not (tmp_path / "out/run.db").exists()


def test_a_merge_killed_at_any_moment_is_repeated(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench_path: str
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    chance = random.Random(0)
    killed = 0
    for _ in range(8):
        with subprocess.Popen(
            [tunebench_path, "merge", "--plugin-files", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            while not (out / "run.lock").exists() and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.06))
            process.kill()
            process.communicate()
        killed += process.returncode == -signal.SIGKILL
        _leave_behind(out, chance)
    assert killed
    assert merge(out, plugin_files=True).lacking == []
    assert_same_run(out, undisturbed)


def _leave_behind(out: Path, chance: random.Random) -> None:
    """What a merge that was killed may leave: nothing at all, or half a file."""
    (out / "run.lock").unlink()  # its making tells that the next merge has begun
    if chance.random() < 0.5:
        shutil.rmtree(out / "audio", ignore_errors=True)
        for path in out.glob("run.db*"):
            path.unlink()
    elif (out / "audio/low").is_dir():
        (out / "audio/low/.0123456789abcdef.flac.1.part").write_bytes(b"fLaC")


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    others = (Path(name) for name in ("/dev/shm", "/var/tmp"))  # memory, and a disk
    other = next((path for path in others if path.is_dir() and path.stat().st_dev != tmp_path.stat().st_dev), None)
    if other is None:
        pytest.skip("there is no second disk here")
    folder = other / f"tunebench-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_audio_is_copied_where_it_cannot_be_linked(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, other_disk: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "shards").symlink_to(other_disk)
    make_shards(config, out, 1, 2, 3)
    merge(out, plugin_files=True)
    shutil.rmtree(other_disk / "1-of-3")
    assert_same_run(out, undisturbed)


def test_audio_in_the_place_of_a_shards_clip_is_set_aside(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    out, config = tmp_path / "out", write_config()
    run(config, out, shard=Shard(1, 2))
    merge(out)
    second = run(config, out, shard=Shard(2, 2))
    path = next(second.folder.glob("audio/sine/*.flac"))
    (out / "audio/sine" / path.name).write_bytes(b"somebody's")
    assert merge(out).lacking == []
    assert (out / "audio/unknown" / f"sine-{path.name}").read_bytes() == b"somebody's"
    assert (out / "audio/sine" / path.name).read_bytes() == path.read_bytes()
