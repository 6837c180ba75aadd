"""What others wrote commands no terminal, whatever prints it, and JSON stays the same JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cli.streams import PrintableStream
from bench.leaderboard.latex import escaped
from bench.printable import printable, printable_line
from bench.progress import Lines
from bench.text_table import markdown_text, text_table

HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\x7f\b\u202egnp.\u2066exe"
COMMANDS = set(map(chr, [*range(32), 127, *range(128, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])) - set(
    "\t\n"
)

texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from([*sorted(COMMANDS), "\n"])))


@given(texts)
def test_nothing_commands_and_everything_else_stays(text: str) -> None:
    shown = printable(text)
    assert not COMMANDS & set(shown.replace("\r\n", "\n"))
    assert "\n" not in printable_line(text)
    if not COMMANDS & set(text):
        assert shown == text


@given(texts)
def test_json_means_the_same(text: str) -> None:
    written = json.dumps({"said": text}, ensure_ascii=False, indent=2)
    assert json.loads(printable(written)) == {"said": text}


@given(st.lists(texts))
def test_a_stream_counts_what_it_was_given(parts: list[str]) -> None:
    raw = io.BytesIO()
    stream = PrintableStream(raw, "utf-8", "replace", newline="")
    assert [stream.write(part) for part in parts] == [len(part) for part in parts]
    stream.flush()
    assert raw.getvalue().decode() == "".join(map(printable, parts))


def test_tables_and_pages_hold_no_commands() -> None:
    for made in (text_table(["a"], [[HOSTILE]]), markdown_text(HOSTILE), escaped(HOSTILE)):
        assert not COMMANDS & set(made)


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Lines().note(f"{HOSTILE}\nfailed: nothing")
    said = capsys.readouterr().err
    assert said.endswith(" failed: nothing\n")
    assert len(said.splitlines()) == 1
    assert not COMMANDS & set(said)


def test_file_names_and_labels_command_nothing(tunebench: Any, tmp_path: Path) -> None:
    ran = tunebench("run", f"{HOSTILE}\nforged.yaml", cwd=tmp_path)
    assert ran.returncode == 2
    assert len(ran.stderr.splitlines()) == 1
    assert not COMMANDS & set(ran.stderr)
    suite = {"name": "s", "version": 1, "prompts": [{"id": "-a", "text": f"={HOSTILE}"}]}
    (tmp_path / "s.yaml").write_text(json.dumps(suite))
    for style in ("table", "csv", "json"):
        ran = tunebench("list", "prompts", "s.yaml", "--format", style, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        assert not COMMANDS & set(ran.stdout)
        if style == "json":
            assert json.loads(ran.stdout)[0]["text"] == f"={HOSTILE}"
        if style == "csv":
            assert ran.stdout.splitlines()[1].startswith("-a,'=a")
