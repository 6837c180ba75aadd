"""Two rows of one model class whose difference lies in where their files are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from bench.pipeline.run import run
from bench.storage.store import Store


def test_two_folders_in_one_worker_are_two_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        soundfile.write(tmp_path / name / "jazz-2.wav", rng.normal(0, 0.1, 4000), 8000)
    suite = tmp_path / "suite.yaml"
    suite.write_text("{name: one, version: 1, prompts: [{id: jazz-2, text: jazz, genre: jazz, level: 2}]}")
    rows = [{"name": "folder", "as": name, "params": {"path": str(tmp_path / name)}} for name in ("mine", "theirs")]
    settings = {"suite": str(suite), "models": rows, "metrics": [], "duration": 0.5, "executor": {"workers": 0}}
    run(settings, tmp_path / "run")
    with Store.read(tmp_path / "run") as store:
        assert len({clip.content for clip in store.made()}) == 2
