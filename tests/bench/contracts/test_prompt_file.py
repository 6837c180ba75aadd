"""Files of prompts in the layouts that others publish, with texts of our own."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench
from bench.contracts.prompt import Prompt, PromptSuite
from bench.contracts.prompt_file import SuiteFile
from bench.contracts.prompt_id import original_id, safe_id
from bench.errors import DataError, TunebenchError, UsageError

DESCRIBER = "caption_id,track_id,caption,is_valid_subset,familiarity,artist_id,album_id,path,duration"
MUSICCAPS = (
    "ytid,start_s,end_s,audioset_positive_labels,aspect_list,caption,author_id,is_balanced_subset,is_audioset_eval"
)
SLOW = {"id": "a", "text": "A slow waltz"}
FAST = {"id": "b", "text": "A fast reel"}


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., PromptSuite]:
    """Write a file and load it."""

    def load(name: str, content: str | bytes, **settings: Any) -> PromptSuite:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return bench.load_suite({"file": str(path), **settings} if settings else str(path))

    return load


Load = Callable[..., PromptSuite]


def ids(suite: PromptSuite) -> list[str]:
    return [prompt.id for prompt in suite.prompts]


def texts(suite: PromptSuite) -> list[str]:
    return [prompt.text for prompt in suite.prompts]


def test_song_describer(loaded: Load) -> None:
    rows = [
        '859,1004034,"Drums, and a bass",True,0,368880,118196,34/1004034.mp3,202.5',
        "810,1009671,An upbeat rock tune,,2,7063,118858,71/1009671.mp3,160.1",
        "9,1009671,A humming riff,False,2,7063,118858,71/1009671.mp3,160.1",
    ]
    content = "\n".join([DESCRIBER, *rows])
    assert loaded("sdd.csv", content).prompts[0] == Prompt("859", "Drums, and a bass")
    assert ids(loaded("sdd.csv", content, where={"is_valid_subset": True})) == ["859"]
    assert ids(loaded("sdd.csv", content, where={"is_valid_subset": [True, None]})) == ["859", "810"]
    assert ids(loaded("sdd.csv", content, where={"caption_id": [9, 810]})) == ["810", "9"]
    assert ids(loaded("sdd.csv", content, where={"duration": 160.1}, limit=1)) == ["810"]
    with pytest.raises(DataError, match=r"is_valid_subset .*True, , False"):
        loaded("sdd.csv", content, where={"is_valid_subset": "maybe"})


def test_lyrics_are_a_column_and_change_no_other_suite(loaded: Load) -> None:
    sung = loaded("songs.csv", 'id,text,lyrics\na,A slow waltz,"[verse]\nHere we go"\nb,A fast reel,\n')
    assert [prompt.lyrics for prompt in sung.prompts] == ["[verse]\nHere we go", None]
    other = "tags,words\nA slow waltz,la la\n"
    named = loaded("songs.csv", other, text="tags", lyrics="words")
    assert named.prompts[0].lyrics == "la la"
    assert named.name != loaded("songs.csv", other, text="tags").name
    assert loaded("captions.csv", "caption\na slow waltz\na fast polka\n").name == "captions-f5ea14be"


def test_musiccaps_with_windows_line_ends(loaded: Load) -> None:
    rows = [
        """-0Gj8-vB1q4,30,40,"/m/0140xf,/m/02cjck","['low', 'sad']","A harp
plays ""slowly"".",4,False,True""",
        """_3JUFQzfk6w,30,40,/m/04rlf,"['fast']",A banjo reel.,4,False,True""",
    ]
    content = "\ufeff" + "\r\n".join([MUSICCAPS, *rows]) + "\r\n"
    suite = loaded("musiccaps-public.csv", content)
    assert ids(suite) == ["-0Gj8-vB1q4", "_3JUFQzfk6w"]
    assert suite.prompts[0].text == 'A harp\nplays "slowly".'
    assert re.fullmatch(r"musiccaps-public-[0-9a-f]{8}@1", suite.ref)
    assert loaded("x.csv", content, genre="aspect_list").prompts[0].genre == "low, sad"


