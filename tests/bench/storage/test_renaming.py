"""A run that an earlier tunebench made: it is read as it is, and goes on without making anything again."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.atomic_write import link_or_copy
from bench.comparison.compare import compare
from bench.config.run_config import load_config
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from bench.leaderboard.render import read_board, records
from bench.pipeline.dry_run import preview
from bench.pipeline.run import rescore
from bench.planning.former_identity import view_of_words
from bench.planning.plan import make_plan
from bench.references.load import load_reference
from bench.storage.store import Store
from models.folder import FolderModel

OLD = Path(__file__).parents[2] / "data" / "runs" / "layout-2"
NAMES = ("model", "metric", "group", "value", "low", "high", "n", "planned", "unit", "direction", "warnings")


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old run, beside the files that it was made with, as if no model's version had risen since."""
    monkeypatch.setattr(FolderModel, "version", 2)
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    source = hashlib.sha256((OLD / "plugin.py").read_bytes()).hexdigest()
    monkeypatch.delitem(sys.modules, f"tunebench_plugin_{source}", raising=False)  # which names its file by its path
    return Path("run")


def values(folder: Path) -> list[dict[str, Any]]:
    """What the leaderboard shows, without what has another name now."""
    board = read_board(folder, plugin_files=True)
    return [{name: record[name] for name in NAMES} for record in records(board.cells, board.ranks, board.protocol)]


def kept() -> list[dict[str, Any]]:
    return [{name: record[name] for name in NAMES} for record in json.loads((OLD / "leaderboard.json").read_text())]


def same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    return found == [{k: pytest.approx(v) if isinstance(v, float) else v for k, v in row.items()} for row in wanted]


