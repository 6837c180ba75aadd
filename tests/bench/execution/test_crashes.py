"""Workers that die: the library on their stack is named, a cause is given up soon, and all the rest is done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.contracts.plugin_modules import ROOT
from bench.execution.executors.base import TaskLost
from bench.execution.executors.crash_report import crashed_stack, culprit, explain_death, signal_of
from bench.execution.retries import LIMIT, Attempts
from bench.progress import Silent
from bench.storage.failures import Failure, failure_lines, group_failures

Write = Callable[..., Path]

HEAD = "Fatal Python error: Segmentation fault\n\n"
FOLLOWER = (
    f"Thread 0x00007f10 (most recent call first):"
    f'\n  File "{ROOT}/bench/execution/executors/worker.py", line 9 in _follow\n\n'
)
PERFORMED = f'  File "{ROOT}/bench/execution/executors/perform.py", line 15 in perform\n'
OF_METRIC = (
    f'  File "{ROOT}/metrics/rhythm.py", line 30 in score'
    f'\n  File "{ROOT}/bench/execution/score_task.py", line 1 in _score\n'
)
LIBROSA = "/venv/lib/python3.11/site-packages/librosa/util/utils.py"
CTYPES = f"{Path(os.__file__).parent}/ctypes/__init__.py"
CURRENT = "Current thread 0x00007f20 (most recent call first):\n"
MODULES = "\nExtension modules: numpy.core._multiarray_umath, numba.core.typeconv._typeconv (total: 2)\n"

PROCESSES = {"workers": 2}


def _dump(*frames: str, current: str = CURRENT) -> str:
    called = "".join(f"  File {frame}\n" for frame in frames)
    return f"{HEAD}{FOLLOWER}{current}{called}{OF_METRIC}{PERFORMED}{MODULES}"


class TestStack:
    @pytest.mark.parametrize(
        ("dump", "named"),
        [
            (_dump(f'"{LIBROSA}", line 1043 in peak_pick'), "librosa (librosa/util/utils.py, line 1043, peak_pick)"),
            # A module of one file, which Python itself imports.
            (
                _dump(
                    '"<frozen importlib._bootstrap>", line 241 in _call',
                    '"/x/dist-packages/soundfile.py", line 7 in <module>',
                ),
                "soundfile (soundfile.py, line 7, <module>)",
            ),
            # The innermost library, not the one that calls it.
            (
                _dump(
                    f'"{CTYPES}", line 519 in string_at',
                    f'"{LIBROSA}", line ??? in a',
                    '"/x/site-packages/torch/nn.py", line 5 in b',
                ),
                "librosa (librosa/util/utils.py, line ???, a)",
            ),
            # Not one that called the harness.
            (
                _dump().replace(PERFORMED, f'{PERFORMED}  File "/x/site-packages/ray/worker.py", line 5 in main\n'),
                "metrics/rhythm.py (line 30, score)",
            ),
            (_dump(), "metrics/rhythm.py (line 30, score)"),
            (_dump('"/home/me/mine.py", line 3 in score'), "mine.py (line 3, score)"),
            # No thread of Python's crashed: the one at work is meant.
            (
                _dump(f'"{LIBROSA}", line 8 in a', current="Thread 0x00007f20 (most recent call first):\n"),
                "librosa (librosa/util/utils.py, line 8, a)",
            ),
            # tunebench is installed beside the libraries.
            (_dump(f'"{ROOT}/models/composer/render.py", line 4 in play'), "models/composer/render.py (line 4, play)"),
        ],
    )  # fmt: skip
    def test_the_culprit_is_named(self, dump: str, named: str) -> None:
        assert str(culprit(crashed_stack(dump))) == named

    def test_the_sentence_and_the_file_are_the_same_for_all_that_share_a_computation(self, tmp_path: Path) -> None:
        shared = (f'"{LIBROSA}", line 8 in a', f'"{ROOT}/bench/contracts/metric.py", line 124 in share')
        others = [_dump(*shared, f'"{ROOT}/metrics/{name}.py", line 5 in score') for name in ("harmony", "melody")]
        said = {explain_death(-11, dump, "scoring", "a clip", tmp_path / "crashes") for dump in others}
        elsewhere = explain_death(-11, _dump(f'"{LIBROSA}", line 9 in a'), "scoring", "a clip", tmp_path / "crashes")
        (sentence,) = said
        assert "SIGSEGV in librosa" in sentence and "pip install --force-reinstall --no-deps librosa" in sentence
        kept = sorted((tmp_path / "crashes").iterdir())
        assert len(kept) == 2 and elsewhere not in said
        assert [file.name in sentence for file in kept].count(True) == 1
        assert all(file.read_text().endswith(MODULES) for file in kept)

    def test_without_a_stack_the_likely_reason_is_said(self, tmp_path: Path) -> None:
        assert "memory" in explain_death(-9, "", "scoring", "a clip", tmp_path / "crashes")
        # A process that it has started may have crashed before, and left its stack.
        assert "memory" in explain_death(-9, _dump(), "scoring", "a clip", tmp_path / "crashes")
        assert "memory" not in explain_death(-15, "", "scoring", "a clip", tmp_path / "crashes")
        assert "exit code 7" in explain_death(7, "", "scoring", "a clip", tmp_path / "crashes")
        assert not (tmp_path / "crashes").exists()

    def test_a_disk_that_takes_no_file_costs_only_the_file(self) -> None:
        assert "SIGSEGV in metrics/rhythm.py" in explain_death(-11, _dump(), "scoring", "a clip", Path("/proc/crashes"))

    @pytest.mark.parametrize(
        ("said", "name"),
        [
            ("Segmentation fault", "SIGSEGV"),
            ("Aborted", "SIGABRT"),
            ("Bus error", "SIGBUS"),
            ("out of stack", "SIGABRT"),
        ],
    )
    def test_the_signal_follows_from_the_stack_alone(self, said: str, name: str) -> None:
        assert signal_of(f"Fatal Python error: {said}\n\n{CURRENT}") == name


# -- runs ------------------------------------------------------------------------------------------------------------


@dataclass
class Told(Silent):
    """What a run tells of itself."""

    stages: list[list[Any]]
    notes: list[str]

    def begin(self, stage: str, total: int, done: int) -> None:
        self.stages.append([stage, total, done])

    def advance(self, count: int) -> None:
        self.stages[-1][2] += count

    def note(self, message: str) -> None:
        self.notes.append(message)


def _told() -> Told:
    return Told([], [])


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> tuple[bench.Run, Told, Path]:
    """A run of 24 clips in which two metrics always die in what they share, a third by itself, and a fourth never."""
    folder = tmp_path_factory.mktemp("always")
    marks, told = folder / "marks", _told()
    config = {
        "models": [
            {"name": f"{tiny}:Sine", "as": "sine"},
            {"name": f"{tiny}:Sine", "as": "low", "params": {"hz": 100}},
        ],
        "metrics": [
            f"{tiny}:Peak",
            f"{tiny}:Shared",
            f"{tiny}:SharedToo",
            {"name": f"{tiny}:Fragile", "params": {"how": "segfault", "where": "", "marks": str(marks)}},
        ],
        "duration": 0.25,
        "executor": {"workers": 2},
    }
    return bench.run(config, folder / "out", told), told, marks


class TestWhatAlwaysDies:
    def test_the_rest_is_scored(self, always: tuple[bench.Run, Told, Path]) -> None:
        table = always[0].leaderboard().set_index(["metric", "model"])
        assert {model: table.loc["Peak@1", "n"][model] for model in ("sine", "low")} == {"sine": 12, "low": 12}

    def test_it_is_given_up_after_a_few_deaths(self, always: tuple[bench.Run, Told, Path]) -> None:
        run, told, marks = always
        # As often as the limit says, once more for each worker, and with others before it was known.
        assert LIMIT <= len(marks.read_text().splitlines()) <= LIMIT + 4
        assert len(run.failures()) == 3 * 24
        given_up = [f for f in run.failures() if f.reason.startswith("not tried, since 5 of the 5 tried before died: ")]
        assert len(given_up) >= 3 * (24 - LIMIT - 2)
        assert len(told.notes) == 1  # they died in one line

    def test_what_died_in_one_place_is_one_failure(self, always: tuple[bench.Run, Told, Path]) -> None:
        run, *_ = always
        groups = group_failures(run.failures())
        died = [group for group in groups if not group.reason.startswith("not tried")]
        assert len({group.reason for group in died}) == 2  # one by itself, and one in what two share
        assert all("SIGSEGV in tiny.py (line " in group.reason for group in died)
        assert {"Shared", "SharedToo"} in [set(group.metrics) for group in died]
        assert len(groups) <= 6  # two reasons and one for what was not tried, of two models
        assert sum(group.count for group in groups) == 72

    def test_a_stack_is_kept_for_each_place(self, always: tuple[bench.Run, Told, Path]) -> None:
        run, *_ = always
        stacks = {file.name: file.read_text() for file in (run.folder / "crashes").iterdir()}
        assert len(stacks) == 2
        assert sorted("in _computed" in text for text in stacks.values()) == [False, True]
        assert all(any(name in failure.reason for failure in run.failures()) for name in stacks)

    def test_progress_ends_at_its_total(self, always: tuple[bench.Run, Told, Path]) -> None:
        assert always[1].stages == [["generating clips", 24, 24], ["scoring clips", 24, 24]]


def test_a_crash_of_one_clip_costs_that_clip_only(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    told, bad = _told(), {"how": "segfault", "where": "jazz-2"}
    metrics = [f"{tiny}:Peak", *({"name": f"{tiny}:{name}", "params": bad} for name in ("Fragile", "FragileToo"))]
    run = bench.run(write_config(executor=PROCESSES, metrics=metrics, duration=0.25), tmp_path / "out", told)
    assert [(f.clip, f.metric.partition("[")[0]) for f in run.failures()] == [
        ("jazz-2, seed 0", "Fragile"),
        ("jazz-2, seed 0", "FragileToo"),
    ]
    assert [row.n for row in run.leaderboard().itertuples() if row.metric.startswith("Fragile")] == [11, 11]
    assert told.stages[-1] == ["scoring clips", 12, 12]
    (line,) = failure_lines(group_failures(run.failures()), 10)
    how = "[how=segfault, where=jazz-2]"
    assert line.startswith(
        f"sine, Fragile{how}, FragileToo{how}: 2 failures of 1 clip, e.g. jazz-2, seed 0: the worker"
    )


def test_stacks_of_what_works_in_the_end_are_removed(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    def configured(how: str) -> Path:
        return write_config(
            executor=PROCESSES, models=[{"name": f"{tiny}:Sine", "as": "sine", "params": {"bad": how}}], duration=0.25
        )

    out = tmp_path / "out"
    (failure,) = bench.run(configured("segfault"), out).failures()
    (stack,) = (out / "crashes").iterdir()
    assert stack.name in failure.reason and "jazz-2 seed 0" in stack.read_text()
    assert bench.run(configured(""), out).failures() == []
    assert not (out / "crashes").exists()


def test_a_model_that_always_dies_is_given_up(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    marks, told = tmp_path / "marks", _told()
    bad = {"bad": "segfault", "victim": "", "batch": 4, "marks": str(marks)}
    models = [
        {"name": f"{tiny}:Sine", "as": "bad", "params": bad},
        {"name": f"{tiny}:Sine", "as": "good", "params": {"hz": 90}},
    ]
    run = bench.run(
        write_config(executor=PROCESSES, models=models, seeds=[0, 1, 2, 3], duration=0.25), tmp_path / "out", told
    )
    table = run.leaderboard().set_index(["metric", "model"])
    assert table.loc[("Peak@1", "good"), "n"] == 48
    assert {(f.model, f.metric) for f in run.failures()} == {("bad", "")}
    assert len(run.failures()) == 48
    # A batch and one clip of it in turn, until so many single clips have died; one more of each for the second worker.
    assert 2 * LIMIT <= len(marks.read_text().splitlines()) <= 2 * LIMIT + 4
    assert told.stages[0] == ["generating clips", 96, 96]


def test_workers_that_cannot_start_end_the_run(
    tmp_path: Path, write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        f"import os\nwith open({str(tmp_path / 'starts')!r}, 'a') as file:\n    file.write('x')\nos._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'broken'}{os.pathsep}{ROOT}")
    try:
        run = bench.run(write_config(executor=PROCESSES, seeds=list(range(8)), duration=0.25), tmp_path / "out")
        assert len(run.failures()) == 96
        assert all("exit code 3" in failure.reason for failure in run.failures())
    except bench.UsageError as error:  # they were dead before they were given anything
        assert "cannot start" in str(error) and "exit code 3" in str(error)
    assert len((tmp_path / "starts").read_text()) <= LIMIT + 4


@pytest.mark.parametrize("metric", ["Spread", "Deadly"])
def test_embedders_and_set_metrics_that_die_fail_alone(
    tmp_path: Path, tiny: Path, write_config: Write, metric: str
) -> None:
    entry = {"name": f"{tiny}:{metric}", "params": {"bad": "segfault"} if metric == "Spread" else {}}
    run = bench.run(write_config(executor=PROCESSES, metrics=[f"{tiny}:Peak", entry], duration=0.25), tmp_path / "out")
    assert {f.metric for f in run.failures()} == ({"embedding"} if metric == "Spread" else {"Deadly"})
    table = run.leaderboard().set_index("metric")
    assert table.loc["Peak@1", "n"] == 12


def test_a_crash_in_the_calling_process_shows_its_stack(tmp_path: Path, tiny: Path, write_config: Write) -> None:
    config = write_config(models=[{"name": f"{tiny}:Sine", "params": {"bad": "segfault"}}], executor={"workers": 0})
    command = [sys.executable, "-P", "-m", "bench", "run", str(config), "--out", str(tmp_path / "out")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == -11
    assert "Fatal Python error: Segmentation fault" in ran.stderr and f'"{tiny}", line' in ran.stderr


# -- which tasks are tried -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """One clip with several parts, of which some die."""

    clip: int
    causes: tuple[str, ...]
    deadly: frozenset[str]
    tries: int = 1

    def again(self) -> Work:
        return replace(self, tries=self.tries + 1)

    def unsettled(self, result: str) -> tuple[str, list[Work]]:
        return ("", [self.again()]) if result == "busy" else (result, [])

    def pieces(self) -> list[Work]:
        return [replace(self, causes=(cause,)) for cause in self.causes] if len(self.causes) > 1 else []

    def without(self, causes: Collection[str]) -> Work | None:
        left = tuple(cause for cause in self.causes if cause not in causes)
        return replace(self, causes=left) if left else None

    def lost(self, error: str) -> str:
        return error


class Table:
    """An executor of work whose outcome is known; it has two tasks at a time, as two workers do."""

    def __init__(self, lacks: frozenset[str] = frozenset()) -> None:
        self.deaths, self.lacks = 0, lacks

    def __enter__(self) -> Table:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, tasks: Iterator[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        busy: list[tuple[Any, Work]] = []
        while (given := next(tasks, None)) or busy:
            if given:
                busy.append(given)
            if len(busy) == 2 or not given:
                key, done = busy.pop(0)
                died = not done.deadly.isdisjoint(done.causes)
                self.deaths += died
                if not self.lacks.isdisjoint(done.causes):
                    yield key, TaskLost("missing", "not installed")
                else:
                    yield key, TaskLost("died", "it crashed: do this") if died else "fine"


def _attempted(deadly: Callable[[int], set[str]], clips: int = 200) -> tuple[Table, dict[tuple[int, str], str]]:
    causes = ("a", "b", "c", "d")
    table = Table()
    work: list[Any] = [Work(clip, causes, frozenset(deadly(clip))) for clip in range(clips)]
    found: dict[tuple[int, str], str] = {}
    attempts: Iterable[tuple[Any, Any]] = Attempts[Any](work, table, Silent())
    for done, result in attempts:
        for cause in done.causes:
            assert (done.clip, cause) not in found, "tried twice"
            found[done.clip, cause] = result
    assert set(found) == {(clip, cause) for clip in range(clips) for cause in causes}
    return table, found


@pytest.mark.parametrize(
    "deadly",
    [
        lambda _: set(),
        lambda clip: {"a"} if clip == 7 else set(),
        lambda clip: {"a", "b", "c", "d"} if clip in (7, 8, 9, 199) else set(),
        # One in six, all at the beginning, as the prompts of one genre are.
        lambda clip: {"b"} if clip < 33 else set(),
        lambda clip: {"a"} if clip % 4 == 0 else {"c"} if clip % 7 == 0 else set(),
    ],
)
def test_single_clips_cost_only_themselves(deadly: Callable[[int], set[str]]) -> None:
    for seed in range(20):
        random.seed(seed)
        _, found = _attempted(deadly)
        died = {key for key, result in found.items() if result != "fine"}
        assert died == {(clip, cause) for clip in range(200) for cause in deadly(clip)}
        assert all(found[key] == "it crashed: do this" for key in died)


@pytest.mark.parametrize("parts", [{"a"}, {"a", "b", "c"}, {"a", "b", "c", "d"}])
def test_what_always_dies_costs_a_few_workers(parts: set[str]) -> None:
    table, found = _attempted(lambda _: parts)
    counts = Counter((cause, result) for (_, cause), result in found.items())
    for cause in "abcd":
        assert counts[cause, "fine"] == (0 if cause in parts else 200)
        assert LIMIT <= counts[cause, "it crashed: do this"] <= LIMIT + 1 or cause not in parts
    assert table.deaths <= (LIMIT + 1) * len(parts) + 2


def test_what_mostly_dies_is_given_up_in_the_end() -> None:
    random.seed(0)
    table, found = _attempted(lambda clip: {"a"} if clip % 20 else set(), clips=400)
    assert table.deaths < 300
    assert sum(result == "fine" for result in found.values()) >= 3 * 400


def test_what_needs_more_than_is_installed_is_tried_no_further() -> None:
    work: list[Any] = [Work(clip, (cause,), frozenset()) for clip in range(50) for cause in ("a", "b")]
    attempts = Attempts[Any](work, Table(frozenset("a")), Silent())
    counts = Counter((task.causes, result) for task, result in attempts)
    assert counts.pop((("a",), "not installed")) <= 2  # as many as were under way
    assert counts == {(("b",), "fine"): 50}
    assert attempts.missing == {"a": "not installed"}


# -- what is said ----------------------------------------------------------------------------------------------------


def _failures(count: int, model: str = "m", metric: str = "x", reason: str = "no") -> list[Failure]:
    return [Failure(model, metric, f"jazz-{place}, seed 0", reason) for place in range(count)]


def test_failures_are_grouped_by_model_metric_and_reason() -> None:
    rows = [*_failures(1, reason="first"), *_failures(3, metric="y"), *_failures(2, model="n"), *_failures(3)]
    groups = group_failures(rows)
    assert [(g.model, g.metrics, g.reason, g.count, g.clips, g.example) for g in groups] == [
        ("m", ("y", "x"), "no", 6, 3, "jazz-0, seed 0"),
        ("n", ("x",), "no", 2, 2, "jazz-0, seed 0"),
        ("m", ("x",), "first", 1, 1, "jazz-0, seed 0"),
    ]
    assert failure_lines(groups, 10) == [
        "m, y, x: 6 failures of 3 clips, e.g. jazz-0, seed 0: no",
        "n, x: 2 clips, e.g. jazz-0, seed 0: the same",
        "m, jazz-0, seed 0, x: first",
    ]
    assert failure_lines(groups, 1) == [failure_lines(groups, 10)[0], "3 more failures, in 2 more lines"]
    assert failure_lines([], 1) == group_failures([]) == []


def test_metrics_of_all_clips_and_clips_without_metric_have_lines_too() -> None:
    of_sets = [Failure("m", metric, "", "no") for metric in "vwxyz"]
    assert failure_lines(group_failures(of_sets), 10) == ["m, v, w, x, 2 more metrics: 5 failures: no"]
    assert failure_lines(group_failures(of_sets[:1]), 10) == ["m, v: no"]
    assert failure_lines(group_failures(_failures(2, metric="")), 10) == ["m: 2 clips, e.g. jazz-0, seed 0: no"]


def test_a_plugin_that_crashes_while_it_is_loaded_shows_its_stack(
    tunebench: Callable[..., Any], tmp_path: Path, write_config: Write
) -> None:
    (tmp_path / "early.py").write_text("import ctypes\nctypes.string_at(0)\n")
    ran = tunebench("run", write_config(models=[f"{tmp_path}/early.py:Model"]), afresh=True)
    assert ran.returncode == -signal.SIGSEGV
    assert "early.py" in ran.stderr
