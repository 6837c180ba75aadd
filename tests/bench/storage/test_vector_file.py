"""Vectors that workers read from a file: what was written, in any order, and nothing left behind."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts.embedder import Vectors
from bench.errors import DataError
from bench.storage.vector_file import PATTERN, Rows, read_vectors, written


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
def test_any_clips_in_any_order_are_read_as_they_were_written(sizes: list[int], data: st.DataObject) -> None:
    rng = np.random.default_rng(len(sizes))
    vectors: dict[str, Vectors | str] = {str(k): rng.normal(size=(n, 3)).astype("f4") for k, n in enumerate(sizes)}
    clips = [("none", "silent"), *vectors.items()]
    asked = data.draw(st.lists(st.sampled_from(sorted(vectors)), min_size=1, max_size=10))
    with TemporaryDirectory() as folder, written(Path(folder) / PATTERN.replace("*", "e"), clips) as file:
        assert file.rows["none"] == "silent"
        rows = [found for name in asked if isinstance(found := file.rows[name], Rows)]
        read = read_vectors(file.path, rows)
        np.testing.assert_array_equal(read, np.concatenate([np.asarray(vectors[name]) for name in asked]))
    assert not file.path.exists()


def test_clips_that_lie_side_by_side_are_not_copied(tmp_path: Path) -> None:
    clips = [(str(k), np.full((2, 3), k, dtype=np.float32)) for k in range(4)]
    with written(tmp_path / "vectors-a.part", clips) as file:
        rows = [found for name in ("1", "2") if isinstance(found := file.rows[name], Rows)]
        assert not read_vectors(file.path, rows).flags.owndata
        assert not read_vectors(file.path, rows).flags.writeable


def test_other_dimensions_are_no_set(tmp_path: Path) -> None:
    clips = [("a", np.zeros((2, 3), dtype=np.float32)), ("b", np.zeros((2, 4), dtype=np.float32))]
    with written(tmp_path / "vectors-a.part", clips) as file:
        rows = [found for found in file.rows.values() if isinstance(found, Rows)]
        with pytest.raises(DataError):
            read_vectors(file.path, rows)
        assert read_vectors(file.path, rows[1:]).shape == (2, 4)


def test_what_goes_wrong_meanwhile_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), written(tmp_path / "vectors-a.part", []):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
