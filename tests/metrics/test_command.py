"""Judges as a command: real programs that answer, and that misbehave in every way that one can."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
import metrics.command
from bench.bundle.pack import pack
from bench.bundle.verify import verify
from bench.contracts.audio import write_flac
from bench.contracts.metric import DecodedClip, Score
from bench.errors import MissingError, TransientError, UsageError
from bench.pipeline.run import rescore
from bench.planning.metric_plan import plan_metric
from metrics.command import CommandMetric

_START = """
import json, os, subprocess, sys, time
from pathlib import Path
requests = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
scores = open(sys.argv[2], "w")
def say(request, value=None, **other):
    said = {"id": request["id"], "value": float(request["duration"]) if value is None else value, **other}
    print(json.dumps(said), file=scores, flush=True)
def is_second(request):
    return request["prompt"] == "second"
"""


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., CommandMetric]:
    (tmp_path / "temporary").mkdir()  # for logs that are kept
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    def write(body: str, **params: Any) -> CommandMetric:
        script = tmp_path / "judge.py"
        script.write_text(_START + textwrap.dedent(body))
        return CommandMetric([sys.executable, str(script), "{requests}", "{scores}"], **params)

    return write


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], list[DecodedClip]]:
    folder = tmp_path_factory.mktemp("clips")
    files = []
    for number, name in enumerate(("first", "second", "third"), 1):
        files.append((folder / f"{name}.flac", name))
        write_flac(files[-1][0], bench.Audio(np.full((1, 1000 * number), 0.1, dtype=np.float32), 1000))
    return lambda: [DecodedClip(bench.read_audio(file), bench.Prompt(name, name), file=file) for file, name in files]


def _values(found: list[Score | Exception]) -> list[float | None]:
    return [one.value if isinstance(one, Score) else None for one in found]


def test_clips_are_judged_in_one_call_and_answers_may_come_in_any_order(
    judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]], tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    metric = judge(
        f"""
        print(*[request["prompt"] for request in requests], file=open({str(calls)!r}, "a"))
        for request in reversed(requests):
            say(request)
        """
    )
    assert _values(metric.score_together(clips())) == [1.0, 2.0, 3.0]
    assert calls.read_text() == "first second third\n"


# Each costs the second clip alone: what the program does with it, and a word of the reason.
MISBEHAVIOR = {
    "crash": ("os._exit(3)", "exit code 3"),
    "signal": ("os.abort()", "SIGABRT"),
    "time-out": ("time.sleep(60)", "took longer"),
    "omitted": ("continue", "did not answer"),
    "not a number": ("say(request, float('nan')); continue", "must be finite"),
    "infinite": ("say(request, float('inf')); continue", "must be finite"),
    "too large an integer": (
        "print('{\"id\": \"%s\", \"value\": 1%s}' % (request['id'], '0' * 300), file=scores)",
        "finite",
    ),
    "out of range": ("say(request, 11); continue", "range of 0 to 10"),
    "text": ("say(request, 'good'); continue", "must be a number"),
    "true": ("say(request, True); continue", "must be a number"),
    "another key": ("print(json.dumps({'id': request['id'], 'PQ': 3}), file=scores); continue", "has no 'value'"),
    "twice": ("say(request); say(request)", "more than once"),
    "wrong id": ("request = {**request, 'id': '9999'}; say(request); continue", "'9999'"),
    "no JSON": ("print('score: 3', file=scores); continue", "is not JSON"),
    "nested without end": ("print('[' * 60000, file=scores); continue", "is not JSON"),
    "a list": ("print('[1, 2]', file=scores); continue", "'id'"),
    "a huge line": ("print('x' * 10**7, file=scores); continue", "is longer than"),
    "no text": ("scores.flush(); os.write(scores.fileno(), bytes(range(128, 250)) + b'\\n'); continue", "is not JSON"),
    "a flood on stderr": ("sys.stderr.write('no\\n' * 10**6); sys.stderr.flush(); os._exit(1)", "'no' last"),
    "a cut line": ('scores.write(\'{"id": "\'); scores.flush(); os._exit(1)', "did not answer"),
    "answers for others": ('say(request); scores.write(\'{"id": "7", "value": 1}\\n\' * 9)', ""),
}


@pytest.mark.parametrize("name", MISBEHAVIOR)
def test_misbehavior_costs_its_own_clip_alone(
    name: str, judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]]
) -> None:
    deed, reason = MISBEHAVIOR[name]
    metric = judge(
        f"""
        for request in requests:
            if is_second(request):
                {deed}
            if not (is_second(request) and {not name.startswith("answers")}):
                {"pass" if name.startswith("answers") else "say(request)"}
            if {name.startswith("answers")} and not is_second(request):
                say(request)
        """,
        scale={"range": [0, 10]},
        timeout=0.7 if name == "time-out" else 20.0,
    )
    first, second, third = metric.score_together(clips())
    assert _values([first, third]) == [1.0, 3.0]
    if reason:
        assert isinstance(second, bench.DataError)
        assert reason in str(second)
        assert "\n" not in str(second)
        assert len(str(second)) < 600
    else:
        assert _values([second]) == [2.0]


def test_a_reason_is_an_undefined_score(
    judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]]
) -> None:
    metric = judge("for r in requests: print(json.dumps({'id': r['id'], 'undefined': 'no voice'}), file=scores)")
    assert [one.reason for one in metric.score_together(clips()) if isinstance(one, Score)] == ["no voice"] * 3


def test_a_busy_judge_is_tried_again(
    judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]]
) -> None:
    found = judge("sys.exit(75)").score_together(clips()[:1])
    assert isinstance(found[0], TransientError)


def test_nothing_that_it_started_stays(
    judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]], tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    child = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)"
    metric = judge(f"Path({str(pid)!r}).write_text(str({child}.pid))\nfor r in requests: say(r)")
    assert _values(metric.score_together(clips())) == [1.0, 2.0, 3.0]
    if sys.platform == "linux":
        deadline = time.monotonic() + 10
        while (alive := Path(f"/proc/{pid.read_text()}").exists()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not alive


def test_columns_of_one_program_share_its_calls(
    judge: Callable[..., CommandMetric], clips: Callable[[], list[DecodedClip]], tmp_path: Path
) -> None:
    body = f"""
        print("called", file=open({str(tmp_path / "calls")!r}, "a"))
        for r in requests: say(r, CE=len(r["prompt"]))
    """
    judged = clips()
    assert _values(judge(body).score_together(judged)) == [1.0, 2.0, 3.0]
    assert _values(judge(body, key="CE").score_together(judged)) == [5.0, 6.0, 5.0]
    assert (tmp_path / "calls").read_text() == "called\n"


SAME_FUNCTION = """
import numpy as np

