"""Parquet that is damaged anywhere, or whose text is no text, is refused by everything that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bench
from bench.errors import DataError
from bench.pipeline.import_scores import _parquet
from bench.survey.forms.table_file import read_table

READERS: dict[str, Callable[[Path], object]] = {
    "prompts": lambda path: bench.load_suite(str(path)),
    "ratings": read_table,
    "scores": lambda path: list(_parquet(path)),
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "text that is not UTF-8": lambda whole: whole,
    "cut off": lambda whole: whole[:-20],
    "zeros in a page": lambda whole: whole[:4] + bytes(120) + whole[124:],
    "empty": lambda whole: whole[:0],
    "footer too long": lambda whole: whole[:-8] + b"\xff\xff\xff\x7fPAR1",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("reader", READERS)
def test_damaged_parquet_is_refused(reader: str, damage: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    text = pa.array([b"A slow waltz", b"\xff\xfe"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"id": ["a", "b"], "text": text}), path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DataError, match=r"x\.parquet"):
        READERS[reader](path)
