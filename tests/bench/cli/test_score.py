"""``tunebench score`` of clips that were made elsewhere: several systems at once, and what is said of mistakes."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

import bench
from bench.cli.score import command
from bench.config.run_config import RunConfig, load_config
from bench.errors import DataError, FailuresRecorded, UsageError

IDS = ("choral-2", "jazz-2", "pop-2", "rock-2")
Make = Callable[..., Path]
Score = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Write clips into a folder of the working folder, and return it relative to that."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)

    def write(folder: str, *names: str) -> Path:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            soundfile.write(tmp_path / folder / f"{name}.wav", rng.normal(0, 0.1, 2000), 8000)
        return Path(folder)

    return write


@pytest.fixture
def score(tiny: Path, capsys: pytest.CaptureFixture[str]) -> Score:
    """Run the command as far as it goes, and return the leaderboard's records; missing clips are no error here."""

    def run(*targets: Path | str, **options: Any) -> list[dict[str, Any]]:
        given: dict[str, Any] = {"suite": "quick@1", "metric": [f"{tiny}:Peak"], "workers": 0, **options}
        capsys.readouterr()
        with contextlib.suppress(FailuresRecorded):
            command([Path(target) for target in targets], as_json=True, **given)
        records: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return records

    return run


def test_folders_and_manifests_are_a_row_each(clips: Make, score: Score) -> None:
    one, two = clips("one", *IDS), clips("two", *IDS[:2], "jazz-2_8")
    Path("list.csv").write_text("prompt,file,seed\npop-2,one/jazz-2.wav,5\n")
    rows = score(one, two, "list.csv")
    assert [(row["model"], row["n"], row["planned"]) for row in rows] == [
        ("one", 4, 12),
        ("two", 3, 13),
        ("list", 1, 12),
    ]
    frozen = load_config(Path("results/one+two+list/config.yaml"))
    assert {model.row: model.params["path"] for model in frozen.models} == {"one": "one", "two": "two", "list": "."}
    assert frozen.seeds == "auto"


def test_a_manifest_with_models_is_a_row_for_each(clips: Make, score: Score) -> None:
    clips("audio", "x", "y")
    lines = [f"GPT 4,{id},audio/x.wav,{70 + place}" for place, id in enumerate(IDS)]
    Path("systems.csv").write_text("\n".join(["model,prompt,file,seed", *lines, "base,jazz-2,audio/y.wav,3"]) + "\n")
    rows = score("systems.csv")
    assert [(row["model"], row["n"], row["planned"]) for row in rows] == [("GPT-4", 4, 12), ("base", 1, 12)]
    assert Path("results/systems/run.db").exists()
    named = score("systems.csv", name=["gpt", "old"])
    assert [row["model"] for row in named] == ["gpt", "old"]
    assert Path("results/gpt+old/run.db").exists()


def test_a_configuration_gives_what_the_command_gives(clips: Make, score: Score, tiny: Path) -> None:
    folder = clips("mine", "jazz-2_4", "pop-2", "pop-2_9")
    ours = score(folder)
    row = {"name": "folder", "as": "mine", "params": {"path": "mine"}}
    config = {"suite": "quick@1", "models": [row], "metrics": [f"{tiny}:Peak"], "executor": {"workers": 0}}
    (theirs,) = bench.run(config, Path("theirs")).leaderboard().to_dict("records")
    assert [(one["value"], one["n"], one["planned"]) for one in ours] == [
        (theirs["value"], theirs["n"], theirs["planned"])
    ]


def test_rows_are_added_to_a_run(clips: Make, score: Score) -> None:
    out = Path("results/both")
    score(clips("one", *IDS), out=out)
    rows = score(clips("two", *IDS), out=out)
    assert [row["model"] for row in rows] == ["one", "two"]
    assert [model.row for model in load_config(out / "config.yaml").models] == ["one", "two"]
    # Scored again, it has both rows still.
    options: dict[str, Any] = {"suite": None, "metric": None}
    assert [row["model"] for row in score(out, plugin_files=True, **options)] == ["one", "two"]


