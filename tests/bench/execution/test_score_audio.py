"""Audio outside a run gets the scores that it would get in one."""

from __future__ import annotations

import importlib
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench.config.run_config import MetricConfig
from bench.contracts.embedder import load_embedder
from bench.storage.store import Store


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five files of tones, each louder than the one before."""
    import soundfile

    folder = tmp_path_factory.mktemp("tones")
    files = [folder / f"{number}.wav" for number in range(5)]
    for number, file in enumerate(files):
        t = np.arange(8000 + 1000 * number) / 8000
        soundfile.write(file, (number + 1) / 8 * np.sin(2 * np.pi * 200 * t), 8000, subtype="FLOAT")
    return files


def _values(scored: list[bench.AudioScores], metric: str) -> list[float | None]:
    return [scores.scores[metric].value for scores in scored]


def test_clips_of_a_run_get_their_scores_again(tmp_path: Path, tiny: Path) -> None:
    names = [f"{tiny}:Peak", f"{tiny}:Frames", f"{tiny}:Loudest"]
    settings = {"suite": "quick@1", "duration": 1, "executor": {"workers": 0}, "models": [f"{tiny}:Sine"]}
    (tmp_path / "config.yaml").write_text(json.dumps({**settings, "metrics": names}))
    run = bench.run(tmp_path / "config.yaml", tmp_path / "run")
    with Store.read(run.folder) as store:
        clips, prompts = store.made(), store.prompts()
        rows = store.rows("SELECT clip, metric, value, reason FROM scores")
    expected = {(clip, metric): (value, reason) for clip, metric, value, reason in rows}
    files = [run.folder / clip.path for clip in clips]
    scored = list(bench.score_audio(files, names, [prompts[clip.prompt] for clip in clips]))
    found = {
        (clip.id, ref.partition("@")[0]): (score.value, score.reason)
        for clip, scores in zip(clips, scored, strict=True)
        for ref, score in scores.scores.items()
    }
    assert found == expected
    assert len(found) == 3 * len(clips)
    assert {reason for _, reason in found.values()} == {None, "jazz is not counted"}


def test_files_memory_and_callables_are_scored_alike(tones: list[Path], tiny: Path) -> None:
    names = [f"{tiny}:Peak", f"{tiny}:Frames"]
    of_files = list(bench.score_audio([str(file) for file in tones], names))
    in_memory = list(bench.score_audio([bench.read_audio(file) for file in tones], names))
    made = list(bench.score_audio([partial(bench.read_audio, file) for file in tones], names, workers=2))
    assert _values(of_files, "Frames@1") == [8000, 9000, 10000, 11000, 12000]
    for others in (in_memory, made):
        assert _values(others, "Frames@1") == _values(of_files, "Frames@1")
        # 24 bits of FLAC
        assert _values(others, "Peak@1") == pytest.approx(_values(of_files, "Peak@1"), abs=100 / 2**22)
    assert made == in_memory


def test_sets_of_clips_can_be_compared_by_the_vectors(tones: list[Path], tiny: Path) -> None:
    from bench.contracts.plugins import create, find
    from bench.contracts.set_metric import gather

    scored = list(bench.score_audio(tones, [f"{tiny}:Spread"]))
    metric: bench.SetMetric = create(find("metric", f"{tiny}:Spread"), {}, bench.SetMetric)
    embedder = load_embedder(metric.embedders[0])
    for scores, file in zip(scored, tones, strict=True):
        np.testing.assert_array_equal(scores.vectors["Spread@1"], embedder.embed(bench.read_audio(file)))
        assert scores.scores == scores.errors == {}
    clips = [(place, place, scores.vectors["Spread@1"]) for place, scores in enumerate(scored)]
    assert metric.evaluate(gather(clips, "bands"), None).n == 5


def test_what_cannot_be_scored_says_why_and_costs_only_itself(tones: list[Path], tiny: Path, tmp_path: Path) -> None:
    lost = tmp_path / "lost.wav"
    bad = MetricConfig(name=f"{tiny}:Spread", params={"bad": "undefined"})
    names: list[str | MetricConfig] = [f"{tiny}:Peak", MetricConfig(name=f"{tiny}:Fragile", params={"where": ""}), bad]
    first, second, third = bench.score_audio([tones[0], lost, partial(bench.read_audio, lost)], names)
    assert first.scores["Peak@1"].value == pytest.approx(12.5, abs=0.1)
    assert first.error is None
    assert list(first.errors.values()) == ["ZeroDivisionError: nothing to divide by", "this clip has no bands"]
    for scores in (second, third):
        assert scores == bench.AudioScores(error=f"{lost}: no such file")


def test_a_worker_that_dies_costs_one_piece_of_audio(tones: list[Path], tiny: Path) -> None:
    prompts = [bench.Prompt(name, "a tone") for name in ("a", "b", "rock", "d", "e")]
    deadly = MetricConfig(name=f"{tiny}:Fragile", params={"how": "abort"})
    scored = list(bench.score_audio(tones, [deadly], prompts, workers=2))
    assert [scores.error is None for scores in scored] == [True, True, False, True, True]
    assert [len(scores.scores) for scores in scored] == [1, 1, 0, 1, 1]


def test_a_metric_or_embedder_that_kills_its_worker_fails_alone(tones: list[Path], tiny: Path) -> None:
    prompts = [bench.Prompt(name, "a tone") for name in ("a", "b", "rock", "d", "e")]
    deadly = MetricConfig(name=f"{tiny}:Fragile", params={"how": "kill"})
    always = MetricConfig(name=f"{tiny}:Spread", params={"bad": "abort"})
    metrics: list[str | MetricConfig] = [f"{tiny}:Peak", deadly, always, f"{tiny}:Frames"]
    scored = list(bench.score_audio(tones, metrics, prompts, workers=2))
    assert _values(scored, "Frames@1") == [8000, 9000, 10000, 11000, 12000]
    assert len(_values(scored, "Peak@1")) == 5
    for scores, prompt in zip(scored, prompts, strict=True):
        assert scores.error is None and not scores.vectors
        assert len(scores.scores) == (2 if prompt.id == "rock" else 3)
        assert len(scores.errors) == (2 if prompt.id == "rock" else 1)


def test_a_metric_of_the_text_is_undefined_without_a_prompt(tones: list[Path], tmp_path: Path) -> None:
    plugin = tmp_path / "text.py"
    plugin.write_text(
        "import bench\n"
        "class Words(bench.ClipMetric):\n"
        "    def score(self, clip):\n"
        "        return bench.Score.of(len(clip.prompt.text.split()))\n"
    )
    name = f"{plugin}:Words"
    (without,) = bench.score_audio(tones[:1], [name], workers=1)
    assert (without.scores["Words@1"].value, without.errors) == (None, {})
    (given,) = bench.score_audio(tones[:1], [name], [bench.Prompt("a", "a slow sad piano")])
    assert given.scores["Words@1"].value == 4


@pytest.mark.parametrize("metrics", [["nothing"], ["kad", "kad"], [MetricConfig(name="kad", params={"x": 1})]])
def test_metrics_are_checked_before_anything_is_scored(metrics: list[str | MetricConfig]) -> None:
    with pytest.raises(bench.UsageError):
        bench.score_audio([], metrics)


def test_what_cannot_be_asked_is_refused(tones: list[Path], tiny: Path) -> None:
    names = [f"{tiny}:Peak"]
    for audio, metrics in ((str(tones[0]), names), (tones, names[0])):
        with pytest.raises(bench.UsageError):
            bench.score_audio(audio, metrics)
    with pytest.raises(bench.UsageError, match="workers=0"):
        bench.score_audio([lambda: tones[0]], names, workers=1)


def test_a_function_that_workers_cannot_import_says_so(
    tones: list[Path], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "of_the_user.py").write_text(
        f"from pathlib import Path\ndef made():\n    return Path({str(tones[0])!r})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = importlib.import_module("of_the_user").made
    refused, fine = bench.score_audio([made, tones[1]], [f"{tiny}:Frames"], workers=1)
    assert refused.error and "No module named 'of_the_user'" in refused.error
    assert fine.scores["Frames@1"].value == 9000
    (here,) = bench.score_audio([made], [f"{tiny}:Frames"])
    assert here.scores["Frames@1"].value == 8000


def test_callables_may_return_what_is_no_audio(tones: list[Path], tiny: Path) -> None:
    def lacking() -> Path:
        raise bench.MissingError("a synthesiser is not installed")

    silent = bench.Audio(np.zeros((1, 0), np.float32), 8000)
    sources: list[Any] = [lambda: 5, silent, lambda: tones[0]]
    number, empty, fine = bench.score_audio(sources, [f"{tiny}:Peak"])
    assert number.error and empty.error and not (number.scores or empty.scores)
    assert fine.scores["Peak@1"].value == pytest.approx(12.5, abs=0.1)
    with pytest.raises(bench.MissingError, match="synthesiser"):
        list(bench.score_audio([lacking], [f"{tiny}:Peak"]))


def test_prompts_are_one_for_each_piece_of_audio(tones: list[Path], tiny: Path) -> None:
    with pytest.raises(bench.UsageError):
        bench.score_audio(tones, [f"{tiny}:Peak"], [bench.Prompt("a", "a tone")])


def test_progress_counts_the_audio(tones: list[Path], tiny: Path) -> None:
    class Counted:
        def __init__(self) -> None:
            self.stages: list[list[object]] = []

        def begin(self, stage: str, total: int, done: int) -> None:
            self.stages.append([stage, total, done])

        def advance(self, count: int) -> None:
            self.stages[-1][2] += count  # type: ignore[operator]

        def note(self, message: str) -> None: ...

    counted = Counted()
    assert len(list(bench.score_audio(tones, [f"{tiny}:Peak"], progress=counted))) == 5
    assert counted.stages == [["scoring audio", 5, 5]]
