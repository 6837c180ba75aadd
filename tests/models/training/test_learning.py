"""An adapter learns what its base never heard, and leaves the base as it was."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("tinysoundfont")

KINDS = ("musicgen", "audioldm2", "ace-step", "stable-audio-3")  # beside Stable Audio


@pytest.fixture
def learning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The benchmark's module, in a folder of its own."""
    path = Path(__file__).parents[2] / "benchmarks" / "learning.py"
    spec = importlib.util.spec_from_file_location("learning", path)
    assert spec is not None and spec.loader is not None
    learning = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "learning", learning)
    spec.loader.exec_module(learning)
    monkeypatch.chdir(tmp_path)  # composed music is kept in the working folder
    return learning


@pytest.mark.parametrize(
    "short",
    [
        pytest.param(True, marks=pytest.mark.slow(10), id="short"),
        pytest.param(False, marks=pytest.mark.learn, id="long"),
    ],
)
def test_lora_lowers_the_loss_on_a_new_genre_below_the_base(tmp_path: Path, learning: Any, short: bool) -> None:
    """On a base that was trained from scratch on five other genres; the benchmark prints the figures of more seeds."""
    taken, decrease = learning.lessons(tmp_path, seeds=3, short=short)
    assert decrease.low > 0, (decrease, taken)
    assert all(one.untouched for one in taken)
    random, trained = learning.base_losses(tmp_path)
    assert trained < 0.7 * random  # the base is no straw man: it has learnt its own genres


@pytest.mark.slow(10)
@pytest.mark.parametrize("kind", KINDS)
def test_one_seed_of_each_kind_lowers_the_loss(tmp_path: Path, learning: Any, kind: str) -> None:
    (one,), _ = learning.lessons(tmp_path, seeds=1, short=True, kind=kind)
    random, trained = learning.base_losses(tmp_path)
    assert one.untouched and one.decrease > 0, one
    assert trained < learning.SHORT[kind].known * random


@pytest.mark.learn
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_lowers_the_loss_by_an_interval_that_leaves_out_zero(
    tmp_path: Path, learning: Any, kind: str
) -> None:
    taken, decrease = learning.lessons(tmp_path, kind=kind)
    random, trained = learning.base_losses(tmp_path)
    print(f"{kind}: {[round(one.decrease, 4) for one in taken]}, {decrease}; base {random:.3f} to {trained:.3f}")
    assert decrease.low > 0, (decrease, taken)
    assert all(one.untouched for one in taken)
    assert trained < learning.COURSES[kind].known * random
