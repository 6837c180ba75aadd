"""A leaderboard of bundles: each verified once, protocols apart, what is wrong named, and the same bytes each time."""

from __future__ import annotations

import csv
import hashlib
import html.parser
import io
import json
import os
import shutil
import sqlite3
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import bench
from bench import DataError, UsageError
from bench.bundle.accept import Decided, VerifyOptions, find_bundles
from bench.bundle.board import build_board, build_pages
from bench.bundle.board_rows import ProtocolTable
from bench.bundle.pack import pack
from bench.bundle.submitter import describe_submitter
from bench.comparison.compare import compare
from bench.leaderboard.many_runs import MOST_ROWS, NamedRow, rank_rows
from bench.leaderboard.render import read_board
from bench.storage.digests import write_digests
from bench.user_cache import cache_folder

HOSTILE = "<script>alert('me')</script>\u202e"
SUITE = {
    "name": "small",
    "version": 1,
    "prompts": [
        {"id": f"p{place}", "text": f"<script>alert({place})</script>", "genre": "jazz", "key": key}
        for place, key in enumerate(("C major", "A minor", "D major", "B minor", "F major", "E minor"))
    ],
}
OPTIONS = VerifyOptions(workers=0)


@dataclass(frozen=True)
class Built:
    """A board and what it is made of."""

    index: Path
    decided: Decided
    tables: list[ProtocolTable]


def _build(files: Sequence[Path], out: Path, title: str = "Leaderboard", audio: bool = False) -> Built:
    return Built(out / "index.html", *build_pages(files, out, title, audio, OPTIONS))


