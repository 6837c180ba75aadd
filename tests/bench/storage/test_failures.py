"""Failures of one reason are one line, also where the reason names the prompt of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import bench
from bench.cli.run import conclude
from bench.errors import FailuresRecorded
from bench.storage.failures import Failure, failure_lines, group_failures


def test_a_folder_that_lacks_clips_has_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    prompts = [prompt.id for prompt in bench.load_suite("genres@1").prompts][:7]
    for name in prompts[:2]:
        soundfile.write(clips / f"{name}.wav", np.full(4000, 0.1, dtype=np.float32), 8000)
    config = {
        "suite": "genres@1",
        "models": [{"name": "folder", "as": "clips", "params": {"path": str(clips)}}],
        "limit": 7,
        "seeds": [0, 1],
        "metrics": [],
        "duration": 0.5,
        "executor": {"workers": 0},
    }
    run = bench.run(config, tmp_path / "run")
    first, second = group_failures(run.failures())  # of seed 1 and of seed 0, which need not be in a file's name
    assert (first.count, first.clips, first.prompts) == (7, 7, tuple(prompts))
    assert (second.count, second.clips, second.prompts) == (5, 5, tuple(prompts[2:]))
    line, _ = failure_lines([first, second], 10)
    assert f"clips: 7 clips ({', '.join(prompts[:3])}, and 4 more): " in line
    assert "PROMPT_SEED.wav" in line and f"{prompts[0]}_1.wav" not in line
    with pytest.raises(FailuresRecorded) as told:
        conclude(run, as_json=False, plugin_files=False)
    assert "12 clips or scores failed, for 2 reasons" in str(told.value)
    assert capsys.readouterr().err.count("failed: ") == 2


def test_reasons_that_differ_in_more_stay_apart() -> None:
    rows = [Failure("m", "", f"{n}, seed 0", f"'{n}' needs {n + 1} GB of 1 GB") for n in (1, 2)]
    assert [(group.count, group.prompts) for group in group_failures(rows)] == [(1, ()), (1, ())]
    assert [group.reason for group in group_failures(rows)] == [row.reason for row in rows]


def test_a_reason_that_happens_to_hold_a_prompt_s_name_stays_as_it_is() -> None:
    rows = [Failure("m", "", f"{n}, seed 0", "needs 1 GB") for n in (1, 2, 3)]
    (group,) = group_failures(rows)
    assert (group.reason, group.count, group.prompts, group.example) == ("needs 1 GB", 3, (), "1, seed 0")


def test_one_failure_keeps_its_names() -> None:
    row = Failure("m", "kad", "jazz-1, seed 0", "no jazz-1.wav")
    (group,) = group_failures([row])
    assert (group.reason, str(group)) == ("no jazz-1.wav", str(row))
