"""An adapter learns what its base never heard, and leaves the base as it was."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")
pytest.importorskip("tinysoundfont")


@pytest.mark.parametrize("kind", ["stable-audio", "stable-audio-3"])
@pytest.mark.parametrize(
    "short",
    [
        pytest.param(True, marks=pytest.mark.slow(10), id="short"),
        pytest.param(False, marks=pytest.mark.learn, id="long"),
    ],
)
def test_lora_lowers_the_loss_on_a_new_genre_below_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: bool, kind: str
) -> None:
    """On a base that was trained from scratch on five other genres; the benchmark prints the figures of more seeds."""
    path = Path(__file__).parents[2] / "benchmarks" / "learning.py"
    spec = importlib.util.spec_from_file_location("learning", path)
    assert spec is not None and spec.loader is not None
    learning = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "learning", learning)
    spec.loader.exec_module(learning)
    monkeypatch.chdir(tmp_path)  # composed music is kept in the working folder

    taken, decrease = learning.lessons(tmp_path, seeds=3, short=short, kind=kind)
    assert decrease.low > 0, (decrease, taken)
    assert all(one.untouched for one in taken)
    random, trained = learning.base_losses(tmp_path)
    assert trained < 0.7 * random  # the base is no straw man: it has learnt its own genres
