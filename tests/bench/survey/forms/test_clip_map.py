"""The clip map: which clip a cell or a question names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import DataError, UsageError
from bench.survey.forms.clip_map import Clip, ClipMap, read_clip_map
from bench.survey.forms.questionnaire import BlindClip, clip_map_text


def mapped(folder: Path, text: str) -> ClipMap:
    (folder / "clips.csv").write_text(text, encoding="utf-8")
    return read_clip_map(folder / "clips.csv")


def test_cells_name_clips_by_label_or_file(tmp_path: Path) -> None:
    found = mapped(
        tmp_path,
        "clip,file,prompt,model\nc1,a/one.wav,p1,base\nc2,b/one.wav,p1,tuned\nc3,b/two.WAV,p2,base\nc4,b/C#1.wav,p3,base\n",
    )
    for cell, prompt, model in (
        ("c1", "p1", "base"),
        ("C2", "p1", "tuned"),
        ("a/one.wav", "p1", "base"),
        ("https://x.org/s/b/one.mp3?raw=1", "p1", "tuned"),
        ("C:\\sounds\\b\\two.wav", "p2", "base"),
        ("two.flac", "p2", "base"),
        ("two", "p2", "base"),
        ("x/c3.ogg", "p2", "base"),
        ("b/C#1.wav", "p3", "base"),
    ):
        assert found.in_cell(cell) == Clip(prompt, model), cell
    for cell in ("one.wav", "c", "c11", "", "three.wav", "C#2.wav"):
        assert found.in_cell(cell) is None, cell


def test_questions_name_clips_as_a_word(tmp_path: Path) -> None:
    found = mapped(tmp_path, "clip,prompt,model\nc1,p1,base\nc1-b,p1,tuned\nc10,p2,base\njazz 1 (base),p3,base\n")
    for text, clip, rest in (
        ("Clip c1 [Harmony]", Clip("p1", "base"), "Clip [Harmony]"),
        ("c1-b: how is it?", Clip("p1", "tuned"), ": how is it?"),
        ("C10", Clip("p2", "base"), ""),
        ("Rate jazz 1 (base) now", Clip("p3", "base"), "Rate now"),
    ):
        assert found.in_question(text) == (clip, rest)
    for text in ("abc1", "c1x", "c100", "c1_1", ""):
        assert found.in_question(text) is None, text
    with pytest.raises(DataError, match="c1, c10"):
        found.in_question("Is c1 better than c10?")


def test_rows_of_one_clip_agree_but_for_the_scale(tmp_path: Path) -> None:
    found = mapped(
        tmp_path,
        "clip,question,prompt,model,scale,seed\nc1,Q1,p1,base,Harmony,0\nc1,Q2,p1,base,Rhythm,0\n,SC1,,,Overall,\nc9,,,,,\n",
    )
    assert found.in_cell("c1") == Clip("p1", "base", "", "", "0")
    assert found.in_question("q2") == (Clip("p1", "base", "", "Rhythm", "0"), "")
    assert (found.scale("sc1"), found.scale("SC2")) == ("Overall", "SC2")
    assert found.in_cell("c9") == Clip("", "")  # not compared


@pytest.mark.parametrize(
    "text",
    [
        "clip,prompt\nc1,p1\n",
        "prompt,model\np1,base\n",
        "clip,prompt,model\nc1,p1,base\nc1,p1,tuned\n",
        "clip,prompt,model\n,p1,base\n",
        "clip,prompt,model\nc1,,base\n",
        "clip,prompt,model,seed\nc1,p1,base,0\nC1,p1,base,1\n",
    ],
)
def test_maps_with_mistakes_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clips\.csv"):
        mapped(tmp_path, text)
    with pytest.raises(UsageError):
        read_clip_map(tmp_path / "none.csv")


names = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=12).filter(
    lambda text: not text.startswith("'")
)


@given(prompt=names, model=names, genre=names)
def test_what_is_written_is_read(prompt: str, model: str, genre: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    clip = BlindClip("c01", "clips/c01.flac", "x", "text", prompt, model, genre, "3")
    path = tmp_path_factory.mktemp("map") / "clips.csv"
    path.write_text(clip_map_text([clip], {"ovl": "Overall quality"}), encoding="utf-8")
    found = read_clip_map(path)
    assert found.in_cell("c01") == found.in_cell("https://x.org/c01.flac") == Clip(prompt, model, genre, "", "3")
    assert found.scale("OVL") == "Overall quality"