def refused(score: Score, *targets: Path | str, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        score(*targets, **options)
    assert "\n" not in str(caught.value)
    assert not list(Path("results").glob("*/run.db"))
    return str(caught.value)


def test_a_run_folder_among_others_is_refused(clips: Make, score: Score) -> None:
    folder = clips("one", *IDS)
    score(folder, out=Path("out"))
    said = refused(score, folder, "out")
    assert "out is a run folder" in said and "--out out" in said


def test_a_run_that_lost_its_database_is_not_taken_for_clips(clips: Make, score: Score) -> None:
    score(clips("one", *IDS), out=Path("out"))
    Path("out", "run.db").unlink()
    with pytest.raises(DataError):
        score("out")


def test_an_empty_configuration_is_not_the_default_run(clips: Make, score: Score) -> None:
    score(clips("one", *IDS), out=Path("out"))
    Path("out", "config.yaml").write_text("\n")
    with pytest.raises(DataError):
        score("out", suite=None, metric=None, plugin_files=True)
    assert load_config(Path("out", "config.yaml")) == RunConfig()


@pytest.mark.parametrize(
    ("layout", "command_line"),
    [
        (("x/a", "x/b"), "tunebench score x/a x/b --suite quick@1"),
        (("x/a/wavs", "x/my b/wavs"), "tunebench score x/a/wavs 'x/my b/wavs' --suite quick@1"),
    ],
)
def test_folders_in_a_folder_give_a_command_that_works(
    clips: Make, score: Score, layout: tuple[str, ...], command_line: str
) -> None:
    for folder in layout:
        clips(folder, *IDS)
    clips("x", "cover")
    said = refused(score, "x")
    assert command_line in said
    words = shlex.split(said[said.index("tunebench score") :].partition("; if")[0])[2:]
    names = [words[place + 1] for place, word in enumerate(words) if word == "--name"]
    rows = score(*words[: words.index("--suite")], name=names or None)
    assert [row["n"] for row in rows] == [4, 4]


def test_a_manifest_in_a_folder_of_folders_is_named(clips: Make, score: Score) -> None:
    clips("x/a", "1")
    Path("x/list.csv").write_text("prompt,file\njazz-2,a/1.wav\n")
    assert "tunebench score x/list.csv --suite quick@1" in refused(score, "x")


def test_folders_named_after_genres_are_no_systems(
    clips: Make, score: Score, capsys: pytest.CaptureFixture[str]
) -> None:
    for genre in ("jazz", "Pop"):
        clips(f"x/{genre}", *IDS)
    said = refused(score, "x")
    assert "Pop, jazz" in said and "manifest" in said and "tunebench score" not in said
    clips("y", *IDS)
    clips("y/more", *IDS)
    with contextlib.suppress(FailuresRecorded):
        command([Path("y")], suite="quick@1", metric=["melodic-complexity"], workers=0)
    assert "more" in capsys.readouterr().err


def test_clips_of_no_prompt_are_no_run(clips: Make, score: Score) -> None:
    Path("list.csv").write_text("prompt,file\nsomething,a.wav\n")
    assert "bar.wav, foo.wav in x: " in refused(score, clips("x", "foo", "bar"))
    said = refused(score, clips("y"))
    assert said.startswith("y ") and ".wav" in said
    assert all(word in refused(score, "list.csv") for word in (" list.csv ", "quick@1"))


def test_names_that_do_not_fit(clips: Make, score: Score) -> None:
    one, two = clips("one", *IDS), clips("a/one", *IDS)
    said = refused(score, one, two)
    assert all(word in said for word in (f"{one} ", f"{two} ", "'one'"))
    assert "1 name for 2 rows" in refused(score, one, two, name=["x"])
    many = [clips(f"{'long' * 10}{number}", *IDS) for number in range(4)]
    assert "--out" in refused(score, *many)


def test_clips_of_another_folder_do_not_take_a_rows_place(
    tunebench: Callable[..., Any], tmp_path: Path, tiny: Path
) -> None:
    suite = {"name": "one", "version": 1, "prompts": [{"id": "a-1", "text": "a tune", "genre": "pop", "level": 1}]}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(suite))
    for place in ("here", "there"):
        (tmp_path / place / "mine").mkdir(parents=True)
        soundfile.write(tmp_path / place / "mine" / "a-1.wav", np.zeros(800), 8000)
    own = ("--suite", "one.yaml", "--metric", f"{tiny}:Frames", "--workers", "0")
    first = tunebench("score", "here/mine", *own)
    assert first.returncode == 0, first.stderr
    refused = tunebench("score", "there/mine", *own)
    assert refused.returncode == 2
    assert "here/mine" in refused.stderr and "--out" in refused.stderr
    assert tunebench("score", "there/mine", *own, "--out", "other").returncode == 0
    assert tunebench("score", "here/mine", *own).stdout == first.stdout