from bench import ClipMetric, Score


class Loudness(ClipMetric):
    unit = "dB"
    direction = "lower"

    def score(self, clip):
        return Score.of(loudness(clip.audio.samples))


def loudness(samples):
    return float(20 * np.log10(np.sqrt(np.mean(np.asarray(samples, dtype=np.float64) ** 2)) + 1e-9))
"""

JUDGE = """
import json, sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))
import soundfile
from same import loudness
with open(sys.argv[2], "w") as out:
    for line in open(sys.argv[1]):
        request = json.loads(line)
        samples, _ = soundfile.read(request["clip"], dtype="float32", always_2d=True)
        print(json.dumps({"id": request["id"], "dB": loudness(samples.T)}), file=out)
with open(Path(__file__).parent / "calls", "a") as calls:
    print("called", file=calls)
"""


def test_a_command_gives_the_table_of_the_same_function_in_process(tmp_path: Path) -> None:
    (tmp_path / "same.py").write_text(SAME_FUNCTION)
    (tmp_path / "judge.py").write_text(JUDGE)
    params = {
        "command": [sys.executable, str(tmp_path / "judge.py"), "{requests}", "{scores}"],
        "key": "dB",
        "scale": {"version": 3, "unit": "dB", "direction": "lower"},
        "batch_size": 5,
    }
    entries = [{"name": f"{tmp_path}/same.py:Loudness"}, {"name": "command", "as": "loud", "params": params}]
    config = {
        "models": ["composer", "noise"],
        "metrics": entries,
        "limit": 6,
        "duration": 1.0,
        "executor": {"workers": 0},
    }
    run = bench.run(config, tmp_path / "run")
    assert run.failures() == []
    wide = run.leaderboard(wide=True)
    inside = [name for name in wide.columns if name.startswith("Loudness@1")]
    outside = [name for name in wide.columns if name.startswith("loud@3")]
    assert inside and [name.replace("Loudness@1", "loud@3") for name in inside] == outside
    for one, other in zip(inside, outside, strict=True):
        assert wide[one].tolist() == wide[other].tolist()
    assert (tmp_path / "calls").read_text().count("called") == 3  # 12 clips in batches of 5
    bench.run(config, tmp_path / "run")
    assert (tmp_path / "calls").read_text().count("called") == 3  # all are there
    (tmp_path / "judge.py").write_text(JUDGE + "\n")
    bench.run(config, tmp_path / "run")
    assert (tmp_path / "calls").read_text().count("called") == 6  # another program, other scores


def test_a_run_folder_from_elsewhere_starts_no_program(tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(_START + "for r in requests: say(r)")
    params = {"command": [sys.executable, str(tmp_path / "judge.py"), "{requests}", "{scores}"]}
    config = {
        "models": ["noise"],
        "limit": 1,
        "metrics": [{"name": "command", "as": "mine", "params": params}],
        "duration": 1.0,
        "executor": {"workers": 0},
    }
    bench.run(config, tmp_path / "run")
    with pytest.raises(UsageError, match="--plugin-files"):
        rescore(tmp_path / "run")
    with pytest.raises(UsageError, match="--plugin-files"):
        rescore(tmp_path / "run", metrics=["mine"])
    pack(tmp_path / "run", tmp_path / "run.zip")
    (tmp_path / "judge.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    assert list(verify(tmp_path / "run.zip", trust_weights=True).unchecked) == ["mine@1"]
    assert not (tmp_path / "ran").exists()
    (tmp_path / "judge.py").write_text(_START + "for r in requests: say(r)")
    assert rescore(tmp_path / "run", plugin_files=True).failures() == []


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        ({"name": "command", "params": {}}, "as:"),
        ({"name": "command", "as": "kad"}, "installed"),
        ({"name": "kad", "as": "mine"}, "leave out"),
    ],
)
def test_a_column_is_named_where_it_has_no_name(entry: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        plan_metric(bench.config.run_config.MetricConfig.model_validate(entry))


@pytest.mark.parametrize(
    "params",
    [
        {"command": "judge.py {requests} {scores}"},
        {"command": ["judge.py", "{requests}"]},
        {"scale": {"range": [3, 1]}},
        {"scale": {"range": [0, float("nan")]}},
        {"scale": {"sense": "up"}},
        {"batch_size": 0},
        {"key": "id"},
        {"timeout": -1.0},
        {"cwd": "nowhere"},
        {"weights": "a.pt"},
    ],
)
def test_what_is_declared_is_checked(params: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CommandMetric(**{"command": ["python", "judge.py", "{requests}", "{scores}"], **params})


def test_identity_covers_weights_and_scale_but_not_the_batch(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"one")

    def planned(**params: Any) -> str:
        entry = {
            "name": "command",
            "as": "mine",
            "params": {"command": [sys.executable, "-c", "", "{requests}", "{scores}"], "weights": [str(weights)]}
            | params,
        }
        return plan_metric(bench.config.run_config.MetricConfig.model_validate(entry)).params_hash

    first = planned()
    assert planned(batch_size=3, timeout=9.0) == first
    assert planned(scale={"unit": "dB"}) != first
    weights.write_bytes(b"other")
    assert planned() != first
    with pytest.raises(MissingError):
        planned(weights=[str(tmp_path / "gone.pt")])


def test_documented_program_is_short_and_runs(tmp_path: Path, clips: Callable[[], list[DecodedClip]]) -> None:
    assert metrics.command.__doc__
    script = tmp_path / "judge.py"
    script.write_text(textwrap.dedent(metrics.command.__doc__.partition("A whole program::\n")[2]))
    assert sum(bool(line.strip()) for line in script.read_text().splitlines()) <= 15
    metric = CommandMetric([sys.executable, str(script), "{requests}", "{scores}"], key="peak")
    assert _values(metric.score_together(clips())) == pytest.approx([0.1] * 3, abs=1e-6)
