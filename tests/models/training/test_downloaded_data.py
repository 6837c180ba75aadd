"""Datasets as downloaders and other trainers leave them: names of files, sidecars, missing values."""

from __future__ import annotations

import csv
import json
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DataError
from models.training.config import DataConfig
from models.training.data import load_dataset
from models.training.dataset import Dataset
from models.training.formats import list_examples
from models.training.musiccaps import list_musiccaps

RATE = 8000
YTIDS = ("-0Gj8-vB1q4", "_0SGT1bXJEw", "Yabcdefghi_", "abcdefghij-")
NAMES = {
    "plain": "{}",
    "of AudioSet": "Y{}",
    "with the stretch": "{}_30_40",
    "with the stretch, hyphens": "{}-30-40",
    "of AudioSet, with fractions": "Y{}_30.000_40.000",
    "in milliseconds": "{}_30000_40000",
    "in brackets": "[{}]-[30-40]",
    "of yt-dlp": "Some - title [2019] [{}]",
}


def write(path: Path, pitch: float = 440.0, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * RATE)) / RATE
    soundfile.write(path, np.sin(2 * np.pi * pitch * time).astype(np.float32) / 2, RATE)
    return path


def listed(path: Path, delimiter: str = ",", **changes: Any) -> Path:
    rows = [
        {"ytid": ytid, "start_s": 30, "end_s": 40, "caption": f"Music {number}", "is_audioset_eval": False} | changes
        for number, ytid in enumerate(YTIDS)
    ]
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def load(path: Path, **settings: Any) -> Dataset:
    return load_dataset(DataConfig(path=str(path), **settings))


@pytest.mark.parametrize("name", NAMES)
def test_clips_of_musiccaps_are_found_as_downloaders_name_them(tmp_path: Path, name: str) -> None:
    files = {
        ytid: write(tmp_path / "audio" / f"{NAMES[name].format(ytid)}.wav", 200 + 9 * ord(ytid[1])) for ytid in YTIDS
    }
    write(tmp_path / "audio" / "no clip.wav")
    dataset = load(listed(tmp_path / "list.csv"), audio=tmp_path / "audio")
    assert {example.id: example.path for example in dataset.examples} == files
    assert (dataset.about["missing"], dataset.about["unlisted_files"]) == (0, 1)


def test_a_list_with_semicolons_is_musiccaps_too(tmp_path: Path) -> None:
    write(tmp_path / "audio" / f"{YTIDS[0]}_30_40.wav")
    path = listed(tmp_path / "list.csv", delimiter=";", start_s="30,0", end_s="40,0")
    assert [example.id for example in load(path, audio=tmp_path / "audio").examples] == [YTIDS[0]]


def test_another_stretch_of_a_recording_is_another_clip(tmp_path: Path) -> None:
    audio, path = tmp_path / "audio", listed(tmp_path / "list.csv")
    right = write(audio / f"{YTIDS[0]}_30_40.wav")
    write(audio / f"{YTIDS[0]}_50_60.wav", 300)
    write(audio / f"[{YTIDS[1]}]-[0-10].wav", 400)
    listing = list_musiccaps(path, audio)
    assert [(example.id, example.path) for example in listing.examples] == [(YTIDS[0], right)]
    told = {item.id: item.why for item in listing.absent}
    assert told.keys() == set(YTIDS[1:]) and f"[{YTIDS[1]}]-[0-10].wav" in told[YTIDS[1]]
    assert listing.about["unlisted_files"] == 2
    write(audio / f"Y{YTIDS[0]}.flac", 500)
    with pytest.raises(DataError, match=rf"Y?{YTIDS[0]}.*Y?{YTIDS[0]}"):
        list_musiccaps(path, audio)
    right.unlink()
    (audio / f"Y{YTIDS[0]}.flac").unlink()
    with pytest.raises(DataError, match=r"\b4 clips .*_50_60\.wav"):
        list_musiccaps(path, audio)


@given(
    st.text(string.ascii_letters + string.digits + "_-", min_size=11, max_size=11),
    st.sampled_from(sorted(NAMES.values())),
)
def test_any_id_is_read_from_any_name(ytid: str, name: str) -> None:
    from models.training.musiccaps import ids_in_name

    assert ytid in ids_in_name(name.format(ytid))


@pytest.mark.parametrize(
    ("sidecar", "says"),
    [
        ('{"title": "x", "tags": ["jazz"]}', "the columns are title, tags"),
        ('{"caption": NaN}', "there is no caption"),
        ('{"caption": "nan"}', "there is no caption"),
        ('{"caption": " \\n "}', "there is no caption"),
        ('{"caption": ["slow", "jazz"]}', "must be text"),
        ('{"caption": "slow jazz"', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('"slow jazz"', "not an object"),
        ('{"caption": "a", "split": "maybe"}', "must be train, validation or test"),
        ('{"caption": "' + "x" * 2**20 + '"}', "longer than"),
    ],
)
def test_a_sidecar_that_gives_no_caption_is_named(tmp_path: Path, sidecar: str, says: str) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.wav", 300 + 50 * number)
        (tmp_path / f"{number}.json").write_text(sidecar if number == 2 else '{"caption": "slow jazz"}')
    _, listing = list_examples(DataConfig(path=str(tmp_path)))
    (item,) = listing.unusable
    assert len(listing.examples) == 2 and item.id == "2.wav" and says in item.why and "\n" not in item.why


def test_what_a_sidecar_may_say_beside_the_caption(tmp_path: Path) -> None:
    for folder in ("one", "two"):  # the same name in two folders are two examples
        write(tmp_path / folder / "song.wav", 300 + 50 * len(folder))
        content = {
            "caption": f"slow {folder}",
            "recording": folder,
            "genre": "jazz",
            "split": "test" * (folder == "two"),
        }
        (tmp_path / folder / "song.json").write_text(json.dumps(content))
    write(tmp_path / "three" / "song.wav", 900)
    (tmp_path / "three" / "song.txt").write_text("what the text says")
    (tmp_path / "three" / "song.json").write_text('{"description": "what a video page said"}')
    _, listing = list_examples(DataConfig(path=str(tmp_path)))
    assert [(e.id, e.recording, e.genre, e.caption) for e in listing.examples] == [
        ("one/song.wav", "one", "jazz", "slow one"),
        ("three/song.wav", "three/song", None, "what the text says"),
    ]


def test_missing_values_of_pandas_join_no_recordings(tmp_path: Path) -> None:
    import pandas

    rows = [
        {"file": write(tmp_path / f"{n}.wav", 200 + n).name, "caption": f"song {n}", "recording": None}
        for n in range(4)
    ]
    pandas.DataFrame(rows).to_csv(tmp_path / "list.csv", na_rep="nan")
    assert len({example.recording for example in load(tmp_path / "list.csv").examples}) == 4
