"""Base models, their LoRA-tuned versions and the composer on one leaderboard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

import bench
from bench import GenerationRequest, MusicModel
from bench.contracts.plugins import create, find
from bench.contracts.prompt_suite import load_suite_named
from bench.storage.store import Store

pytest.importorskip("torch")
pytest.importorskip("diffusers")

KINDS = ("stable-audio", "audioldm")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny checkpoints of both kinds, and an adapter for each."""
    from models import tiny

    folder = tmp_path_factory.mktemp("checkpoints")
    for kind in KINDS:
        tiny.make(kind, folder / kind)
        tiny.make_adapter(kind, folder / kind, folder / f"{kind}-lora")
    return folder


@pytest.fixture(scope="module")
def three_prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite that takes little time."""
    path = tmp_path_factory.mktemp("suite") / "three.yaml"
    texts = {"a": "a slow jazz ballad", "b": "loud rock", "c": "a choir"}
    prompts = [{"id": id, "text": text, "genre": "any", "level": 1} for id, text in texts.items()]
    path.write_text(yaml.safe_dump({"name": "three", "version": 1, "prompts": prompts}))
    return path


def _params(checkpoints: Path, kind: str, tuned: bool = False) -> dict[str, object]:
    adapter = {"adapter": str(checkpoints / f"{kind}-lora")} if tuned else {}
    return {"checkpoint": str(checkpoints / kind), "steps": 3, "device": "cpu", **adapter}


def _contents(folder: Path) -> dict[tuple[str, str, int], str]:
    with Store.read(folder) as store:
        rows = store.rows("SELECT model, prompt, seed, content FROM clips")
    return {(model, prompt, seed): content for model, prompt, seed, content in rows}


@pytest.mark.slow(8)
def test_one_leaderboard_of_base_tuned_and_composer(checkpoints: Path, tmp_path: Path) -> None:
    models: list[object] = ["composer"]
    for kind in KINDS:
        models.append({"name": kind, "as": kind, "params": _params(checkpoints, kind)})
        models.append({"name": f"{kind}-lora", "as": f"{kind}-jazz", "params": _params(checkpoints, kind, True)})
    config = {
        "suite": "quick@1",
        "models": models,
        "metrics": ["melodic-complexity", "kad"],
        "duration": 2.0,
        "executor": {"workers": 0},
    }
    run = bench.run(config, tmp_path / "out")
    assert run.failures() == []
    table = run.leaderboard().to_dict("records")
    rows = {(row["model"], row["metric"].partition("@")[0]): row for row in table}
    for label in ("composer", "stable-audio", "stable-audio-jazz", "audioldm", "audioldm-jazz"):
        assert (rows[label, "kad"]["n"], rows[label, "kad"]["planned"]) == (12, 12)
        assert rows[label, "melodic-complexity"]["planned"] == 12
    # What random weights play is no music, and the composer's music is near to the composer's.
    assert all(rows[kind, "kad"]["low"] > rows["composer", "kad"]["high"] for kind in KINDS)
    contents = _contents(tmp_path / "out")
    assert len(contents) == len(set(contents.values())) == 60


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_base_is_the_same_whether_or_not_the_tuned_one_ran_before(
    kind: str, checkpoints: Path, three_prompts: Path, tmp_path: Path
) -> None:
    """In one process, and the tuned model's clips are others."""
    base = {"name": kind, "as": "base", "params": _params(checkpoints, kind)}
    tuned = {"name": kind, "as": "tuned", "params": _params(checkpoints, kind, True)}
    common = {"suite": str(three_prompts), "metrics": [], "duration": 0.5, "executor": {"workers": 0}}
    alone = _contents(bench.run({"models": [base], **common}, tmp_path / "alone").folder)
    after = _contents(bench.run({"models": [tuned, base], **common}, tmp_path / "after").folder)
    assert len(alone) == 3
    assert {clip: content for clip, content in after.items() if clip[0] == "base"} == alone
    assert not set(alone.values()) & {content for clip, content in after.items() if clip[0] == "tuned"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_base_is_the_same_while_the_tuned_one_is_loaded(kind: str, checkpoints: Path) -> None:
    """Nothing that both use, such as a cached pipeline, is changed by the adapter."""
    prompts = load_suite_named("quick@1").prompts[:2]
    requests = [GenerationRequest(prompt, 0, 0.5) for prompt in prompts]
    base, tuned, other = (
        create(find("model", kind), _params(checkpoints, kind, tuned), MusicModel) for tuned in (False, True, False)
    )
    before = base.generate(requests)
    changed = tuned.generate(requests)
    for clips in (base.generate(requests), other.generate(requests)):
        assert all(np.array_equal(a.samples, b.samples) for a, b in zip(before, clips, strict=True))
    assert not any(np.array_equal(a.samples, b.samples) for a, b in zip(before, changed, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_sweep_of_the_scale_begins_at_the_base(
    kind: str, checkpoints: Path, three_prompts: Path, tmp_path: Path
) -> None:
    base = {"name": kind, "as": "base", "params": _params(checkpoints, kind)}
    swept = {"name": kind, "as": "lora", "params": _params(checkpoints, kind, True)}
    config = {
        "suite": str(three_prompts),
        "models": [base, {**swept, "sweep": {"adapter_scale": [0, 0.25, 0.5, 0.75, 1]}}],
        "metrics": [],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    contents = _contents(bench.run(config, tmp_path / "out").folder)
    rows: dict[str, list[str]] = {}
    for (model, _, _), content in sorted(contents.items()):
        rows.setdefault(model, []).append(content)
    scales = [f"lora[adapter_scale={scale}]" for scale in ("0", "0.25", "0.5", "0.75", "1")]
    assert rows.keys() == {"base", *scales}
    assert rows[scales[0]] == rows["base"]
    others = [content for scale in scales for content in rows[scale]]
    assert len(set(others)) == 15