def of_one_version(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Whether two boards hold the same metrics, and the same values of those whose version has not risen since."""
    columns = [
        [(row["model"], row["metric"].partition("@")[0], row["group"]) for row in rows] for rows in (found, wanted)
    ]
    versions = {row["metric"] for row in wanted}
    stayed = [row for row in found if row["metric"] in versions]
    kept_rows = [row for row in wanted if row["metric"] in {row["metric"] for row in found}]
    return columns[0] == columns[1] and len(stayed) > 0 and same(stayed, kept_rows)


def clips(folder: Path) -> list[tuple[Any, ...]]:
    with Store.read(folder) as store:
        return store.rows("SELECT model, prompt, seed, content, state, seconds FROM clips ORDER BY rowid")


def test_it_is_read_without_being_written_to(old: Path) -> None:
    before = (old / "run.db").read_bytes()
    assert same(values(old), kept())
    assert (old / "run.db").read_bytes() == before
    found = {one.column.ref: one for one in compare(old, "pluck", "mine")}
    wanted = {record["metric"]: record for record in json.loads((OLD / "comparison.json").read_text())}
    assert found["Peak@1"].estimate == pytest.approx(wanted["Peak@1"]["estimate"])


def test_it_goes_on_without_generating(old: Path) -> None:
    before, audio = clips(old), sorted(path.read_bytes() for path in old.glob("audio/*/*"))
    plan = preview("run.yaml", old)
    assert plan.to_make == {}
    bench.run("run.yaml", old)
    assert clips(old) == before
    assert sorted(path.read_bytes() for path in old.glob("audio/*/*")) == audio
    assert of_one_version(values(old), kept())
    with Store.read(old) as store:
        planned = {clip.id: clip.path for clip in make_plan(load_config(Path("run.yaml"))).clips}
        assert {clip.id: clip.path for clip in store.made()} == planned
        assert store.rows("SELECT COUNT(*) FROM scores") == [(36 + 12,)]  # those of melodic-complexity@2
        assert store.rows("SELECT COUNT(*) FROM notes") == [(4,)]
        assert {view for (view,) in store.rows("SELECT view FROM metrics UNION SELECT view FROM embeddings")} == {
            "",
            '{"band":3000.0}',
        }
        assert store.rows("SELECT COUNT(DISTINCT embedder) FROM embeddings") == [(1,)]
        assert "class" not in json.dumps(store.rows("SELECT identity FROM models WHERE label != 'pluck'"))
    # And once more, as any run.
    db = (old / "run.db").read_bytes()
    bench.run("run.yaml", old)
    assert clips(old) == before and len(db) == (old / "run.db").stat().st_size


def test_vectors_are_not_computed_again(old: Path) -> None:
    with sqlite3.connect(old / "run.db") as db:
        db.execute("UPDATE embeddings SET vectors = zeroblob(length(vectors)) WHERE vectors IS NOT NULL")
    bench.run("run.yaml", old)
    with sqlite3.connect(old / "run.db") as db:
        assert not any(any(vectors) for (vectors,) in db.execute("SELECT vectors FROM embeddings"))


@pytest.mark.parametrize("when", ["before the rows are written", "after"])
def test_a_run_that_dies_in_between_loses_nothing(old: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = clips(old)

    class Killed(BaseException):
        pass

    def dying(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if when == "after":
            patch.setattr(Path, "unlink", dying)
        else:
            patch.setattr("bench.storage.store.Store._add_clips", dying)
        with pytest.raises(Killed):
            bench.run("run.yaml", old)
    names = [path.name for path in old.glob("audio/*/*.flac")]
    assert len(names) >= 12
    bench.run("run.yaml", old)
    assert clips(old) == before
    assert len(list(old.glob("audio/*/*"))) == 12


def test_a_part_of_the_old_configuration_names_all_its_clips(old: Path) -> None:
    """Clips of seeds and prompts that are not asked for this time get their names too, so that they can be later."""
    with sqlite3.connect(old / "run.db") as db:
        (path,) = db.execute("SELECT path FROM clips WHERE model = 'pluck' AND prompt = 'rock-2'").fetchone()
    text = Path("suite.yaml").read_text()
    Path("suite.yaml").write_text("".join(line for line in text.splitlines(keepends=True) if "rock-2" not in line))
    bench.run("run.yaml", old)
    Path("suite.yaml").write_text(text)
    assert not (old / path).exists()
    before = clips(old)
    bench.run("run.yaml", old)
    # The clips of a folder were made of files that the old row does not name: the one left out is read once more.
    assert [row for row in clips(old) if row[0] != "mine"] == [row for row in before if row[0] != "mine"]


def test_another_model_is_still_another(old: Path) -> None:
    Path("run.yaml").write_text(Path("run.yaml").read_text().replace("hz: 330", "hz: 440"))
    with pytest.raises(UsageError, match="model 'pluck'"):
        bench.run("run.yaml", old)
    Path("plugin.py").write_text(Path("plugin.py").read_text() + "\n")
    Path("run.yaml").write_text(Path("run.yaml").read_text().replace("hz: 440", "hz: 330"))
    with pytest.raises(UsageError, match="model 'pluck'"):
        bench.run("run.yaml", old)


def test_a_plugin_file_may_have_been_renamed(old: Path) -> None:
    before = clips(old)
    Path("plugin.py").rename("renamed.py")
    Path("run.yaml").write_text(Path("run.yaml").read_text().replace("plugin.py:", "renamed.py:"))
    bench.run("run.yaml", old)
    assert clips(old) == before


def test_scoring_it_again_brings_the_scores_up_to_date(old: Path) -> None:
    rescore(old, load_config(Path("run.yaml")))
    assert of_one_version(values(old), kept())
    bench.run("run.yaml", old)
    assert of_one_version(values(old), kept())


def test_the_reference_of_an_older_format_is_refused(old: Path) -> None:
    (file,) = (old / "references").iterdir()
    with pytest.raises(DataError, match=r"format 1, .* format 2; "):
        load_reference(file)


def test_the_first_layout_is_read_too(old: Path) -> None:
    with sqlite3.connect(old / "run.db") as db:
        db.executescript("ALTER TABLE models DROP COLUMN trained_on; PRAGMA user_version = 1;")
    assert same(values(old), kept())
    bench.run("run.yaml", old)
    assert of_one_version(values(old), kept())


def test_what_no_tunebench_wrote_is_damage(old: Path) -> None:
    with sqlite3.connect(old / "run.db") as db:
        db.execute("UPDATE metrics SET view = 'the last 3 s' WHERE view != ''")
    for act in (lambda: Store.read(old), lambda: Store.open(old)):
        with pytest.raises(DataError, match="damaged"):
            act()
    with sqlite3.connect(old / "run.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_words_become_data() -> None:
    words = {
        "": "",
        "whole clips": "{}",
        "the first 8 s": '{"seconds":8.0}',
        "the first 0.5 s, up to 8000 Hz": '{"band":8000.0,"seconds":0.5}',
        "whole clips, up to 1e+06 Hz": '{"band":1000000.0}',
    }
    assert {text: view_of_words(text) for text in words} == words
    for wrong in ("the first s", "whole clips, ", "the first . s", "whole clips, up to 8000"):
        with pytest.raises(DataError):
            view_of_words(wrong)
    assert Notice.of_sentence("W-BIAS: too large") == Notice("W-BIAS", {}, "too large")
    assert Notice.of_sentence("anything").sentence == "W-OTHER: anything"


def test_a_second_name_is_no_second_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"audio")
    link_or_copy(tmp_path / "a", tmp_path / "deep" / "b")
    assert (tmp_path / "deep" / "b").samefile(tmp_path / "a")
