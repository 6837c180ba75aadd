"""What other rooms read of a run: of rows written by hand, the very records that they must come to."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench.contracts.notice import Notice
from bench.errors import DataError
from bench.report.clip_entries import clip_entries
from bench.report.provenance import made_with, seeds_of
from bench.scores.clip_table import clip_table
from bench.storage.digests import write_digests
from bench.storage.failures import Failure
from bench.storage.join_shards import whole_plan
from bench.storage.read_clips import audio_paths, clip_places, made_rows, planned_rows, stray_clip
from bench.storage.read_metrics import StoredMetric, shown_metrics
from bench.storage.read_models import StoredModel, read_models
from bench.storage.read_scores import ShownScore, score_columns, shown_scores, shown_set_scores, unscored
from bench.storage.store import Store

MODELS = [("late", 1), ("early", 0), ("bare", 2)]
PROMPTS = [("p2", "jazz", 1), ("p1", None, None)]  # as the suite has them
CLIPS = [
    # id, model, prompt, seed, state, content, error; models take turns, as where a run was extended
    ("a", "late", "p2", 0, "made", "sound-a", None),
    ("b", "early", "p1", 1, "made", "sound-b", None),
    ("c", "early", "p1", 0, "failed", None, "no memory"),
    ("d", "early", "p2", 0, "planned", None, None),
    ("e", "late", "p1", 0, "made", "sound-e", None),
    ("old", "early", "p1", 1, "replaced", "sound-old", None),
]
METRICS = [
    # name, version, params_hash, embedder, reference, of_sets, position, shown, lowest, highest
    ("second", 1, "h2", "", "", 0, 5, 1, 0.0, 1.0),
    ("first", 2, "h1", "", "", 0, 4, 1, None, None),
    ("first", 1, "h0", "", "", 0, 1, 0, None, None),  # an older version, not shown any more
    ("far", 1, "h3", "e", "r", 1, 6, 1, None, None),
    ("far", 1, "h3", "e", "other", 1, 0, 0, None, None),
]
SCORES = [
    # clip, metric, version, params_hash, value, reason, error
    ("a", "first", 2, "h1", 0.25, None, None),
    ("a", "first", 1, "h0", 9.0, None, None),
    ("a", "second", 1, "h2", None, "too short", None),
    ("b", "first", 2, "h1", None, None, "ValueError: x"),
    ("b", "second", 1, "another", 8.0, None, None),  # with other parameters
    ("d", "first", 2, "h1", 7.0, None, None),  # of a sound that is gone
    ("old", "first", 2, "h1", 6.0, None, None),
]
SETS = [
    # model, grouping, member, reference, clips, value, error
    ("early", "all", "all", "r", "set-1", 3.5, None),
    ("early", "genre", "jazz", "r", "set-2", 2.5, None),
    ("late", "all", "all", "r", "set-3", None, "no vectors"),
    ("late", "genre", "jazz", "r", "set-4", None, "no vectors"),
    ("late", "all", "all", "other", "set-3", 99.0, None),  # against a reference that is not shown
]


def fill(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.executemany("INSERT INTO about VALUES (?, ?)", [("suite", "mine@1"), ("duration", "2.0")])
        db.executemany(
            "INSERT INTO models VALUES (?, ?, ?, ?, ?, 8000, '[]', '{}', '[]')",
            [(label, place, f"of-{label}", json.dumps({"is": label}), '{"by": "me"}') for label, place in MODELS],
        )
        db.executemany("INSERT INTO prompts VALUES (?, 'words', ?, ?, NULL, NULL, NULL)", PROMPTS)
        for id, model, prompt, seed, state, content, error in CLIPS:
            sound = (8000, 1, 12_000, 0.5, 1.0, 0.1) if content else (None,) * 6
            made_by = json.dumps({"python": "3.11" if id == "a" else "3.12", "batch": id}) if content else None
            db.execute(
                f"INSERT INTO clips VALUES ({', '.join('?' * 15)})",
                (id, model, prompt, seed, f"audio/{model}/{id}.flac", state, content, *sound, error, made_by),
            )
        db.executemany(
            "INSERT INTO metrics VALUES "
            "(?, ?, ?, ?, ?, ?, '{\"n\": 3}', 'points', 'higher', ?, ?, ?, '', '', ?, ?, 0, '{}', '[]')",
            [(row[0], *row) for row in METRICS],
        )
        db.executemany("INSERT INTO scores VALUES (?, ?, ?, ?, '', '', ?, ?, ?, '{\"chance\": 0.1}', 0.0)", SCORES)
        warning = json.dumps([{"code": "W-FEW", "params": {"n": 1}, "text": "few"}])
        db.executemany(
            "INSERT INTO set_scores VALUES (?, ?, ?, 'far', 1, 'h3', 'e', ?, ?, ?, NULL, NULL, 4, NULL, ?, ?, "
            "'{\"k\": 1}')",
            [(*row, warning) for row in SETS],
        )
        write_digests(db)
        db.commit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("readers") / "run"
    Store.open(run).close()
    fill(run)
    return run


@pytest.fixture(params=["read", "open"])
def store(request: pytest.FixtureRequest, folder: Path) -> Iterator[Store]:
    with (Store.read if request.param == "read" else Store.open)(folder) as opened:
        yield opened


def test_scores_are_those_of_the_plan_and_of_shown_metrics(store: Store) -> None:
    found = [(s.model, s.metric, s.clip, s.state, s.value, s.lacks) for s in shown_scores(store)]
    assert found == [
        ("early", "first@2", "b", "made", None, "ValueError: x"),
        ("early", "first@2", "c", "failed", None, "no memory"),
        ("early", "first@2", "d", "planned", None, None),
        ("early", "second@1", "b", "made", None, None),
        ("early", "second@1", "c", "failed", None, "no memory"),
        ("early", "second@1", "d", "planned", None, None),
        ("late", "first@2", "a", "made", 0.25, None),
        ("late", "first@2", "e", "made", None, None),
        ("late", "second@1", "a", "made", None, "too short"),
        ("late", "second@1", "e", "made", None, None),
    ]
    assert {(s.clip, s.genre, s.level) for s in shown_scores(store)} >= {("a", "jazz", 1), ("b", None, None)}


def test_a_column_has_an_entry_for_each_clip_of_the_plan(store: Store) -> None:
    assert [place.prompt for place in clip_places(store)] == [s.prompt for s in _in_order(store)]
    for name, version in (("first", 2), ("second", 1)):
        column = score_columns(store)[f"{name}@{version}"]
        known = [s.value for s in _in_order(store, f"{name}@{version}")]
        assert column.value.tolist() == pytest.approx([math.nan if v is None else v for v in known], nan_ok=True)
    scored = {("first", 2): {"a", "b"}, ("second", 1): {"a"}}
    ids = [s.clip for s in _in_order(store, "first@2")]
    for (name, version), clips in scored.items():
        chance = score_columns(store)[f"{name}@{version}"].chance
        assert {id: value for id, value in zip(ids, chance, strict=True) if value == value} == dict.fromkeys(clips, 0.1)


def _in_order(store: Store, metric: str = "first@2") -> list[ShownScore]:
    """The scores of one metric, as clips were planned."""
    place = {row.id: row.place for row in planned_rows(store)}
    return sorted((s for s in shown_scores(store) if s.metric == metric), key=lambda s: place[s.clip])


def test_a_clip_is_unscored_once_for_each_metric(store: Store) -> None:
    assert sorted(one.clip for one in unscored(store)) == ["b", "e", "e"]


def test_set_scores_are_against_the_shown_reference(store: Store) -> None:
    found = {(s.model, s.grouping, s.group): s for s in shown_set_scores(store, ("all", "genre"))}
    assert {key: (s.metric, s.clips, s.value, s.error) for key, s in found.items()} == {
        ("early", "all", "all"): ("far@1", "set-1", 3.5, None),
        ("early", "genre", "jazz"): ("far@1", "set-2", 2.5, None),
        ("late", "all", "all"): ("far@1", "set-3", None, "no vectors"),
        ("late", "genre", "jazz"): ("far@1", "set-4", None, "no vectors"),
    }
    one = found["early", "all", "all"]
    assert (one.n, one.warnings, one.details) == (4, (Notice("W-FEW", {"n": 1}, "few"),), {"k": 1})
    assert {s.grouping for s in shown_set_scores(store, ("all",))} == {"all"}


def test_metrics_are_in_the_order_of_tables(store: Store) -> None:
    rest: dict[str, Any] = {"params": {"n": 3}, "view": "", "reference_name": "", "unit": "points"}
    rest |= {"direction": "higher", "hit_or_miss": False}
    of_clips = {**rest, "embedder": "", "reference": "", "of_sets": False}
    assert shown_metrics(store) == [
        StoredMetric("first", "first", 2, params_hash="h1", bounds=None, **of_clips),
        StoredMetric("second", "second", 1, params_hash="h2", bounds=(0.0, 1.0), **of_clips),
        StoredMetric("far", "far", 1, params_hash="h3", bounds=None, **rest, embedder="e", reference="r", of_sets=True),
    ]
    assert [metric.ref for metric in shown_metrics(store)] == ["first@2", "second@1", "far@1"]


def test_models_count_their_clips(store: Store) -> None:
    assert read_models(store) == [
        StoredModel(label, f"of-{label}", {"is": label}, {"by": "me"}, 8000, made, planned)
        for label, made, planned in (("early", 1, 3), ("late", 2, 2), ("bare", 0, 0))
    ]
    assert store.labels() == ["early", "late", "bare"]
    assert list(store.model_identities().items()) == [(name, {"is": name}) for name in ("early", "late", "bare")]


def test_clips_are_those_of_the_plan(store: Store) -> None:
    assert [(clip.id, clip.state, clip.error) for clip in planned_rows(store)] == [
        ("b", "made", None),
        ("c", "failed", "no memory"),
        ("d", "planned", None),
        ("a", "made", None),
        ("e", "made", None),
    ]
    assert [clip.id for clip in made_rows(store)] == ["a", "b", "e"] == [clip.id for clip in store.made()]
    one = made_rows(store)[0]
    assert (one.rate, one.channels, one.frames, one.peak, one.gain, one.seconds) == (8000, 1, 12_000, 0.5, 1.0, 0.1)
    assert one.made_with == {"python": "3.11", "batch": "a"} and planned_rows(store)[2].made_with == {}
    assert audio_paths(store) == {id: f"audio/{model}/{id}.flac" for id, model, *_, content, _ in CLIPS if content}
    assert stray_clip(store) is None
    assert whole_plan(store) == []


def test_failures_are_of_what_tables_show(store: Store) -> None:
    assert store.failures() == [
        Failure("early", "", "p1, seed 0", "no memory"),
        Failure("early", "first", "p1, seed 1", "ValueError: x"),
        Failure("late", "far", "", "no vectors"),
    ]


def test_a_report_lists_clips_by_prompt_then_model_then_seed(store: Store) -> None:
    entries = clip_entries(store, {"e": f"{store.folder}/audio/late/e.flac is damaged"})
    assert [(entry.id, dict(entry.scores), entry.problem) for entry in entries] == [
        ("d", {}, "not made yet"),
        ("a", {"first@2": 0.25, "second@1": "too short"}, "made after this report was started; build it again"),
        ("c", {}, "failed: no memory"),
        (
            "b",
            {"first@2": "failed: ValueError: x", "second@1": None},
            "made after this report was started; build it again",
        ),
        ("e", {"first@2": None, "second@1": None}, "audio/late/e.flac is damaged"),
    ]
    assert seeds_of(store) == {"early": ((0, 1), (0,)), "late": ((0,),)}
    assert made_with(store) == [({"python": "3.12"}, 2), ({"python": "3.11"}, 1)]


def test_a_table_of_clips_holds_no_score_of_a_sound_that_is_gone(store: Store) -> None:
    table = clip_table(store).astype(object)
    columns = ["file", "state", "duration", "first@2", "first@2 reason", "second@1", "second@1 reason"]
    assert table[columns].where(table[columns].notna(), None).values.tolist() == [
        ["audio/early/b.flac", "made", 1.5, None, "ValueError: x", None, None],
        [None, "failed", None, None, None, None, None],
        [None, "planned", None, None, None, None, None],
        ["audio/late/a.flac", "made", 1.5, 0.25, None, None, "too short"],
        ["audio/late/e.flac", "made", 1.5, None, None, None, None],
    ]


@pytest.mark.parametrize("params", ["{", "[" * 100_000])
def test_parameters_that_are_no_json_are_told(folder: Path, tmp_path: Path, params: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("UPDATE metrics SET params = ? WHERE name = 'first'", (params,))
        write_digests(db)
        db.commit()
    with Store.open(run) as store, pytest.raises(DataError, match="first"):
        shown_metrics(store)


def test_a_stray_clip_is_found(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("DELETE FROM prompts WHERE id = 'p2'")
        write_digests(db)
        db.commit()
    with Store.open(run) as store:
        assert stray_clip(store) in [("late", "p2"), ("early", "p2")]


def test_views_are_of_the_connection_and_not_of_the_file(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    with closing(sqlite3.connect(run / "run.db")) as db:
        assert not db.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall()
        # What a file brings under the name of a view is not what is read.
        db.execute("CREATE TABLE shown_scores AS SELECT 'forged' AS clip")
        write_digests(db)
        db.commit()
    with Store.read(run) as store:
        assert "forged" not in {score.clip for score in shown_scores(store)}


def test_a_reader_sees_one_moment(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    with Store.read(run) as before, Store.open(run):
        with closing(sqlite3.connect(run / "run.db")) as db:
            db.execute("UPDATE scores SET value = 0.75 WHERE clip = 'a' AND value = 0.25")
            write_digests(db)
            db.commit()
        with Store.read(run) as after:
            found = [{s.value for s in shown_scores(at)} - {None} for at in (before, after)]
    assert found == [{0.25}, {0.75}]
