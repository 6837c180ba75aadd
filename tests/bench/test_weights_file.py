"""Files of weights that are damaged, are something else, or have no end: each is named, and none is waited for."""

from __future__ import annotations

import io
import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from bench.errors import DataError, MissingError
from bench.weights_file import check_file, check_weights, load_weights, read_object

WHOLE = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, dtype=np.float16)})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def torch_file(content: object, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


def header(**changes: object) -> bytes:
    entries: dict[str, object] = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    text = json.dumps(entries | changes).encode()
    return struct.pack("<Q", len(text)) + text + bytes(24)


SAFETENSORS = {
    "empty": b"",
    "zeros": bytes(4096),
    "cut": WHOLE[:-1],
    "cut in the header": WHOLE[:20],
    "more behind it": WHOLE + b"more",
    "header longer than the file": struct.pack("<Q", 2**40) + WHOLE[8:],
    "header of 2^64 - 1 bytes": b"\xff" * 8 + WHOLE[8:],
    "header is not JSON": struct.pack("<Q", 8) + b"{not js}" + bytes(8),
    "header is a list": struct.pack("<Q", 8) + b"[1, 2  ]" + bytes(8),
    "tensor beyond the end": header(a={"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]}),
    "tensors that overlap": header(b={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}),
    "another type": header(a={"dtype": "F64", "shape": [2, 3], "data_offsets": [0, 24]}),
    "no such type": header(a={"dtype": "F33", "shape": [2, 3], "data_offsets": [0, 24]}),
    "a negative size": header(a={"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}),
    "a size of 2^62": header(a={"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 24]}),
    "a pointer": POINTER,
    "a page": b"<!DOCTYPE html>\n<html><body>Sign in</body></html>",
    "a page of XML": b'\n<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "a pickle": torch_file({"a": torch.zeros(2)}),
}


@pytest.mark.parametrize("kind", SAFETENSORS)
def test_damaged_safetensors_are_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(SAFETENSORS[kind])
    for read in (check_weights, load_weights):
        with pytest.raises(DataError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("old", [True, False])
def test_damaged_pickles_are_named_and_never_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = torch_file({"a": torch.arange(3.0)}, old)
    broken = {
        "cut": whole[: len(whole) // 2],
        "head": whole[:4],
        "empty": b"",
        "zeros": bytes(1000),
        "page": b"<html>",
        "pointer": POINTER,
        "words": b"no weights",
        "code": torch_file({"a": Malice()}, old),
        "flipped": bytes(byte ^ 0x55 for byte in whole[:60]) + whole[60:],
    }
    for ending in (".pt", ".bin", ".ckpt"):
        path = tmp_path / f"model{ending}"
        path.write_bytes(whole)
        check_weights(path)
        loaded, texts = load_weights(path)
        assert loaded["a"].tolist() == [0, 1, 2]
        assert texts == {}
        for content in broken.values():
            path.write_bytes(content)
            with pytest.raises(DataError) as caught:
                load_weights(path)
            assert str(path) in str(caught.value)
    assert not (tmp_path / "executed").exists()


def no_end(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(path.parent)  # the names of sockets are short
        server.bind(path.name)


ENDLESS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": no_end,
    "socket": listening,
    "folder": Path.mkdir,
    "loop": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("name", ["model.safetensors", "model.ckpt", "config.json", "merges.txt"])
def test_what_is_no_file_is_named_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ENDLESS[kind](tmp_path / name)
    with pytest.raises(DataError) as caught:
        check_file(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_whole_files_are_read_and_missing_ones_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(MissingError):
        load_weights(path)
    path.write_bytes(WHOLE)
    tensors, _ = load_weights(path)
    assert tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b"].dtype == torch.float16


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '{"rate": NaN}', '{"a": ' * 100_000, "\ufeff{", "\xff", POINTER.decode()]
)
def test_texts_that_are_no_configuration_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="latin-1" if text == "\xff" else "utf-8")
    with pytest.raises(DataError) as caught:
        read_object(path)
    assert str(path) in str(caught.value)
    path.write_text('{"limit": [0, Infinity]}')
    assert read_object(path) == {"limit": [0, float("inf")]}