def test_musicbench_is_json_lines_called_json(loaded: Load) -> None:
    rows = [
        {
            "location": f"data/{name}.wav",
            "main_caption": f"A tune, number {name}",
            "alt_caption": "A tune",
            "bpm": 120.0,
        }
        for name in ("1", "2")
    ]
    content = "\n".join(map(json.dumps, rows))
    assert loaded("MusicBench_test_B.json", content).prompts == (
        Prompt("p1", "A tune, number 1"),
        Prompt("p2", "A tune, number 2"),
    )
    named = loaded("MusicBench_test_B.json", content, id="location", bpm="bpm")
    assert named.prompts[1] == Prompt("data_x002F_2.wav", "A tune, number 2", bpm=120)
    with pytest.raises(DataError, match=r"line 2 .*line 1"):
        loaded("MusicBench_test_B.json", content, text="alt_caption")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", f"{json.dumps(SLOW)}\n\n{json.dumps(FAST)}\n"),
        ("x.json", json.dumps([SLOW, FAST])),
        ("x.json", json.dumps({"about": "two", "prompts": [SLOW, FAST]})),
        ("x.json", json.dumps({"a": "A slow waltz", "b": "A fast reel"})),
        ("x.csv", "text;id\nA slow waltz;a\nA fast reel;b\n"),
        ("x.tsv", "id\ttext\na\tA slow waltz\nb\tA fast reel\n"),
        ("x.csv", "id,text\na,A slow waltz\nb,A fast reel\n".encode("utf-16")),
        ("x.CSV.gz", gzip.compress(b"id,text\r\na,A slow waltz\r\n\r\nb,A fast reel\r\n", mtime=0)),
    ],
)
def test_layouts_of_the_same_prompts(loaded: Load, name: str, content: str | bytes) -> None:
    assert loaded(name, content).prompts == (Prompt("a", "A slow waltz"), Prompt("b", "A fast reel"))


def test_a_prompt_a_line(loaded: Load) -> None:
    suite = loaded("mine.txt", "A slow waltz\n\n  Caf\u00e9 jazz \r\n")
    assert suite.prompts == (Prompt("p1", "A slow waltz"), Prompt("p2", "Caf\u00e9 jazz"))


