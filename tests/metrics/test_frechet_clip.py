"""Per-clip FAD: the published form in SciPy, and runs against the shipped and other references."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg

import bench
from bench import Audio, DecodedClip, Prompt
from bench.contracts.reference import Reference
from bench.errors import Undefined, UsageError
from bench.leaderboard.render import read_cells
from bench.references.find import find_by_fingerprint
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import shown_scores
from bench.storage.store import Store
from metrics.frechet_clip import ClipFrechetAudioDistance

Array = npt.NDArray[np.float64]


def published(windows: Array, mean: Array, covariance: Array) -> float:
    """As fadtk and kadtk have it, with a matrix root, which SciPy finds inaccurate where there are few windows."""
    own = np.cov(windows, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        root = scipy.linalg.sqrtm(own @ covariance)
    step = windows.mean(axis=0) - mean
    return float(step @ step + np.trace(own) + np.trace(covariance) - 2 * np.trace(root).real)


def decoded(metric: ClipFrechetAudioDistance, vectors: Any, music: Reference) -> DecodedClip:
    audio = Audio(np.zeros((1, 800), dtype=np.float32), 8000)
    (ref,) = metric.embedders
    known = {ref.share_name: vectors}
    return DecodedClip(audio, Prompt("p", "words"), vectors=known, references=lambda *_: music)


@pytest.mark.parametrize(("windows", "dimension"), [(2, 6), (7, 6), (40, 6), (3, 40)])
def test_it_is_the_published_form(windows: int, dimension: int) -> None:
    rng = np.random.default_rng(windows)
    music = rng.normal(size=(200, dimension)) * np.linspace(1, 2, dimension)
    reference = Reference("music", "e", "f", 200, music.mean(axis=0), np.cov(music.T))
    vectors = rng.normal(0.4, 1.3, size=(windows, dimension)).astype(np.float32)
    metric = ClipFrechetAudioDistance()
    score = metric.score(decoded(metric, vectors, reference))
    expected = published(vectors.astype(np.float64), reference.mean, reference.covariance)
    assert score.value == pytest.approx(expected, rel=1e-5) and score.details == {"windows": windows}


def test_what_has_no_covariance_is_undefined() -> None:
    metric = ClipFrechetAudioDistance()
    reference = Reference("music", "e", "f", 200, np.zeros(4), np.eye(4))
    with pytest.raises(Undefined, match=r"\b1 window\b.*\b2$"):
        metric.score(decoded(metric, np.ones((1, 4), dtype=np.float32), reference))
    still = Reference("still", "e", "s", 200, np.zeros(4), np.zeros((4, 4)))
    with pytest.raises(Undefined, match="same embedding"):
        metric.score(decoded(metric, np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), still))


def test_a_run_against_the_shipped_reference(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "models": ["noise"],
        "metrics": ["fad-clip", "fad"],
        "duration": 6.5,
        "limit": 4,
        "executor": {"workers": 0},
    }
    folder = bench.run(settings, tmp_path / "run").folder
    with Store.read(folder) as store:
        (metric, _) = shown_metrics(store)
        scores = [score for score in shown_scores(store) if score.metric == "fad-clip@1"]
        (embedder,) = store.embedders(metric.view)
        vectors = store.embedded(embedder, metric.view)
        clip = next(clip for clip in store.made() if clip.id == scores[0].clip)
    ((_, music),) = find_by_fingerprint({metric.reference}, ["composer"]).values()
    own = vectors[clip.content]
    assert isinstance(own, np.ndarray) and len(own) == 2
    expected = published(own.astype(np.float64), music.mean, music.covariance)
    assert scores[0].value == pytest.approx(expected, rel=1e-5) and metric.reference_name == "composer"
    of_clips = next(cell for cell in read_cells(folder, None) if cell.column.ref == "fad-clip@1")
    assert [warning.code for warning in of_clips.estimate.warnings] == ["W-SYNTHETIC"]
    assert of_clips.estimate.low is not None and of_clips.estimate.n == 4


def test_a_reference_of_another_embedder_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    metrics = [{"name": "fad-clip", "params": {"embedder": "musicnn-mtt"}}]
    with pytest.raises(UsageError, match="musicnn-mtt"):
        bench.run({"models": ["noise"], "metrics": metrics, "duration": 1.0}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_audio_that_belongs_to_no_run_is_compared_too() -> None:
    rng = np.random.default_rng(1)
    audio = [Audio(rng.normal(0, 0.1, 16_000 * 7).astype(np.float32), 16_000)]
    (found,) = bench.score_audio(audio, ["fad-clip"])
    score = found.scores["fad-clip@1"]
    assert score.value is not None and score.value > 0 and score.details["windows"] == 2
    with pytest.raises(UsageError, match="'composr'"):
        bench.score_audio(audio, ["fad-clip"], reference="composr")