def _sine(tiny: Path, row: str, hz: float) -> dict[str, Any]:
    return {"name": f"{tiny}:Sine", "as": row, "params": {"hz": hz}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> dict[str, Path]:
    """Ann and Bob with the same base and another 'tuned' each, and Eve, who has only one of their metrics."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.yaml").write_text(yaml.safe_dump(SUITE))
    common = {"suite": str(folder / "small.yaml"), "executor": {"workers": 0}}
    kad = {"metrics": ["key-adherence", "kad"], "duration": 3, **common}
    base = _sine(tiny, "base", 440.0)
    configs: dict[str, dict[str, Any]] = {
        "ann": {"models": [base, _sine(tiny, "tuned", 330.0)], **kad},
        "bob": {"models": [base, {"name": "noise", "as": "tuned"}], **kad},
        "eve": {"models": [base], "metrics": ["key-adherence"], "duration": 3, **common},
    }
    return {name: bench.run(config, folder / name).folder for name, config in configs.items()}


@pytest.fixture(scope="module")
def bundles(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    said = {"ann": describe_submitter(HOSTILE.rstrip("\u202e"), "https://example.org/?a=1&b=<2>")}
    return {name: pack(run, folder / f"{name}.zip", submitter=said.get(name)).path for name, run in runs.items()}


@pytest.fixture(scope="module")
def board(bundles: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Built:
    return _build(list(bundles.values()), tmp_path_factory.mktemp("site") / "site", "All", True)


def _changed(bundle: Path, path: Path, sealed: bool, table: str = "run.db") -> tuple[str, float, float]:
    """A copy with one changed score of key adherence; its clip, the score as stored, and what it should be."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    database = path.with_suffix(".db")
    database.write_bytes(files["run.db"])
    with sqlite3.connect(database) as db:
        clip, prompt, seed, value = db.execute(
            "SELECT clip, prompt, seed, value FROM scores JOIN clips ON id = clip WHERE metric = 'key-adherence' "
            "AND value IS NOT NULL ORDER BY prompt LIMIT 1"
        ).fetchone()
        db.execute("UPDATE scores SET value = ? WHERE clip = ? AND metric = 'key-adherence'", (100 - value, clip))
        write_digests(db)
    if table == "run.db":
        files["run.db"] = database.read_bytes()
    else:
        header, *lines = csv.reader(io.StringIO(files["scores.csv"].decode()))
        (line,) = [one for one in lines if (one[1], one[header.index("seed")]) == (prompt, str(seed))]
        line[header.index("key-adherence@2")] = str(100 - value)
        files["scores.csv"] = "".join(_csv_line(one) for one in [header, *lines]).encode()
    database.unlink()
    index = json.loads(files["bundle.json"])
    if sealed:
        index["files"][table] = {"sha256": hashlib.sha256(files[table]).hexdigest(), "size": len(files[table])}
    files["bundle.json"] = json.dumps(index).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return f"{prompt}, seed {seed}", 100 - value, value


def _csv_line(fields: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(fields)
    return text.getvalue()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestTables:
    def test_each_protocol_has_a_table_of_its_own(self, board: Built) -> None:
        first, second = board.tables
        assert [sorted(row.name for row in table.rows) for table in (first, second)] == [
            ["base", "tuned (ann)", "tuned (bob)"],
            ["base"],
        ]
        assert [[column.ref for column in table.columns] for table in (first, second)] == [
            ["key-adherence@2", "kad@2"],
            ["key-adherence@2"],
        ]
        assert first.protocol.id != second.protocol.id
        assert [one.file.name for one in board.decided.accepted] == ["ann.zip", "bob.zip", "eve.zip"]

    def test_a_row_that_two_bundles_hold_stands_once_and_names_both(self, board: Built) -> None:
        (base,) = [row for row in board.tables[0].rows if row.name == "base"]
        assert [bundle.found.name for bundle in base.bundles] == ["ann", "bob"]
        assert {len(row.bundles) for row in board.tables[0].rows if row.name != "base"} == {1}

    def test_numbers_are_those_of_the_runs(self, board: Built, runs: dict[str, Path]) -> None:
        own = {(cell.model, cell.column.ref): cell.estimate for cell in read_board(runs["ann"]).cells}
        found = {(row.name, cell.column.ref): cell.estimate for row in board.tables[0].rows for cell in row.cells}
        for metric in ("key-adherence@2", "kad@2"):
            for name, label in (("base", "base"), ("tuned (ann)", "tuned")):
                assert found[name, metric] == own[label, metric]

    def test_pairs_across_bundles_are_tested_as_two_runs_are(
        self, board: Built, runs: dict[str, Path], bundles: dict[str, Path], tmp_path: Path
    ) -> None:
        """The runs have their embeddings, those of bundles are computed anew: distances are tested, too."""
        rows = [
            NamedRow(one.run, label, name) for one, label, name in _kept(bundles, tmp_path) if one.found.name != "eve"
        ]
        cells = [cell for row in board.tables[0].rows for cell in row.cells]
        ranks, tested = rank_rows(rows, cells)
        across = {pair.column.ref: pair for pair in tested if (pair.a, pair.b) == ("tuned (ann)", "tuned (bob)")}
        direct = {pair.column.ref: pair for pair in compare(runs["ann"], "tuned", "tuned", runs["bob"])}
        assert across.keys() == direct.keys() == {"key-adherence@2", "kad@2"}
        for ref, pair in direct.items():
            assert pair.p is not None and across[ref].p == pair.p, ref
            assert across[ref].estimate == pytest.approx(pair.estimate, rel=1e-9)
        open_places = {key: (rank.best, rank.worst, set(rank.tied)) for key, rank in ranks.items()}
        assert len(open_places) == 6
        shown = {key: (rank.best, rank.worst, set(rank.tied)) for key, rank in board.tables[0].ranks.items()}
        assert shown == open_places

    def test_of_too_many_rows_none_is_tested(self, runs: dict[str, Path]) -> None:
        rows = [NamedRow(runs["ann"], "base", f"row {place}") for place in range(MOST_ROWS + 1)]
        assert rank_rows(rows, []) == ({}, [])


def _kept(bundles: dict[str, Path], scratch: Path) -> list[tuple[Any, str, str]]:
    from bench.bundle.accept import decide

    decided = decide(list(bundles.values()), scratch, OPTIONS)
    return [
        (one, label, "base" if label == "base" else f"{label} ({one.found.name})")
        for one in decided.accepted
        for label in ("base", "tuned")
        if not (label == "base" and one.found.name == "bob")
    ]


class TestRefusal:
    @pytest.mark.parametrize("table", ["run.db", "scores.csv"])
    @pytest.mark.parametrize("sealed", [True, False], ids=["with right hashes", "with the old hashes"])
    def test_one_changed_score_is_found(
        self, bundles: dict[str, Path], tmp_path: Path, sealed: bool, table: str
    ) -> None:
        clip, stored, right = _changed(bundles["eve"], tmp_path / "mallory.zip", sealed, table)
        built = _build([bundles["ann"], tmp_path / "mallory.zip"], tmp_path / "site")
        (refused,) = built.decided.refused
        assert refused.file.name == "mallory.zip"
        first = refused.deviations[0]
        assert (first.place.model, first.place.metric, first.place.group) == ("base", "key-adherence@2", clip)
        assert (first.then, first.now) == (stored, right)
        assert [one.found.name for one in built.decided.accepted] == ["ann"]
        (said,) = json.loads((tmp_path / "site" / "data" / "leaderboard.json").read_text())["refused"]
        assert said["file"] == "mallory.zip"
        assert {"group": clip, "metric": "key-adherence@2", "stored": stored, "recomputed": right}.items() <= said[
            "differs"
        ][0].items()
        page = (tmp_path / "site" / "index.html").read_text()
        assert all(word in page for word in ("mallory.zip", clip, f"{stored:g}", f"{right:g}"))

    def test_the_command_names_it_and_tells_of_it_by_its_exit_code(
        self, bundles: dict[str, Path], tmp_path: Path, tunebench: Callable[..., subprocess.CompletedProcess[str]]
    ) -> None:
        clip, stored, right = _changed(bundles["eve"], tmp_path / "mallory.zip", True)
        (tmp_path / "broken.zip").write_bytes(bundles["bob"].read_bytes()[:3000])
        done = tunebench("board", bundles["ann"], tmp_path, "--out", tmp_path / "site", "--workers", "0", "--json")
        assert done.returncode == 4, done.stderr
        assert "Traceback" not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if "mallory.zip" in line]
        assert all(word in line for word in (clip, "key-adherence@2", f"then {stored:g}", f"now {right:g}"))
        record = json.loads(done.stdout)
        assert [one["file"] for one in record["refused"]] == ["broken.zip", "mallory.zip"]
        assert {row["name"] for row in record["protocols"][0]["rows"]} == {"base", "tuned"}

    def test_names_that_are_no_text_are_shown_all_the_same(self, bundles: dict[str, Path], tmp_path: Path) -> None:
        with zipfile.ZipFile(bundles["eve"]) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        index = files["bundle.json"].decode().replace('"name": "eve"', '"name": "\\ud800\\u0000<b>"', 1)
        files["bundle.json"] = index.encode()
        odd = tmp_path / os.fsdecode(b"\xff<i>.zip")
        with zipfile.ZipFile(odd, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        (tmp_path / os.fsdecode(b"\xfe.zip")).write_bytes(b"nothing")
        built = _build([tmp_path], tmp_path / "site")
        assert (len(built.decided.accepted), len(built.decided.refused)) == (1, 1)
        page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
        assert "&lt;b&gt;" in page and "<b>rank" in page and "\0" not in page
        json.loads((tmp_path / "site" / "data" / "leaderboard.json").read_text(encoding="utf-8"))

    def test_where_none_holds_nothing_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(b"PK")
        with pytest.raises(DataError, match=r"a\.zip"):
            _build([tmp_path / "a.zip"], tmp_path / "site")
        assert not (tmp_path / "site" / "index.html").exists()

    def test_what_is_no_bundle_at_all_is_said_before_any_is_verified(
        self, runs: dict[str, Path], bundles: dict[str, Path], tmp_path: Path
    ) -> None:
        for wrong in (runs["ann"], tmp_path / "none.zip"):
            with pytest.raises(UsageError, match=wrong.name):
                _build([bundles["ann"], wrong], tmp_path / "site")
        assert not (tmp_path / "site").exists()
        found = find_bundles([bundles["ann"].parent, bundles["ann"]])
        assert [file.name for file in found] == ["ann.zip", "bob.zip", "eve.zip"]

    def test_a_folder_that_holds_something_else_is_left_alone(self, bundles: dict[str, Path], tmp_path: Path) -> None:
        (tmp_path / "report.json").write_text("{}")
        with pytest.raises(UsageError, match=r"board\.json"):
            _build([bundles["ann"]], tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


class TestAgain:
    def test_the_same_bundles_give_the_same_bytes_and_are_not_verified_again(
        self, board: Built, bundles: dict[str, Path], tmp_path: Path
    ) -> None:
        files = list(reversed(bundles.values()))
        again = _build(files, tmp_path / "site", "All", True)
        assert [one.recalled for one in again.decided.accepted] == [True] * 3
        assert _bytes(tmp_path / "site") == _bytes(board.index.parent)
        # Built over itself it stays, and what somebody put there does, too.
        (tmp_path / "site" / "CNAME").write_text("example.org")
        _build(files[1:], tmp_path / "site", "All", False)
        assert (tmp_path / "site" / "CNAME").exists() and not (tmp_path / "site" / "audio").exists()

    def test_what_is_damaged_in_the_cache_is_verified_again(self, bundles: dict[str, Path], tmp_path: Path) -> None:
        _build([bundles["eve"]], tmp_path / "one")
        for entry in cache_folder("verified-bundles").iterdir():
            entry.write_bytes(entry.read_bytes()[:-1] + b"?")
        again = _build([bundles["eve"]], tmp_path / "two")
        assert [one.recalled for one in again.decided.accepted] == [False]
        assert _bytes(tmp_path / "one") == _bytes(tmp_path / "two")

    def test_a_larger_version_of_a_bundle_stands_for_the_smaller_one(
        self, bundles: dict[str, Path], runs: dict[str, Path], tmp_path: Path
    ) -> None:
        config = yaml.safe_load((runs["eve"] / "config.yaml").read_text())
        shutil.copytree(runs["eve"], tmp_path / "eve")
        bench.run({**config, "seeds": [0, 1]}, tmp_path / "eve")
        newer = pack(tmp_path / "eve", tmp_path / "newer.zip").path
        shutil.copyfile(bundles["eve"], tmp_path / "copy.zip")
        built = _build([tmp_path / "copy.zip", newer, bundles["eve"]], tmp_path / "site")
        (table,) = built.tables
        (row,) = table.rows
        assert (row.name, len(row.clips)) == ("base", 12)
        ((old, new),) = table.replaced
        assert (len(old.clips), new) == (6, row)
        assert built.decided.repeated == {bundles["eve"]: tmp_path / "copy.zip"}

    def test_other_rows_of_one_name_and_bundle_name_are_told_apart(
        self, runs: dict[str, Path], tmp_path: Path, tiny: Path
    ) -> None:
        config = yaml.safe_load((runs["eve"] / "config.yaml").read_text())
        files = []
        for place, hz in enumerate((200.0, 250.0)):
            folder = tmp_path / str(place) / "mine"
            folder.parent.mkdir()
            bench.run({**config, "models": [_sine(tiny, "base", hz)]}, folder)
            files.append(pack(folder, tmp_path / f"{place}.zip").path)
        (table,) = _build(files, tmp_path / "site").tables
        marks = [hashlib.sha256(file.read_bytes()).hexdigest()[:8] for file in files]
        assert {row.name for row in table.rows} == {f"base (mine, {mark})" for mark in marks}


def test_what_cannot_be_computed_here_is_shown_as_stated(tmp_path: Path, tiny: Path, runs: dict[str, Path]) -> None:
    config = yaml.safe_load((runs["eve"] / "config.yaml").read_text())
    run = bench.run({**config, "metrics": [f"{tiny}:Peak", "key-adherence"]}, tmp_path / "run").folder
    built = _build([pack(run, tmp_path / "b.zip").path], tmp_path / "site")
    ((row,),) = (table.rows for table in built.tables)
    assert row.stated == {"Peak@1"}
    record = build_board([tmp_path / "b.zip"], str(tmp_path / "site"), options=OPTIONS).record
    (said,) = record["protocols"][0]["rows"]
    assert {cell["metric"]: cell["computed"] for cell in said["cells"]} == {"Peak@1": False, "key-adherence@2": True}
    assert (tmp_path / "site" / "index.html").read_text().count("stated, not computed here") == 1
    # It may be computable the next time.
    again = _build([tmp_path / "b.zip"], tmp_path / "site")
    assert [one.recalled for one in again.decided.accepted] == [False]


class Page(html.parser.HTMLParser):
    """What a page loads, and the scripts that stand in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.policy = ""
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("script", "link", "img", "audio", "iframe", "object"):
            self.loaded.append(str(given.get("src") or given.get("href")))
        if any(name.startswith("on") or name == "style" for name in given) or tag in ("style", "base"):
            self.inline.append(tag)
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        self._script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)


def test_hostile_names_stay_text_and_nothing_comes_from_elsewhere(board: Built) -> None:
    folder = board.index.parent
    pages = sorted(folder.rglob("*.html"))
    assert len(pages) == 1 + len(board.tables)
    for path in pages:
        page = Page(path.read_text(encoding="utf-8"))
        assert page.inline == []
        assert "default-src 'none'" in page.policy and "unsafe" not in page.policy and "http" not in page.policy
        assert page.loaded
        for name in page.loaded:
            assert (path.parent / name).resolve().is_relative_to(folder.resolve()) and (path.parent / name).is_file()
    assert "&lt;script&gt;alert(&#39;me&#39;)" in board.index.read_text()


def test_a_browser_shows_it_without_complaint(board: Built) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    playwright = pytest.importorskip("playwright.sync_api")
    if not chromium:
        pytest.skip("no Chromium")
    with (
        playwright.sync_playwright() as own,
        own.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        for width in (390, 1440):
            page = browser.new_page(viewport={"width": width, "height": 900})
            said: list[str] = []
            asked: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.on("pageerror", lambda error, said=said: said.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.goto(board.index.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            names = page.locator("table.board").first.locator("tbody th .label")
            page.locator("table.board").first.locator("thead button").first.click()
            assert names.all_text_contents() == ["base", "tuned (ann)", "tuned (bob)"]
            assert said == []
            assert all(url.startswith(board.index.parent.as_uri()) for url in asked)


@pytest.mark.parametrize(
    ("name", "link"), [("two\nlines", ""), ("", "javascript:alert(1)"), ("", "https://"), ("x" * 201, "")]
)
def test_a_submitter_is_a_line_and_an_address(name: str, link: str) -> None:
    with pytest.raises(UsageError):
        describe_submitter(name, link)


def test_a_forged_submitter_is_refused(bundles: dict[str, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(bundles["eve"]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    index = json.loads(files["bundle.json"])
    files["bundle.json"] = json.dumps({**index, "submitter": {"link": "javascript:alert(1)"}}).encode()
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"javascript:alert\(1\)"):
        _build([tmp_path / "b.zip"], tmp_path / "site")
