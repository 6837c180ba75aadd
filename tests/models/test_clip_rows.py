"""The rows that folders and manifests of clips make, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.config.value_types import LABEL
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from models.clip_rows import clip_rows, coverage, folders_of_clips, label_of, manifests_in

PROMPTS = [Prompt(f"pop-{n}", f"tune {n}", "pop") for n in (1, 2, 3)]
Touch = Callable[..., Path]


@pytest.fixture
def touch(tmp_path: Path) -> Touch:
    """Make files, none of which is looked into, and return the folder of the first."""

    def make(*names: str, content: str = "") -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return (tmp_path / names[0]).parent

    return make


def table(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_row_for_each_folder_manifest_and_model(touch: Touch, tmp_path: Path) -> None:
    folder = touch("my clips/pop-1.wav")
    plain = table(tmp_path / "b" / "plain.csv", "prompt,file", "pop-1,x.wav")
    models = table(tmp_path / "b" / "two.csv", "prompt,file,model", "pop-1,x.wav,GPT 4", "pop-1,x.wav,base")
    rows = clip_rows([folder, plain, models])
    assert [row.label for row in rows] == ["my-clips", "plain", "GPT-4", "base"]
    assert [row.params for row in rows] == [
        {"path": str(folder)},
        {"path": str(plain.parent), "manifest": "plain.csv"},
        {"path": str(models.parent), "manifest": "two.csv", "model": "GPT 4"},
        {"path": str(models.parent), "manifest": "two.csv", "model": "base"},
    ]
    assert [row.label for row in clip_rows([plain, models], ["p", "q", "r"])] == ["p", "q", "r"]


@pytest.mark.parametrize(
    ("one", "two"), [("x/clips", "y/clips"), ("x/Clips", "y/clips"), ("my clips", "my-clips"), ("日本", "中国")]
)
def test_one_name_for_two_is_refused(touch: Touch, one: str, two: str) -> None:
    targets = [touch(f"{name}/pop-1.wav") for name in (one, two)]
    with pytest.raises(UsageError) as refused:
        clip_rows(targets)
    assert all(str(target) in str(refused.value) for target in targets)
    assert "--name NAME1 --name NAME2" in str(refused.value)
    assert len(clip_rows(targets, ["one", "two"])) == 2


def test_models_whose_names_become_one_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", "prompt,file,model", "pop-1,x.wav,A b", "pop-1,x.wav,A-b")
    with pytest.raises(UsageError, match=r"'A b'.*'A-b'.* 'A-b'"):
        clip_rows([path])


def test_other_mistakes(touch: Touch, tmp_path: Path) -> None:
    folder = touch("a/pop-1.wav")
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "gone"))):
        clip_rows([folder, tmp_path / "gone"])
    with pytest.raises(UsageError, match=re.escape(str(tmp_path / "a" / ".." / "a"))):
        clip_rows([folder, tmp_path / "a" / ".." / "a"])
    with pytest.raises(UsageError, match=r"2 names .*1 row \(a\).*--name"):
        clip_rows([folder], ["x", "y"])


@pytest.mark.parametrize("name", ["a", "_x", "..", "My system (v2)", "x" * 200, "=+@", "ä", "v1.0", "a\nb", "-a-"])
def test_a_label_can_name_a_row(name: str) -> None:
    assert LABEL.fullmatch(label_of(name))


def test_what_a_row_covers(touch: Touch) -> None:
    folder = touch("a/pop-1_3.wav", "a/pop-1_4.mid", "a/pop-3.flac", "a/cover.wav", "a/notes.txt")
    found = coverage(clip_rows([folder])[0], PROMPTS)
    assert (found.clips, found.without, found.unused) == (3, ["pop-2"], ["cover.wav"])


def test_folders_of_clips_are_found(touch: Touch, tmp_path: Path) -> None:
    touch("x/top.wav", "x/b/1.WAV", "x/a/deep/wavs/1.mp3", "x/c/readme.txt", "x/.hidden/1.wav", "x/1/2/3/4/1.wav")
    assert folders_of_clips(tmp_path / "x") == [tmp_path / "x/a/deep/wavs", tmp_path / "x/b"]


def test_manifests_are_told_from_other_tables(touch: Touch) -> None:
    folder = touch("x/scores.csv", content="model,score\na,1\n")
    table(folder / "list.csv", "prompt,file", "pop-1,x.wav")
    table(folder / "z.jsonl", '{"prompt": "pop-1", "file": "x.wav"}')
    assert manifests_in(folder) == [folder / "list.csv", folder / "z.jsonl"]
