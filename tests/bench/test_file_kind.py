"""What a file is told to hold by its first bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.audio import read_audio
from bench.errors import DataError
from bench.file_kind import kind_of
from models.symbolic import read_notes

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4665a5ea423c\nsize 1058444\n"
NO_AUDIO = {
    "Git LFS pointer": POINTER,
    "web page": b"\n<!DOCTYPE html><html><body>Not found</body></html>",
    "text": b'{"error": "rate limit"}',
    "zero bytes": bytes(9000),
    "MIDI": b"MThd\0\0\0\6\0\1\0\1\1\xe0",
    "MusicXML": b'<?xml version="1.0"?><score-partwise version="4.0">',
    "ZIP": b"PK\3\4rest",
}


@pytest.mark.parametrize("held", NO_AUDIO)
def test_what_is_no_audio_is_named_with_what_to_do(tmp_path: Path, held: str) -> None:
    (tmp_path / "x.wav").write_bytes(NO_AUDIO[held])
    with pytest.raises(DataError) as caught:
        read_audio(tmp_path / "x.wav")
    assert held in str(caught.value) and kind_of(NO_AUDIO[held]).remedy in str(caught.value)


@pytest.mark.parametrize("ending", [".mid", ".musicxml", ".mxl"])
def test_a_pointer_in_place_of_a_score_is_named_too(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x{ending}"
    path.write_bytes(POINTER)
    with pytest.raises(DataError, match="lfs pull"):
        read_notes(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_of_some_kind(head: bytes) -> None:
    for start in (b"", b"ID3", b"RIFF", b"\xff"):
        assert isinstance(kind_of(start + head).name, str)
