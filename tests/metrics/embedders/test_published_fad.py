"""The one published FAD whose weights, clips, statistics and scores can all be fetched: fadtk's, of CDPAM.

``make published-fad`` fetches two wheels as data and runs this. Of each clip and of the set, fadtk's own test allows a
difference of 5 % of the mean score; ours are nearer.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.contracts.audio import read_audio
from bench.contracts.embedder import EmbedderRef
from bench.planning.metric_plan import plan_embedder
from bench.references.find import find_reference
from bench.references.load import load_reference
from metrics.embedders.cdpam import CDPAM, PUBLISHED
from metrics.frechet import FrechetAudioDistance, gaussian_distance, per_clip_distances
from metrics.gaussian import Gaussian

pytestmark = pytest.mark.learn

FOLDER = Path(__file__).parents[3] / ".published"
WEIGHTS = FOLDER / "cdpam" / "CDPAM_trained" / PUBLISHED
TOLERANCE = 0.05
"""Of the mean score, as ``fadtk.test`` has it."""


class Remembered:
    """A network that looks at each window once: both halves of its features come from one pass."""

    def __init__(self, network: Any) -> None:
        self._network, self._known = network, dict[str, Any]()

    def __call__(self, windows: Any) -> Any:
        key = hashlib.sha256(windows.numpy().tobytes()).hexdigest()
        if key not in self._known:
            self._known[key] = self._network(windows)
        return self._known[key]


@pytest.fixture(scope="module")
def network() -> Remembered:
    pytest.importorskip("torch")
    if not (FOLDER / "fetched").exists():
        pytest.fail("the published data is not here; run: make published-fad")
    return Remembered(CDPAM(str(WEIGHTS))._network)


@pytest.mark.parametrize("mode", ["acoustic", "content"])
def test_fad_of_the_set_and_of_every_clip_is_the_one_that_fadtk_publishes(
    mode: str, network: Remembered, tmp_path: Path
) -> None:
    file = tmp_path / "fma-pop.safetensors"
    asked = ["--embedder", "cdpam", "--param", f"checkpoint={WEIGHTS}", "--param", f"mode={mode}"]
    source = FOLDER / "fadtk" / "stats" / "fma_pop.npz"
    said = ["--model", f"cdpam-{mode}", "--front-end", "fadtk", "--out", str(file)]
    done = CliRunner().invoke(app, ["reference", "import", str(source), *asked, *said])
    assert done.exit_code == 0, done.output

    params = {"checkpoint": str(WEIGHTS), "mode": mode, "front_end": "fadtk"}
    found_there = find_reference(str(file), plan_embedder(EmbedderRef("cdpam", params)))
    gaussian = FrechetAudioDistance("cdpam", params).gaussian(load_reference(found_there.path))
    embedder = CDPAM(**params)  # type: ignore[arg-type]
    embedder.__dict__["_network"] = network
    clips = sorted((FOLDER / "fadtk" / "test" / "samples").glob("*.opus"))
    vectors = [embedder.embed(read_audio(clip)) for clip in clips]
    assert [each.shape for each in vectors] == [(10, 512)] * 23

    found = {clip.stem: d for clip, d in zip(clips, per_clip_distances(vectors, gaussian), strict=True)}
    found["all"] = gaussian_distance(Gaussian.of_windows(np.concatenate(vectors)), gaussian)
    with (FOLDER / "fadtk" / "test" / "samples_FAD_scores.csv").open() as table:
        rows = {row["song_id"].rpartition("/")[2]: row for row in csv.DictReader(table)}
    assert rows.keys() == found.keys()
    published = {name: float(row[f"FAD_cdpam_{mode}_fma_pop"]) for name, row in rows.items()}

    off = {name: abs(found[name] / published[name] - 1) for name in found}
    of_clips = [share for name, share in off.items() if name != "all"]
    print(f"{mode}: set {off['all']:.4%}, clips {np.mean(of_clips):.4%} on average, at most {max(of_clips):.4%}")
    mean = np.mean(list(published.values()))
    assert max(abs(found[name] - published[name]) for name in found) < TOLERANCE * mean
    assert max(off.values()) < 0.001  # what is left is the rounding of samples and vectors to 16 bits