def test_parquet_reads_the_columns_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    sound = pa.array([b"0" * 1000, b"1" * 1000])
    table = {"caption_id": [7, 8], "caption": ["A slow waltz", "A fast reel"], "ok": [True, None], "audio": sound}
    pq.write_table(pa.table(table), path)
    suite = bench.load_suite({"file": str(path), "where": {"ok": True}})
    assert suite.prompts == (Prompt("7", "A slow waltz"),)
    whole = path.read_bytes()
    assert suite.file_hash == hashlib.sha256(whole).hexdigest()
    for damaged in (whole[:-20], whole[:4] + bytes(len(whole) // 3) + whole[4 + len(whole) // 3 :]):  # end, or pages
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="Parquet"):
            bench.load_suite(str(path))


def test_our_own_listing_is_read_back(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from bench.cli import app

    path = tmp_path / "quick.csv"
    assert CliRunner().invoke(app, ["list", "prompts", "quick@1", "-o", str(path)]).exit_code == 0
    assert bench.load_suite(str(path)).prompts == bench.load_suite("quick@1").prompts


def test_what_is_read_names_the_suite(loaded: Load) -> None:
    content = "id,text,set\na,A slow waltz,1\nb,A fast reel,1\n"
    whole = loaded("x.csv", content)
    assert whole.file_hash == hashlib.sha256(content.encode()).hexdigest()
    assert loaded("x.csv.gz", gzip.compress(content.encode())).file_hash == whole.file_hash
    refs = {
        whole.ref,
        loaded("x.csv", content + "\n").ref,
        loaded("x.csv", content, limit=1).ref,
        loaded("x.csv", content, where={"set": 1}).ref,
    }
    assert len(refs) == 4
    assert loaded("x.csv", content, text="text").ref.startswith("x-")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text\na\n", "line 2 .*1 .*2"),
        ("id,text\na,b,c\n", "line 2 .*3 .*2"),
        ('id,text\na,"b\n', "line 2: .*CSV"),
        ("id,text\na,  \n", "line 2: text "),
        ("id,text\n,x\n", "line 2: id "),
        (f"id,text\n{'é' * 15},x\n", "line 2: id .*100"),
        ("id,text\na,x\nb,x\n", "line 3 .*text .*line 2"),
        ("id,text\na,x\na,y\n", "line 3 .*id 'a'.*line 2"),
        ("id,text,level\na,x,2.5\n", "line 2: level .*'2.5'"),
        ("id,text,bpm\na,x,fast\n", "line 2: bpm .*'fast'"),
        ("id,text,bpm\na,x,900\n", "line 2: bpm .*900.0"),
        ("id,text,key\na,x,H\n", "line 2: key .*'H'"),
        ("id,text,text\na,x,y\n", "columns .*'text'"),
        ("id,text\n", "no prompts"),
        ("", "is empty"),
        (b"id,text\na,caf\xe9\n", "UTF-8"),
        (b"id,text\na,x\x00\n", "zero bytes"),
    ],
)
def test_mistakes_are_named_with_their_place(loaded: Load, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        loaded("x.csv", content)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "said", "message"),
    [
        ("x.csv", "name,prose\na,b\n", {}, "text=COLUMN"),
        ("x.csv", "prompt,caption\na,b\n", {}, "prompt .*caption"),
        ("x.csv", "caption_id,ytid,caption\na,b,c\n", {}, "caption_id and ytid"),
        ("x.csv", "id,text\na,b\n", {"text": "txt"}, "'txt' .*'text'"),
        ("x.csv", "id,text\na,b\n", {"where": {"set": 1}}, "where: .*'set'"),
        ("x.csv", "id,text\na,b\n", {"txt": "text"}, "'txt'"),
        ("x.csv", "id,text\na,b\n", {"encoding": "utf-99"}, "'utf-99'"),
        ("x.xlsx", "id,text\na,b\n", {"text": "text"}, "x.xlsx"),
        ("x.csv.gz", "id,text\na,b\n", {}, "gzip"),
        ("x.csv.gz", gzip.compress(b"id,text\na,b\n" * 99, mtime=0)[:40], {}, "gzip"),
        ("x.json", "[1]", {}, "item 1 "),
        ("x.json", '{"a": 1}', {}, "a list"),
        ("x.json", "[", {}, "line 1: .*JSON"),
        ("x.jsonl", '{"id": "a"\n', {}, "line 1: .*JSON"),
        ("x.jsonl", '{"text": 7}\n', {}, "line 1: text .*7"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_line(
    loaded: Load, name: str, content: str | bytes, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(TunebenchError, match=message) as raised:
        loaded(name, content, **said)
    assert "\n" not in str(raised.value)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.csv"):
        bench.load_suite(str(tmp_path / "gone.csv"))
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv"):
        bench.load_suite(str(tmp_path / "folder.csv"))


def test_a_file_has_no_version(loaded: Load, tmp_path: Path) -> None:
    loaded("x.csv", "id,text\na,b\n")
    with pytest.raises(UsageError, match=r"x\.csv@1"):
        bench.load_suite(f"{tmp_path / 'x.csv'}@1")


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ({"file": "x.csv", "where": "x"}, "suite.where: input should be a valid dict"),
        ({"file": "x.csv", "limit": 0}, "suite.limit: input should be greater"),
        ({"file": "x.csv", "txt": "y"}, "unknown setting 'suite.txt'"),
        ({"text": "y"}, "suite.file: field required"),
        (7, "suite: input should be a valid string"),
    ],
)
def test_mistakes_in_a_configuration_name_the_setting(suite: object, message: str) -> None:
    from bench.config.run_config import parse_config

    with pytest.raises(UsageError, match=re.escape(message)):
        parse_config({"suite": suite})


def test_rows_are_skipped_numbered_or_kept_as_declared(loaded: Load) -> None:
    content = "id,text\na,x\na,y\na-2,z\na,w\nb, \nc,x\n"
    suite = loaded("x.csv", content, repeated_ids="number", repeated_texts="first", empty="skip")
    assert list(zip(ids(suite), texts(suite), strict=True)) == [("a", "x"), ("a-3", "y"), ("a-2", "z"), ("a-4", "w")]


def test_another_encoding_is_declared(loaded: Load) -> None:
    suite = loaded("x.csv", "id,text\na,Caf\u00e9 jazz\n".encode("cp1252"), encoding="windows-1252")
    assert texts(suite) == ["Caf\u00e9 jazz"]


@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_ids_become_safe_and_come_back(id: str) -> None:
    safe = safe_id(id)
    assert re.fullmatch(r"([A-Za-z0-9_-][A-Za-z0-9._-]*)?", safe)
    assert original_id(safe) == id


@given(st.lists(st.text(alphabet="_x0025F/é.-a", max_size=9), max_size=8, unique=True))
def test_no_two_ids_are_written_alike(given_ids: list[str]) -> None:
    assert len({safe_id(id) for id in given_ids}) == len(given_ids)


@settings(max_examples=30)
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), min_size=1), min_size=1, unique=True)
)
def test_any_texts_in_quotes_are_read_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, given_texts: list[str]
) -> None:
    wanted = list(dict.fromkeys(filter(None, (text.strip() for text in given_texts))))
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerows([("id", "text"), *((f"n{place}", text) for place, text in enumerate(given_texts))])
    path = tmp_path_factory.getbasetemp() / "texts.csv"
    path.write_bytes(buffer.getvalue().encode())
    read = SuiteFile(file=str(path), empty="skip", repeated_texts="first")
    if wanted:
        assert texts(bench.load_suite(read)) == wanted
