from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.prompt import Prompt, PromptSuite
from bench.contracts.prompt_suite import load_suite
from bench.errors import DataError, UsageError

Refusal = Callable[[str | bytes], str]
HEAD = "name: mine\nversion: 2\nprompts:\n"
GOOD = "  - {id: a, text: A slow waltz, genre: classical, level: 1}\n"


@pytest.fixture
def refusal(tmp_path: Path) -> Refusal:
    """Load the given content, which must fail, and return the message after the file's name."""

    def load(content: str | bytes) -> str:
        path = tmp_path / "my.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError) as caught:
            load_suite(path)
        message = str(caught.value)
        assert "\n" not in message
        assert len(message) < len(str(path)) + 250
        assert message.startswith(f"{path}: ")
        return message.removeprefix(f"{path}: ")

    return load


def test_genre_and_level_are_optional(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(HEAD + "  - {id: a, text: A slow waltz}\n")
    assert load_suite(path).prompts == (Prompt("a", "A slow waltz", None, None),)


def test_loads_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    more = "  - {id: b, text: 'Bossa at 130 bpm in Bb major ', genre: jazz, level: 2, bpm: 130, key: Bb major}\n"
    path.write_text(HEAD + GOOD + more, encoding="utf-8-sig")
    assert load_suite(path) == PromptSuite(
        "mine",
        2,
        (
            Prompt("a", "A slow waltz", "classical", 1),
            Prompt("b", "Bossa at 130 bpm in Bb major", "jazz", 2, 130, "Bb major"),
        ),
    )


def test_lyrics_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(HEAD + "  - id: a\n    text: A slow waltz\n    lyrics: |\n      [verse]\n      Here we go\n")
    assert load_suite(path).prompts == (Prompt("a", "A slow waltz", lyrics="[verse]\nHere we go"),)


def test_empty_lyrics_are_refused(refusal: Refusal) -> None:
    assert "lyrics" in refusal(HEAD + "  - {id: a, text: A slow waltz, lyrics: ' '}\n")


def test_the_documented_example_loads(tmp_path: Path) -> None:
    import bench.contracts.prompt_suite

    example = bench.contracts.prompt_suite.__doc__.split("::\n\n")[1]
    path = tmp_path / "lullabies.yaml"
    path.write_text(re.sub(r"^    ", "", example, flags=re.MULTILINE))
    suite = load_suite(path)
    assert (suite.ref, [p.key for p in suite.prompts]) == ("lullabies@1", [None, "F major"])


def test_an_unknown_field_suggests_the_known_one(refusal: Refusal) -> None:
    entry = "  - {id: jazz-3, text: Cool jazz, genre: jazz, level: 3, tempo: 120}\n"
    third = HEAD + GOOD + GOOD.replace("id: a", "id: b") + entry
    assert all(value in refusal(third) for value in ("prompt 3", "'jazz-3'", "'tempo'", "'bpm'"))
    assert "did you mean 'level'" in refusal(HEAD + GOOD.replace("level", "levle"))
    assert "unknown field 'promts' (did you mean 'prompts'?)" in refusal("name: x\nversion: 1\npromts: []\n")
    assert "unknown field 7" in refusal(HEAD + GOOD.replace("}", ", 7: x}"))
    assert "unknown field True" in refusal(HEAD + GOOD.replace("}", ", yes: x}"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: 1", 'level: "two"', "prompt 1 ('a'): level is 'two'"),
        ("level: 1", "level: 1.5", "level is 1.5"),
        ("level: 1", "level: yes", "level is True"),
        ("level: 1", "level: 0", "prompt 1 ('a'): level is 0"),
        ("level: 1", "level: ~", "level is None"),
        ("id: a", "id: 7", "prompt 1: id is 7"),
        ("id: a", "id: a/b", "prompt 1 ('a/b'): prompt id 'a/b': use letters"),
        ("id: a,", "", "prompt 1: field 'id' is missing"),
        (", text: A slow waltz", "", "prompt 1 ('a'): field 'text' is missing"),
        ("genre: classical", "genre: no", "genre is False"),
        ("text: A slow waltz", "text: ' '", "prompt 1 ('a'): text "),
        ("text: A slow waltz", "text: [a, b]", "text is ['a', 'b']"),
        ("}", ", bpm: fast}", "bpm is 'fast'"),
        ("}", ", bpm: true}", "bpm is True"),
        ("}", ", bpm: .nan}", "bpm is nan"),
        ("}", ", bpm: -1}", "bpm is -1"),
        ("}", ", key: H-dur}", "prompt 1 ('a'): key is 'H-dur'"),
        ("}", ", level: 2}", "('level' "),
    ],
)
def test_mistakes_in_a_prompt(refusal: Refusal, old: str, new: str, message: str) -> None:
    assert message in refusal(HEAD + GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("- a\n- b\n", "name, version, prompts, not ['a', 'b']"),
        ("just text", "'just text'"),
        ("name: x\nversion: yes\nprompts: []", "version is True"),
        ("name: x\nversion: 0\nprompts: [1]", "version is 0"),
        ("name: no\nversion: 1\nprompts: []", "name is False"),
        ("name: a@b\nversion: 1\nprompts: [1]", "name is 'a@b'"),
        ("name: x\nversion: 1\nprompts: []", "empty list"),
        ("name: x\nversion: 1\nprompts: {a: b}", "prompts is {'a': 'b'}"),
        ("name: x\nversion: 1", "field 'prompts' is missing"),
        (HEAD + "  - just text\n", "prompt 1: "),
        (HEAD + GOOD + GOOD, "prompt 2 ('a'): prompt 1 "),
        ("name: x\nversion: [1\nprompts: 2\n", "line 3: "),
        ("name: x\n\tversion: 1\n", "line 2: "),
        ("name: !!python/object/apply:os.getcwd []\n", "line 1: "),
        ("name: 2026-13-45\n", "YAML (month must"),
        ("[" * 5000, "valid YAML"),
        ("? [a]\n: b\n", "line 1: "),
        (b"\xff\xfe\x00", "not UTF-8 text (byte 0)"),
        (b"name: \x00", "valid YAML"),
    ],
)
def test_mistakes_in_a_file(refusal: Refusal, content: Any, message: str) -> None:
    assert message in refusal(content)


def test_aliases_cannot_blow_up_the_message(refusal: Refusal) -> None:
    def nested(count: int) -> str:
        layers = [f"  - &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, count)]
        return "\n".join([f"{HEAD}  - &a0 [x, x, x, x, x, x, x, x, x]", *layers])

    assert "10,000,000" in refusal(nested(30))
    assert "prompt 1: " in refusal(nested(6))
    assert "name is [" in refusal(nested(6).replace("name: mine", "") + "\nname: *a5\n")
    assert "prompt 1: " in refusal("name: x\nversion: 1\nprompts: &p [*p]\n")


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.yaml"):
        load_suite(tmp_path / "gone.yaml")
    with pytest.raises(DataError) as refused:
        load_suite(tmp_path)
    assert str(tmp_path) in str(refused.value)


@given(st.text(alphabet="abc:-{}[]&*!|>'\"#%@`, \n\t0123", max_size=60))
def test_any_text_loads_or_is_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_text("name: x\nversion: 1\nprompts:\n  - " + text)
    with pytest.raises(DataError) as caught:  # no such text can hold the four required fields
        load_suite(path)
    assert "\n" not in str(caught.value)
